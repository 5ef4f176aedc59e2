"""Service levels: due moments that travel with the alert, and what is counted where it was raised."""

import asyncio
from typing import Any

from gateway.model import Status

BREACHES = "gateway_alert_sla_breaches_total"
STAGES = "gateway_alert_stage_duration_seconds_count"


async def test_the_moments_stand_in_the_alert(town: Any) -> None:
    alert = (await town.intake.emit(town.press("p1"))).alert_id
    assert (await town.alert(alert)).detail["due"] == {
        "acknowledge": "2026-05-01T08:00:10.000Z",
        "dispatch": "2026-05-01T08:01:00.000Z",
        "close": "2026-05-01T08:01:00.000Z",
    }


async def test_what_is_late_is_counted_once_at_each_stage(town: Any, metric: Any) -> None:
    before = {stage: metric(BREACHES, stage=stage, severity="1") for stage in ("acknowledge", "dispatch", "close")}

    def missed() -> dict[str, float]:
        return {stage: metric(BREACHES, stage=stage, severity="1") - count for stage, count in before.items()}

    alert = (await town.intake.emit(town.press("p1"))).alert_id
    await town.wait(9)
    assert missed() == {"acknowledge": 0, "dispatch": 0, "close": 0}
    await town.wait(1)
    assert missed() == {"acknowledge": 1, "dispatch": 0, "close": 0}
    await town.act(alert, "acknowledge")
    await town.act(alert, "dispatch")
    await town.restart()
    await town.wait(600)
    assert missed() == {"acknowledge": 1, "dispatch": 0, "close": 1}


async def test_stages_are_timed_once(town: Any, metric: Any) -> None:
    names = ("receive", "forward", "acknowledge", "dispatch", "close")
    before = {stage: metric(STAGES, stage=stage, severity="1") for stage in names}
    alert = (await town.intake.emit(town.press("p1"))).alert_id
    await town.confirm("county")
    for action in ("acknowledge", "dispatch", "note", "close", "close"):
        await town.act(alert, action, disposition="real")
    async with asyncio.timeout(60):
        while metric(STAGES, stage="receive", severity="1") == before["receive"]:
            await asyncio.sleep(0.01)
    assert {stage: metric(STAGES, stage=stage, severity="1") - before[stage] for stage in names} == dict.fromkeys(
        names, 1
    )
    assert "service" not in {name for name, _ in await town.timers()}


async def test_nobody_is_held_to_anything_by_a_test(town: Any) -> None:
    alert = (await town.intake.emit(town.press("p1", status=Status.TEST))).alert_id
    assert "due" not in (await town.alert(alert)).detail
    assert "service" not in {name for name, _ in await town.timers()}
