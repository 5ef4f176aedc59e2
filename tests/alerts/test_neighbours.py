"""Neighbours hear who needs help and where, and when it is over; never a phone number."""

from typing import Any

import pytest

from gateway.alerts.intake import Intake
from gateway.alerts.neighbours import NeighbourPolicy
from gateway.alerts.policy import IntakePolicy
from gateway.model import Notice, Status


async def notices(town: Any) -> list[Any]:
    return [content for content in await town.given("tv") if isinstance(content, Notice)]


async def test_those_whom_the_household_names_hear_of_its_press(town: Any) -> None:
    alert = (await town.intake.emit(town.press("p1"))).alert_id
    told = await notices(town)
    assert [(notice.kind, notice.to, notice.alert_id) for notice in told] == [
        ("neighbour", "tv-2", alert),
        ("neighbour", "tv-3", alert),
    ]
    assert told[0].data == {
        "alert_id": alert,
        "terminal": "tv-1",
        "kind": "sos",
        "state": "raised",
        "household": {"name": "张桂芳", "address": "北大街 12 号"},
        "test": False,
    }
    assert "北大街 12 号" in told[0].text and "张桂芳" in told[0].text
    assert "1380000" not in repr(told)
    await town.intake.emit(town.press("p1"))
    await town.intake.emit(town.press("p2"))
    assert len(await notices(town)) == 2  # neither a repeat nor a press that joins


@pytest.mark.parametrize("action", ["close", "cancel"])
async def test_those_who_were_told_hear_once_that_it_is_over(town: Any, action: str) -> None:
    alert = (await town.intake.emit(town.press("p1"))).alert_id
    await town.admit(alert, action, "dazhu", "county", disposition="real")
    await town.act(alert, "close", disposition="real")
    assert [(notice.to, notice.data["state"]) for notice in (await notices(town))[2:]] == [
        ("tv-2", "closed"),
        ("tv-3", "closed"),
    ]
    await town.act(alert, "reopen")
    assert [(notice.to, notice.data["state"]) for notice in (await notices(town))[4:]] == [
        ("tv-2", "raised"),
        ("tv-3", "raised"),
    ]


async def test_a_household_without_neighbours_and_a_stranger_tell_nobody(town: Any) -> None:
    await town.intake.emit(town.press("p1", terminal="tv-3"))
    await town.intake.emit(town.press("p1", terminal="stranger"))
    assert await notices(town) == []


@pytest.mark.parametrize("status", [Status.TEST, Status.DRILL])
async def test_neighbours_hear_of_tests_only_where_that_is_said(town: Any, status: Status) -> None:
    await town.intake.emit(town.press("p1", status=status))
    assert await notices(town) == []
    policy = IntakePolicy("town", neighbours=NeighbourPolicy(tests=True))
    await Intake(town.ledger, town.register, policy, town.clock).emit(town.press("p2", "tv-2", status=status))
    (told,) = await notices(town)
    assert (told.to, told.data["test"]) == ("tv-1", True)
    assert told.text.startswith("[演练]")


async def test_neighbours_can_be_left_in_peace(town: Any) -> None:
    policy = IntakePolicy("town", neighbours=NeighbourPolicy(enabled=False))
    accepted = await Intake(town.ledger, town.register, policy, town.clock).emit(town.press("p1"))
    await town.act(accepted.alert_id, "close", disposition="real")
    assert await notices(town) == []
