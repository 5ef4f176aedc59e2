"""A lower node that fell silent is an alert: nobody there can tell of anything any more."""

from datetime import datetime

from gateway.alerts import grading
from gateway.alerts.policy import IntakePolicy
from gateway.codec import optional_time, place_json, source_json
from gateway.model import Condition, Draft, Kind, Place, SourceRef, Status, rfc3339, uuid7
from gateway.observability import events
from gateway.ports import Clock, Ledger, StoredAlert, Transaction

_TITLES = {Kind.DEVICE_OFFLINE: "下级节点失联"}
_MOST_OPEN = 20  # of one node, cleared by themselves and closed by nobody


class SilenceAlerts:
    """Of the nodes connected to this one. What is open is looked up in the ledger, so a restart doubles nothing."""

    def __init__(self, ledger: Ledger, policy: IntakePolicy, clock: Clock) -> None:
        self._ledger = ledger
        self._policy = policy
        self._clock = clock

    async def settle(
        self, node: SourceRef, area_code: str | None, last_heard: datetime | None, *, missed: bool, reason: str
    ) -> None:
        """Have an active alert of ``node`` while it is ``missed``, and none while it is not. Raises StoreFailed."""

        def work(tx: Transaction) -> str | None:
            active = [stored for stored in self._open(tx, node) if stored.alert.condition is Condition.ACTIVE]
            if missed and not active:
                return self._raise(tx, node, area_code, last_heard, reason)
            if not missed:
                for stored in active:
                    draft = Draft(stored.alert.id, "cleared", "gateway", self._clock.now(), reason, {"still": []})
                    tx.append(draft)
            return None

        raised = await self._ledger.write(work)
        if raised is not None:
            events.alert_raised(raised, Kind.DEVICE_OFFLINE.value, self._severity(), Status.ACTUAL.value, node)

    def _severity(self) -> int:
        return grading.severity(Kind.DEVICE_OFFLINE, self._policy.grading)

    def _open(self, tx: Transaction, node: SourceRef) -> list[StoredAlert]:
        found = tx.open_alerts(node.id, Kind.DEVICE_OFFLINE, Status.ACTUAL, _MOST_OPEN)
        return [stored for stored in found if stored.alert.source.type == "node"]

    def _raise(
        self, tx: Transaction, node: SourceRef, area_code: str | None, last_heard: datetime | None, reason: str
    ) -> str:
        alert_id, now = uuid7(), self._clock.now()
        base = {
            "kind": Kind.DEVICE_OFFLINE.value,
            "severity": self._severity(),
            "status": Status.ACTUAL.value,
            "source": source_json(node),
            "place": place_json(Place(area_code=area_code)),
            "title": grading.title(Kind.DEVICE_OFFLINE, node.name or node.id, _TITLES),
            "device_time": None,
            "raised_at": rfc3339(now),
            "detail": {"reason": reason, "last_heard": optional_time(last_heard)},
            "cameras": [],
        }
        tx.append(Draft(alert_id, "raised", "gateway", now, data={"base": base}))
        return alert_id
