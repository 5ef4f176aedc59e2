"""What a large screen shows of the day."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.console.api import figures as figures_routes
from gateway.console.api.figures import Figures
from gateway.model import rfc3339


async def figures(http, house, role="operator", query=""):
    async with http.get(f"/api/v1/figures{query}", headers=house.bearer(role)) as answer:
        assert answer.status == 200, await answer.text()
        shown = await answer.json()
    Figures.model_validate(shown)
    return shown


def raised(ago: timedelta, acknowledge_s: float = 600, dispatch_s: float = 3600) -> dict:
    at = datetime.now(UTC) - ago
    due = {
        "acknowledge": rfc3339(at + timedelta(seconds=acknowledge_s)),
        "dispatch": rfc3339(at + timedelta(seconds=dispatch_s)),
    }
    return {"raised_at": rfc3339(at), "detail": {"due": due}}


async def test_a_quiet_day_has_hours_and_no_times(house, http) -> None:
    shown = await figures(http, house)
    assert (shown["alerts"], shown["complete"]) == (0, True)
    assert len(shown["hours"]) == 25
    assert shown["stages"]["acknowledge"] == {
        "done": 0, "late": 0, "waiting": 0, "p50_s": None, "p90_s": None, "limit_s": None,
    }  # fmt: skip


async def test_alerts_are_counted_by_hour_and_severity_and_tests_are_not(house, http) -> None:
    await house.raise_alert(**raised(timedelta(hours=2)))
    await house.raise_alert(severity=3, **raised(timedelta(hours=2)))
    await house.raise_alert(status="test", **raised(timedelta(hours=2)))
    await house.raise_alert(**raised(timedelta(hours=30)))
    shown = await figures(http, house)
    assert shown["alerts"] == 2
    assert shown["by_severity"] == {"1": 1, "2": 0, "3": 1, "4": 0}
    assert sum(hour["alerts"] for hour in shown["hours"]) == 2
    assert sum(hour["severe"] for hour in shown["hours"]) == 1
    busy = next(hour for hour in shown["hours"] if hour["alerts"])
    assert datetime.fromisoformat(busy["start"]) <= datetime.now(UTC) - timedelta(hours=2)


async def test_times_are_measured_against_the_service_levels(house, http) -> None:
    seen = await house.raise_alert(**raised(timedelta(seconds=5)))
    await house.act(seen, "acknowledge", "wang")
    await house.act(seen, "dispatch", "wang")
    await house.raise_alert(**raised(timedelta(seconds=5)))  # still in time
    await house.raise_alert(**raised(timedelta(hours=2)))  # not taken, and too late for both
    over = await house.raise_alert(**raised(timedelta(hours=2)))
    await house.act(over, "close", "wang", disposition="false_alarm")  # taken by that, late; nobody had to be sent
    stages = (shown := await figures(http, house))["stages"]
    taken, sent = stages["acknowledge"], stages["dispatch"]
    assert (taken["done"], taken["late"], taken["waiting"], taken["limit_s"]) == (2, 2, 1, 600.0)
    assert (sent["done"], sent["late"], sent["waiting"], sent["limit_s"]) == (1, 1, 1, 3600.0)
    assert 5 <= taken["p50_s"] < 600 < taken["p90_s"]
    assert (shown["closed"], shown["false_alarms"]) == (1, 1)


async def test_only_the_callers_own_areas_are_counted(house, http) -> None:
    await house.raise_alert(area="110101001001")
    await house.raise_alert()
    assert (await figures(http, house, "near"))["alerts"] == 1


async def test_since_is_no_more_than_a_day_back_and_needs_its_offset(house, http) -> None:
    await house.raise_alert(**raised(timedelta(hours=2)))
    assert (await figures(http, house, query="?since=2020-01-01T00:00:00Z"))["alerts"] == 1
    recent = rfc3339(datetime.now(UTC) - timedelta(hours=1))
    assert (await figures(http, house, query=f"?since={recent}"))["alerts"] == 0
    assert len((await figures(http, house, query="?since=2999-01-01T00:00:00Z"))["hours"]) == 1
    async with http.get("/api/v1/figures?since=2026-01-01T00:00:00", headers=house.bearer("operator")) as answer:
        assert answer.status == 422


async def test_a_storm_is_cut_at_its_newest_and_says_so(house, http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures_routes, "_MOST", 2)
    monkeypatch.setattr(figures_routes, "_PAGE", 1)
    for _ in range(3):
        await house.raise_alert()
    shown = await figures(http, house)
    assert (shown["alerts"], shown["complete"]) == (2, False)
