"""What an entry sets in motion, inside the transaction that writes it: so whatever is owed is on disk with its reason."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.alerts.answers import accepted_proof, answer, forwarded_proof, stage_of
from gateway.alerts.causality import unseen_by
from gateway.alerts.duties import Duty
from gateway.model import Draft, Entry, Forwarding, Lane, Parcel, ParcelDraft, Receipt, Stage
from gateway.ports import Clock, FeedEntry, PressRecord, StoredAlert, Transaction

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_ENDINGS = frozenset({"close", "cancel"})
_HANDLING = frozenset({"acknowledge", "dispatch", "arrive"}) | _ENDINGS  # what can bring a press to a further stage
_ALARM_ACTIONS = frozenset({"raised", "pressed", "withdrawn"})
_MEDIA_LANES = {"picture": Lane.PICTURE, "clip": Lane.CLIP}


def lane_of(action: str) -> Lane:
    if action in _ALARM_ACTIONS:
        return Lane.ALARM
    return _MEDIA_LANES.get(action, Lane.UPDATE)


class Reactions(Duty):
    """The ledger's reaction (ports.Reaction) and the forwarder's settlement of one node.

    ``uppers``: ids of the sinks that take every entry, except those that came from them. ``receipted``: of the sinks whose
    receipt is R2, because an upper node gives it; ``uppers`` unless told.
    """

    def __init__(
        self, node_id: str, uppers: Sequence[str], clock: Clock, receipted: Collection[str] | None = None
    ) -> None:
        self._node_id = node_id
        self._uppers = tuple(uppers)
        self._clock = clock
        self._receipted = frozenset(self._uppers if receipted is None else receipted)

    def react(self, tx: Transaction, fed: FeedEntry, stored: StoredAlert | None, via: str | None) -> None:
        for sink in self._uppers:
            if sink != via:
                tx.post(ParcelDraft(sink, lane_of(fed.entry.action), entry_id=fed.entry.id))
        if stored is None or fed.entry.action not in _HANDLING or stored.alert.node != self._node_id:
            return
        if fed.entry.action in _ENDINGS and self._reopened(tx, fed.entry):
            return
        stage = stage_of(stored.alert)
        if stage is not None:
            proof = accepted_proof(stored.alert)
            for record in tx.presses(stored.alert.id):
                self._tell(tx, record, stage, proof)

    def _reopened(self, tx: Transaction, ending: Entry) -> bool:
        """Somebody pressed again while, elsewhere, the alert was being closed: that press must not end unheard."""
        entries = [line.entry for line in tx.entries(ending.alert_id)]
        if not any(entry.action == "pressed" for entry in unseen_by(ending, entries)):
            return False
        comment = "another press came that whoever ended this had not seen"
        tx.append(Draft(ending.alert_id, "reopen", "gateway", self._clock.now(), comment=comment))
        return True

    def settle(self, tx: Transaction, parcel: Parcel, receipt: Receipt | None) -> None:
        """R2: the upper node's receipt is kept, and the presser is told."""
        if receipt is None or parcel.sink not in self._receipted or not isinstance(parcel.content, Entry):
            return
        entry = parcel.content
        tx.remember_receipt(parcel.sink, entry.id, receipt)
        if entry.action == "raised":
            tx.note_forwarding(entry.alert_id, Forwarding(parcel.sink, receipt.committed_at, receipt.seq))
        if entry.node != self._node_id or entry.action not in ("raised", "pressed"):
            return
        press_id = _press_id(entry)
        if press_id is None:
            return
        record = tx.press(entry.actor.removeprefix("terminal/"), press_id, _EVER)
        if record is not None and record.alert_id == entry.alert_id:
            self._tell(tx, record, Stage.FORWARDED, forwarded_proof(parcel.sink, receipt))

    def _tell(self, tx: Transaction, record: PressRecord, stage: Stage, proof: Mapping[str, Any]) -> None:
        if record.stage.rank >= stage.rank:
            return
        tx.raise_stage(record.terminal, record.press_id, record.alert_id, stage)
        told = answer(record, stage, self._node_id, self._clock.now(), reply_to=record.reply_to, proof=proof)
        tx.post(ParcelDraft(record.source, Lane.ALARM, answer=told))


def _press_id(entry: Entry) -> str | None:
    if entry.action == "pressed":
        return entry.data.get("press_id")
    ids = entry.data.get("base", {}).get("detail", {}).get("press_ids", [])
    return ids[0] if ids else None
