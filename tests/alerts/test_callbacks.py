"""Calling back: owed for a real press until a call has an outcome."""

from typing import Any

import pytest

from gateway.alerts.callbacks import owed
from gateway.model import Status


async def test_a_press_that_nobody_answers_by_phone_is_overdue_once(town: Any, metric: Any) -> None:
    before = metric("gateway_callbacks_overdue_total")
    alert = (await town.intake.emit(town.press("p1"))).alert_id
    await town.wait(119)
    assert metric("gateway_callbacks_overdue_total") == before
    await town.restart()
    await town.wait(1)
    assert metric("gateway_callbacks_overdue_total") == before + 1
    assert owed(await town.alert(alert))
    await town.wait(600)
    assert metric("gateway_callbacks_overdue_total") == before + 1


@pytest.mark.parametrize("how", ["note", "close"])
async def test_an_outcome_or_an_end_clears_it(town: Any, metric: Any, how: str) -> None:
    before = metric("gateway_callbacks_overdue_total")
    alert = (await town.intake.emit(town.press("p1"))).alert_id
    await town.act(alert, "note")
    assert "callback" in {name for name, _ in await town.timers()}
    await town.admit(alert, how, "dazhu", "county", callback="reached", disposition="real")
    assert "callback" not in {name for name, _ in await town.timers()}
    await town.wait(600)
    assert metric("gateway_callbacks_overdue_total") == before
    assert not owed(await town.alert(alert))


async def test_what_the_presser_takes_back_is_called_back_again(town: Any) -> None:
    alert = (await town.intake.emit(town.press("p1"))).alert_id
    await town.act(alert, "note", callback="reached")
    await town.wait(30)
    await town.intake.withdraw("tv-1", "p1")
    assert [left for name, left in await town.timers() if name == "callback"] == [120.0]
    assert owed(await town.alert(alert)) and "withdrawn_at" in (await town.alert(alert)).detail
    assert (await town.alert(alert)).workflow == "new"


async def test_tests_are_not_called_back(town: Any) -> None:
    alert = (await town.intake.emit(town.press("p1", status=Status.TEST))).alert_id
    assert not owed(await town.alert(alert))
    assert "callback" not in {name for name, _ in await town.timers()}


async def test_another_nodes_household_is_that_nodes_timer(town: Any) -> None:
    base = {"kind": "sos", "source": {"type": "terminal", "id": "tv-9"}}
    await town.admit("below", "raised", "village", "village", base=base)
    assert owed(await town.alert("below"))  # and so among the tasks here too
    assert "callback" not in {name for name, _ in await town.timers()}
