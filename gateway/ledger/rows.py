"""How values stand in the ledger's rows: times as milliseconds, entries as canonical JSON, the rest as plain JSON."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from gateway.model import (
    Alert,
    Answer,
    Cause,
    ClipTask,
    Entry,
    Lane,
    Notice,
    OutageMember,
    OutboxItem,
    Parcel,
    PictureTask,
    PlannedWork,
    ReplyTo,
    Stage,
    TerminalState,
    Timer,
)
from gateway.ports import AuditRecord, FeedEntry, PressRecord

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)
_ALERT: TypeAdapter[Alert] = TypeAdapter(Alert)
_AUDIT: TypeAdapter[AuditRecord] = TypeAdapter(AuditRecord)
_WORK: TypeAdapter[PlannedWork] = TypeAdapter(PlannedWork)

ENTRY_COLUMNS = "position, committed_at, body"
MEMBER_COLUMNS = "alert_id, camera_id, cause, grp, lost_at, back, flapping"


def millis(at: datetime) -> int:
    return (at - _EPOCH) // _MILLISECOND


def moment(millis: int) -> datetime:
    return _EPOCH + millis * _MILLISECOND


def entry_from_body(body: str) -> Entry:
    return _ENTRY.validate_json(body)


def feed_entry(row: Sequence[Any]) -> FeedEntry:
    """From ENTRY_COLUMNS."""
    position, committed_at, body = row
    return FeedEntry(position, entry_from_body(body), moment(committed_at))


def alert_body(alert: Alert) -> str:
    return _ALERT.dump_json(alert).decode()


def alert_from_body(body: str) -> Alert:
    return _ALERT.validate_json(body)


def ids(text: str) -> list[str]:
    found: list[str] = json.loads(text)
    return found


def ids_text(found: Sequence[str]) -> str:
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def answer_body(answer: Answer) -> str:
    fields = {
        "source": answer.source,
        "terminal": answer.terminal,
        "press_id": answer.press_id,
        "alert_id": answer.alert_id,
        "stage": answer.stage.value,
        "node": answer.node,
        "at": millis(answer.at),
        "text": answer.text,
        "reply_to": _reply_fields(answer.reply_to),
        "proof": dict(answer.proof),
    }
    return json.dumps(fields, ensure_ascii=False)


def answer_from_body(body: str) -> Answer:
    fields = json.loads(body)
    fields["stage"] = Stage(fields["stage"])
    fields["at"] = moment(fields["at"])
    fields["reply_to"] = _reply_to(fields["reply_to"])
    return Answer(**fields)


def reply_body(reply_to: ReplyTo | None) -> str | None:
    return None if reply_to is None else json.dumps(_reply_fields(reply_to), ensure_ascii=False)


def _reply_fields(reply_to: ReplyTo | None) -> list[str | None] | None:
    """Correlation Data is any bytes (OASIS MQTT 5.0 §3.3.2.3.6): as hex."""
    if reply_to is None:
        return None
    return [reply_to.topic, None if reply_to.correlation is None else reply_to.correlation.hex()]


def _reply_to(fields: Sequence[str | None] | None) -> ReplyTo | None:
    if fields is None:
        return None
    topic, correlation = fields
    assert topic is not None
    return ReplyTo(topic, None if correlation is None else bytes.fromhex(correlation))


def notice_body(notice: Notice) -> str:
    fields = {
        "kind": notice.kind,
        "to": notice.to,
        "alert_id": notice.alert_id,
        "at": millis(notice.at),
        "text": notice.text,
        "data": dict(notice.data),
    }
    return json.dumps(fields, ensure_ascii=False)


def notice_from_body(body: str) -> Notice:
    fields = json.loads(body)
    fields["at"] = moment(fields["at"])
    return Notice(**fields)


def parcel(row: Sequence[Any]) -> Parcel:
    """From (id, sink, lane, attempts, answer, notice, entry body)."""
    id, sink, lane, attempts, answer, notice, body = row
    return Parcel(id, sink, Lane(lane), _content(answer, notice, body), attempts)


def _content(answer: str | None, notice: str | None, body: str | None) -> Entry | Answer | Notice:
    if answer is not None:
        return answer_from_body(answer)
    if notice is not None:
        return notice_from_body(notice)
    assert body is not None
    return entry_from_body(body)


def outbox_item(row: Sequence[Any]) -> OutboxItem:
    """From (id, sink, lane, created_at, due, attempts, reason, parked, answer, notice, entry body)."""
    id, sink, lane, created_at, due, attempts, reason, parked, answer, notice, body = row
    content = _content(answer, notice, body)
    if isinstance(content, Entry):
        what = content.action
    else:
        what = content.stage.value if isinstance(content, Answer) else content.kind
    made, again = moment(created_at), moment(due)
    return OutboxItem(id, sink, Lane(lane), content.alert_id, what, made, again, attempts, reason, bool(parked))


def timer(row: Sequence[Any]) -> Timer:
    """From (name, key, due, data)."""
    name, key, due, data = row
    return Timer(name, key, moment(due), json.loads(data))


def terminal_state(row: Sequence[Any]) -> TerminalState:
    """From (terminal, online, since, last_seen, last_press, last_test)."""
    terminal, online, *times = row
    return TerminalState(
        terminal, None if online is None else bool(online), *(None if at is None else moment(at) for at in times)
    )


def press_record(row: Sequence[Any]) -> PressRecord:
    """From (terminal, press_id, alert_id, stage, received_at, source, reply_to)."""
    terminal, press_id, alert_id, stage, received_at, source, reply_to = row
    reply = None if reply_to is None else _reply_to(json.loads(reply_to))
    return PressRecord(terminal, press_id, alert_id, Stage(stage), moment(received_at), source, reply)


def picture_task(row: Sequence[Any]) -> PictureTask:
    """From (alert_id, snapshot_id, camera_id, wanted_ms, zero_at, zero_mono, boot_id, late, id)."""
    alert_id, snapshot_id, camera_id, wanted_ms, zero_at, zero_mono, boot_id, late, id = row
    zero = moment(zero_at)
    return PictureTask(alert_id, snapshot_id, camera_id, wanted_ms, zero, zero_mono, boot_id, bool(late), id)


def clip_task(row: Sequence[Any]) -> ClipTask:
    """From (alert_id, clip_id, camera_id, from_ms, to_ms, zero_at, zero_mono, boot_id)."""
    alert_id, clip_id, camera_id, from_ms, to_ms, zero_at, zero_mono, boot_id = row
    return ClipTask(alert_id, clip_id, camera_id, from_ms, to_ms, moment(zero_at), zero_mono, boot_id)


def planned_work_body(work: PlannedWork) -> str:
    return _WORK.dump_json(work).decode()


def planned_work(body: str) -> PlannedWork:
    return _WORK.validate_json(body)


def outage_member(row: Sequence[Any]) -> OutageMember:
    """From MEMBER_COLUMNS."""
    alert_id, camera_id, cause, group, lost_at, back, flapping = row
    return OutageMember(alert_id, camera_id, Cause(cause), group, moment(lost_at), bool(back), bool(flapping))


def audit_record(row: Sequence[Any]) -> AuditRecord:
    """From (id, body)."""
    id, body = row
    return _AUDIT.validate_python({**json.loads(body), "id": id})
