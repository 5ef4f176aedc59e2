"""Times at the ends of what can be reckoned with."""

import pytest
from yarl import URL

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


@pytest.mark.parametrize("plus", ["+", "%2B"])
async def test_an_offset_may_be_written_as_it_is_read(house, http, plus) -> None:
    """In an address a plus sign stands for a blank, and few who type one think of it."""
    alert = await house.raise_alert()
    said = {"headers": house.bearer("operator")}
    for since, found in (("2026-01-01T00:00:00", [alert]), ("2199-01-01T00:00:00.5", [])):
        query = URL(f"{house.url}/api/v1/alerts?since={since}{plus}08:00", encoded=True)
        async with http.get(query, **said) as answer:
            assert [each["id"] for each in (await answer.json())["items"]] == found
    for path in ("/assessment?until=2026-01-01T00:00:00", "/terminals?untested_since=2026-01-01T00:00:00"):
        async with http.get(URL(f"{house.url}/api/v1{path}{plus}08:00", encoded=True), **said) as answer:
            assert answer.status == 200, path
    async with http.get("/api/v1/alerts?since=2026-01-01%2000:00:00", **said) as answer:
        assert (answer.status, "offset" in await answer.text()) == (422, True)
