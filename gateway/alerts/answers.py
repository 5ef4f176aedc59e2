"""What a terminal is told: one sentence a stage, in the household's language."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from gateway.model import Alert, Answer, Forwarding, Receipt, ReplyTo, Stage, Workflow, rfc3339
from gateway.ports import PressRecord, Reader, StoredAlert

_TEXTS: Mapping[Stage, str] = {
    Stage.RECEIVED: "已收到您的求助，正在上报",
    Stage.FORWARDED: "您的求助已上报到上级中心",
    Stage.ACCEPTED: "值班员已受理您的求助",
    Stage.CLOSED: "您的求助已处置完毕",
}


def stage_of(alert: Alert) -> Stage | None:
    """The stage that the alert's handling has brought its presses to, or None while nobody has taken it."""
    if alert.workflow is Workflow.CLOSED:
        return Stage.CLOSED
    return None if alert.accepted_at is None else Stage.ACCEPTED


def forwarded_proof(sink: str, receipt: Receipt) -> dict[str, Any]:
    """R2: whose receipt it is, of which bytes."""
    return {"sink": sink, "seq": receipt.seq, "committed_at": rfc3339(receipt.committed_at), "sha256": receipt.sha256}


def accepted_proof(alert: Alert) -> dict[str, Any]:
    """R3: who took it, on which node, at which level."""
    said = {"by": alert.accepted_by, "node": alert.accepted_node, "level": alert.accepted_level}
    return {key: value for key, value in said.items() if value is not None}


def proof_again(reader: Reader, stored: StoredAlert | None, stage: Stage) -> dict[str, Any]:
    """The proof of a stage that was reached before, for a press that is repeated."""
    if stored is None or stage is Stage.RECEIVED:
        return {}
    if stage is not Stage.FORWARDED:
        return accepted_proof(stored.alert)
    return _forwarded_again(reader, stored.forwarded[0]) if stored.forwarded else {}


def _forwarded_again(reader: Reader, first: Forwarding) -> dict[str, Any]:
    kept = reader.receipts(first.sink, first.at, first.at + timedelta(milliseconds=1), first.seq - 1, 1)
    if kept and kept[0].seq == first.seq:
        return forwarded_proof(first.sink, kept[0])
    # an upgraded ledger kept no hashes, and one that fell behind its upper node may have let a receipt go
    return {"sink": first.sink, "seq": first.seq, "committed_at": rfc3339(first.at)}


def answer(
    record: PressRecord,
    stage: Stage,
    node_id: str,
    at: datetime,
    *,
    reply_to: ReplyTo | None,
    proof: Mapping[str, Any] | None = None,
) -> Answer:
    return Answer(
        source=record.source,
        terminal=record.terminal,
        press_id=record.press_id,
        alert_id=record.alert_id,
        stage=stage,
        node=node_id,
        at=at,
        text=_TEXTS[stage],
        reply_to=reply_to,
        proof=proof or {},
    )
