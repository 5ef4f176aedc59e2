"""What the gateway does by itself, in the audit."""

from collections.abc import Sequence

from gateway.errors import StoreFailed
from gateway.model import DeviceRemark
from gateway.observability.upkeep_events import audit_failed
from gateway.ports import AuditRecord, Clock, Ledger, Transaction

_ACTOR = "gateway"


class OwnActs:
    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def note(self, action: str, object_: str, detail: str | None) -> None:
        """Return once it is written: nothing is done before."""
        record = AuditRecord(self._clock.now(), _ACTOR, action, object_, None, {"detail": detail} if detail else {})
        try:
            await self._ledger.write(lambda tx: tx.record(record))
        except StoreFailed as error:
            audit_failed(action, str(error))
            raise

    async def remark(self, remarks: Sequence[DeviceRemark]) -> None:
        """What was done to cameras, once each however often it is told."""

        def work(tx: Transaction) -> None:
            for remark in remarks:
                if tx.idempotent(f"remark/{remark.id}") is None:
                    tx.record(AuditRecord(remark.at, _ACTOR, "set_camera", f"cameras/{remark.camera_id}", remark.text))
                    tx.remember_answer(f"remark/{remark.id}", "")

        await self._ledger.write(work)
