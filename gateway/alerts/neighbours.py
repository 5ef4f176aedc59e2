"""A household's neighbours hear of its press (十户联防): who needs help and where, and when it is over. No phone number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.alerts.duties import Duty
from gateway.alerts.reading import names
from gateway.alerts.register import Register
from gateway.model import ENDED, Alert, Lane, Notice, ParcelDraft, Signal, Status, Terminal
from gateway.ports import Clock, FeedEntry, StoredAlert, Transaction

_TURNS = frozenset({"close", "cancel", "reopen"})
_MOST = 64


@dataclass(frozen=True, slots=True)
class NeighbourPolicy:
    """``tests``: neighbours hear of tests and drills too."""

    enabled: bool = True
    tests: bool = False


def neighbours_of(signal: Signal, terminal: Terminal | None, register: Register, policy: NeighbourPolicy) -> list[str]:
    """The terminals to be told of this press: those that the household names, as far as they are known."""
    if terminal is None or not policy.enabled or (signal.status is not Status.ACTUAL and not policy.tests):
        return []
    named = dict.fromkeys(terminal.neighbours[:_MOST])
    return [id for id in named if id != terminal.id and register.terminal(id) is not None]


def tell(tx: Transaction, alert: Alert, source: str, told: Sequence[str], at: datetime) -> None:
    """Tell ``told`` how it stands, through ``source``: the broker that brought the press."""
    state = "closed" if alert.workflow in ENDED else "raised"
    for terminal in told:
        notice = Notice("neighbour", terminal, alert.id, at, _text(alert, state), _data(alert, state))
        tx.post(ParcelDraft(source, Lane.ALARM, notice=notice))


class Neighbours(Duty):
    """Those who were told of a press (``detail.neighbours``) hear also when it is over, and when it is opened anew."""

    def __init__(self, node_id: str, clock: Clock) -> None:
        self._node_id = node_id
        self._clock = clock

    def react(self, tx: Transaction, fed: FeedEntry, stored: StoredAlert | None, via: str | None) -> None:
        entry = fed.entry
        if stored is None or entry.action not in _TURNS or stored.alert.node != self._node_id:
            return
        told = names(stored.alert.detail.get("neighbours"))
        if not told:
            return
        now, presses = tx.alert(entry.alert_id), tx.presses(entry.alert_id)
        if now is None or not presses:
            return
        # a closing that was not the first, or that was answered with a reopen, is no news
        ended = now.alert.closings == (entry.id,)
        opened = entry.action == "reopen" and not now.alert.closings
        if ended or opened:
            tell(tx, now.alert, presses[0].source, told, self._clock.now())


def _data(alert: Alert, state: str) -> dict[str, Any]:
    return {
        "alert_id": alert.id,
        "terminal": alert.source.id,
        "kind": alert.kind.value,
        "state": state,
        "household": {"name": alert.source.name, "address": alert.place.address},
        "test": alert.status is not Status.ACTUAL,
    }


def _text(alert: Alert, state: str) -> str:
    where = f"（{alert.place.address}）" if alert.place.address else ""
    test = "" if alert.status is Status.ACTUAL else "[演练] "
    if state == "closed":
        return f"{test}邻居求助已处置完毕：{alert.title}{where}"
    return f"{test}邻居求助：{alert.title}{where}，请前往查看"
