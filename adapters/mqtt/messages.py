"""What the gateway publishes to a broker: an Answer to a press, or a Notice, as topic and bytes. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.mqtt.topics import Topic, ack_topic, neighbour_topic, publishable, trial_topic
from gateway.errors import Refused
from gateway.model import Answer, Notice, ReplyTo, Stage, rfc3339


@dataclass(frozen=True, slots=True)
class Message:
    """``terminal``: whose topic it is, None for a siren's. ``reply_to``: where a copy goes over MQTT 5."""

    topic: str
    payload: bytes
    terminal: str | None
    reply_to: ReplyTo | None = None


def message_of(content: object) -> Message:
    """Raises Refused for what is given to no terminal, or has a name that cannot be part of a topic."""
    match content:
        case Answer():
            made = Message(ack_topic(content.terminal), answer_json(content), content.terminal, content.reply_to)
        case Notice(kind="neighbour"):
            made = Message(neighbour_topic(content.to), _notice_json(content), content.to)
        case Notice(kind="test"):
            made = Message(trial_topic(content.to), _notice_json(content), content.to)
        case Notice(kind="siren"):
            made = Message(str(content.data.get("topic") or ""), _siren_payload(content.data.get("payload")), None)
            _refuse_a_terminals_word(made.topic)
        case _:
            raise Refused("a broker is given only answers and notices; this parcel carries something else")
    if not publishable(made.topic):
        if made.terminal is None:
            raise Refused(f"the siren's topic {made.topic!r} cannot be published to; give it another")
        raise Refused(f"the terminal's name {made.terminal!r} cannot be part of an MQTT topic")
    return made


def answer_json(answer: Answer) -> bytes:
    """``receipt``: the upper node's proof of R2. ``by``, ``at_node``, ``level``: who took it."""
    told: dict[str, Any] = {
        "press_id": answer.press_id,
        "alert_id": answer.alert_id,
        "stage": answer.stage.value,
        "node": answer.node,
        "at": rfc3339(answer.at),
        "text": answer.text,
    }
    return _json(told | _proof(answer))


def _proof(answer: Answer) -> dict[str, Any]:
    if not answer.proof:
        return {}
    if answer.stage is Stage.FORWARDED:
        return {"receipt": dict(answer.proof)}
    names = {"by": "by", "node": "at_node", "level": "level"}
    return {told: answer.proof[name] for name, told in names.items() if answer.proof.get(name) is not None}


def _notice_json(notice: Notice) -> bytes:
    return _json({**notice.data, "text": notice.text, "at": rfc3339(notice.at)})


def _siren_payload(payload: object) -> bytes:
    """As the siren wants it: text as it is, anything else as JSON."""
    if isinstance(payload, str):
        return payload.encode("utf-8", "replace")
    return b"" if payload is None else _json(payload)


def _refuse_a_terminals_word(topic: str) -> None:
    """A siren's topic on which terminals speak would make each alarm raise the next one."""
    levels = topic.split("/")
    if len(levels) == 3 and levels[0] == "tv" and levels[2] in set(Topic):
        raise Refused(f"the siren's topic {topic} is one on which terminals speak; give it another")


def _json(value: Mapping[str, Any] | object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
