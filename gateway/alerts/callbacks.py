"""Calling back a household that pressed: a task of this node until somebody notes what came of it."""

from gateway.alerts.duties import Duty
from gateway.alerts.lifecycle import is_press
from gateway.alerts.timers import owe
from gateway.model import ENDED, Alert, Status, Timer
from gateway.observability import events
from gateway.ports import Clock, FeedEntry, StoredAlert, Transaction

_TIMER = "callback"
_OWED_BY = frozenset({"raised", "reopen", "withdrawn"})
_CLEARED_BY = frozenset({"note", "close", "cancel"})


def owed(alert: Alert) -> bool:
    """Whether somebody still has to call the household: a real press that is open, until a call has an outcome; what the
    presser takes back is called back too."""
    if not is_press(alert) or alert.status is not Status.ACTUAL or alert.workflow in ENDED:
        return False
    return not isinstance(alert.detail.get("callback"), dict)


class CallBacks(Duty):
    """Notices on the home node when nobody has called for ``after`` seconds."""

    timers = frozenset({_TIMER})

    def __init__(self, node_id: str, after: float, clock: Clock) -> None:
        self._node_id = node_id
        self._after = after
        self._clock = clock

    def react(self, tx: Transaction, fed: FeedEntry, stored: StoredAlert | None, via: str | None) -> None:
        entry = fed.entry
        if stored is None or stored.alert.node != self._node_id or not is_press(stored.alert):
            return
        if entry.action in _OWED_BY and owed(stored.alert):
            owe(tx, _TIMER, entry.alert_id, self._clock.now(), self._after)
        elif entry.action in _CLEARED_BY:
            now = tx.alert(entry.alert_id)  # a closing may have been answered with a reopen
            if now is not None and not owed(now.alert):
                tx.clear_timer(_TIMER, entry.alert_id)

    def expired(self, tx: Transaction, timer: Timer) -> None:
        stored = tx.alert(timer.key)
        if stored is not None and owed(stored.alert):
            events.callback_overdue(timer.key, self._after)
