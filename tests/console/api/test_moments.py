"""Times at the ends of what can be reckoned with."""

import pytest

FARTHEST = ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"]


@pytest.mark.parametrize("moment", FARTHEST)
async def test_what_no_sum_of_days_can_reach_is_refused_in_words(house, http, moment) -> None:
    alert = await house.raise_alert()
    query = moment.replace("+", "%2B")
    said = {"headers": house.bearer("operator")}
    for path in (f"/alerts?since={query}", f"/assessment?until={query}", f"/terminals?untested_since={query}"):
        async with http.get(f"/api/v1{path}", **said) as answer:
            assert (answer.status, "between the years" in await answer.text()) == (422, True), path
    orders = {
        f"/alerts/{alert}/actions": {"action": "defer", "until": moment},
        "/test-runs": {"name": "x", "until": moment},
    }
    for path, order in orders.items():
        async with http.post(f"/api/v1{path}", json=order, **said) as answer:
            assert (answer.status, "between the years" in await answer.text()) == (422, True), path
    order = {"type": "node", "armed": False, "until": moment}
    async with http.put("/api/v1/arming", json=order, **said) as answer:
        assert (answer.status, "between the years" in await answer.text()) == (422, True)
