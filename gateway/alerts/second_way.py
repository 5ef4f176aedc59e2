"""No receipt in time: an alert that an upper node has not confirmed goes to the sinks that stand by for it, and says so."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from gateway.alerts.duties import Duty
from gateway.alerts.marks import undelivered
from gateway.alerts.reactions import lane_of
from gateway.alerts.reading import MAX_PRESS_IDS
from gateway.alerts.timers import owe
from gateway.model import Draft, Entry, Lane, Parcel, ParcelDraft, Receipt, Timer
from gateway.observability import events
from gateway.ports import Clock, FeedEntry, StoredAlert, Transaction

_TIMER = "r2"
_MEDIA = frozenset({Lane.PICTURE, Lane.CLIP})


class SecondWay(Duty):
    """``uppers``: the sinks whose receipt is awaited, ``after`` seconds each. ``standby``: sink → those that stand by for it."""

    timers = frozenset({_TIMER})

    def __init__(
        self, node_id: str, uppers: Collection[str], standby: Mapping[str, Sequence[str]], after: float, clock: Clock
    ) -> None:
        self._node_id = node_id
        self._uppers = tuple(uppers)
        self._standby = standby
        self._after = after
        self._clock = clock

    def react(self, tx: Transaction, fed: FeedEntry, stored: StoredAlert | None, via: str | None) -> None:
        if stored is None:
            return
        entry, silent = fed.entry, undelivered(stored.alert, self._node_id)
        for sink in silent:
            self._send_round(tx, sink, [entry], via)
        if entry.action not in ("raised", "pressed") or stored.alert.count > MAX_PRESS_IDS:
            return
        for sink in self._uppers:
            if sink != via and sink not in silent:
                owe(tx, _TIMER, _key(entry, sink), self._now(), self._after, {"sink": sink, "alert": entry.alert_id})

    def expired(self, tx: Transaction, timer: Timer) -> None:
        alert_id, sink = timer.data.get("alert"), timer.data.get("sink")
        stored = tx.alert(alert_id) if isinstance(alert_id, str) else None
        if stored is None or not isinstance(sink, str) or sink in undelivered(stored.alert, self._node_id):
            return
        alert = stored.alert
        # the alert as it stands goes first; that it is undelivered follows by itself, as all that comes later
        if self._standby.get(sink):
            self._send_round(tx, sink, [line.entry for line in tx.entries(alert.id)], None)
        comment = f"{sink} has not confirmed it within {self._after:g} s"
        data = {"sink": sink, "after_s": self._after}
        tx.append(Draft(alert.id, "undelivered", "gateway", self._now(), comment, data))
        events.alert_undelivered(alert.id, sink, self._after)

    def settle(self, tx: Transaction, parcel: Parcel, receipt: Receipt | None) -> None:
        entry = parcel.content
        if receipt is None or parcel.sink not in self._uppers or not isinstance(entry, Entry):
            return
        if entry.action not in ("raised", "pressed"):
            return
        tx.clear_timer(_TIMER, _key(entry, parcel.sink))
        stored = tx.alert(entry.alert_id)
        if stored is not None and entry.action == "raised" and entry.node == self._node_id:
            took = (self._now() - stored.alert.raised_at).total_seconds()
            events.stage_reached("forward", stored.alert.severity, took)
        if stored is not None and parcel.sink in undelivered(stored.alert, self._node_id):
            data = {"sink": parcel.sink, "seq": receipt.seq}
            told = tx.append(Draft(entry.alert_id, "delivered", "gateway", self._now(), None, data))
            self._send_round(tx, parcel.sink, [told], None)  # the last that goes this way

    def _send_round(self, tx: Transaction, sink: str, entries: Sequence[Entry], via: str | None) -> None:
        for other in self._standby.get(sink, ()):
            if other == via:
                continue
            for entry in entries:
                usual = lane_of(entry.action)
                # what is said of the alert is as urgent as the alert; its pictures are not
                lane = usual if usual in _MEDIA else Lane.ALARM
                tx.post(ParcelDraft(other, lane, entry_id=entry.id))

    def _now(self) -> datetime:
        return self._clock.now()


def _key(entry: Entry, sink: str) -> str:
    """One for the alert, and one for each press that joined it: the link may be lost between two presses."""
    return f"{entry.alert_id}|{sink}" if entry.action == "raised" else f"{entry.alert_id}|{sink}|{entry.id}"
