"""What a terminal is told: one sentence a stage, in the household's language."""

from collections.abc import Mapping
from datetime import datetime

from gateway.model import Alert, Answer, ReplyTo, Stage, Workflow
from gateway.ports import PressRecord

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


def answer(record: PressRecord, stage: Stage, node_id: str, at: datetime, *, reply_to: ReplyTo | None) -> Answer:
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
    )
