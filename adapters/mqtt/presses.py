"""A publish on ``tv/{terminal}/alarm`` → a Signal. Pure: any bytes give a signal, never an exception.

Whoever publishes there wants help. Empty or plain text is an ``sos``; a payload that was meant to be JSON (it starts
with ``{`` or ``[``) is read field by field; whatever cannot be read is an ``sos`` that keeps its payload, with the
fault in words, and still the ids and times that could be saved from it, so that a repeat is known as one.
"""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.canonical import sha256_hex
from gateway.model import PRESS_KINDS, Kind, Press, ReplyTo, Signal, SourceRef, Status, rfc3339

LONGEST_PAYLOAD = 16 * 1024
LONGEST_PRESS_ID = 128
_SALVAGED_PART = 256 * 1024  # how far into an oversized payload its press_id is looked for
_WIDEST_SEQ = 2**64
_LATEST_EPOCH_MS = 253_402_300_799_999  # the end of the year 9999
_RFC3339 = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ](?P<minute>[0-9]{2}:[0-9]{2}):(?P<second>[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]+))?(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_SALVAGE = {
    "press_id": re.compile(r'"press_id"\s{0,64}:\s{0,64}("(?:[^"\\]|\\.){0,1600}")'),
    "pressed_at": re.compile(r'"pressed_at"\s{0,64}:\s{0,64}("[^"\\]{0,64}"|-?[0-9.eE+-]{1,32}(?=[\s,}\]]))'),
    "seq": re.compile(r'"seq"\s{0,64}:\s{0,64}(-?[0-9]{1,20}(?:\.0{1,20})?)(?=[\s,}\]])'),
}


@dataclass(frozen=True, slots=True)
class Arrived:
    """A publish as the broker delivered it."""

    terminal: str
    payload: bytes
    received_at: datetime
    received_mono: float
    redelivered: bool = False
    reply_to: ReplyTo | None = None


@dataclass(slots=True)
class _Reading:
    """What has been read of a payload so far; ``fault`` is the first thing wrong with it."""

    kind: Kind = Kind.SOS
    test: bool = False
    press_id: str | None = None
    pressed_at: datetime | None = None
    seq: int | None = None
    text: str | None = None
    fault: str | None = None

    def blame(self, fault: str) -> None:
        self.fault = self.fault or fault


class _Fault(ValueError):
    """Why a payload or a field of it cannot be used, in words."""


def press_signal(via: str, arrived: Arrived) -> Signal:
    """Translate one publish. ``via`` is the id of the configured source. Never raises."""
    reading = _read(arrived.payload)
    sound = reading.fault is None
    return Signal(
        via=via,
        source=SourceRef("terminal", arrived.terminal),
        kind=reading.kind if sound else Kind.SOS,
        received_at=arrived.received_at,
        received_mono=arrived.received_mono,
        device_time=reading.pressed_at,
        status=Status.TEST if sound and reading.test else Status.ACTUAL,
        press=Press(
            press_id=reading.press_id,
            repeat_key=_repeat_key(reading),
            payload_digest=sha256_hex(arrived.payload),
            redelivered=arrived.redelivered,
            reply_to=arrived.reply_to,
        ),
        detail=_detail(reading, arrived.payload),
    )


def withdrawn_press(payload: bytes) -> str | None:
    """The press that a cancel names, or None: then the terminal's latest is meant. Never raises."""
    return _read(payload).press_id


def _read(payload: bytes) -> _Reading:
    reading = _Reading()
    try:
        text = _decode(payload)
        document = _document(text)
    except _Fault as fault:
        reading.blame(str(fault))
        _salvage(payload, reading)
        return reading
    if document is None:
        reading.text = text.strip() or None
    else:
        _take_fields(document, reading)
    return reading


def _decode(payload: bytes) -> str:
    if len(payload) > LONGEST_PAYLOAD:
        raise _Fault(f"the payload has {len(payload)} bytes; at most {LONGEST_PAYLOAD} are read")
    try:
        return payload.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Fault(f"the payload is not UTF-8 (byte {error.start})") from None


def _document(text: str) -> dict[str, Any] | None:
    """The JSON object, or None for plain text."""
    meant = text.lstrip()
    if not meant.startswith(("{", "[")):
        return None
    try:
        document = json.loads(meant, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise _Fault(f"the payload is not valid JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise _Fault("the payload's JSON is nested too deeply") from None
    except _Fault:
        raise
    except ValueError:  # an integer of more digits than Python converts
        raise _Fault("the payload's JSON holds a number that is too long") from None
    if not isinstance(document, dict):
        raise _Fault("the payload is a JSON array; an object is wanted")
    return document


def _no_constant(word: str) -> None:
    raise _Fault(f"the payload is not valid JSON: {word} is not a JSON number")


def _salvage(payload: bytes, reading: _Reading) -> None:
    """Save what tells a repeat and a late press from a payload that cannot be read as a whole."""
    text = payload[:_SALVAGED_PART].decode("utf-8", "surrogateescape")
    found: dict[str, Any] = {}
    for name, pattern in _SALVAGE.items():
        if match := pattern.search(text):
            try:
                found[name] = json.loads(match[1])
            except ValueError:
                continue
    for name in found:
        _take(name, found, reading)


def _take_fields(document: dict[str, Any], reading: _Reading) -> None:
    for name in _FIELDS:
        _take(name, document, reading)


def _take(name: str, document: dict[str, Any], reading: _Reading) -> None:
    """Read one field. ``null`` is a field that was not sent: device libraries write it for what they do not know."""
    value = document.get(name)
    if value is None:
        return
    try:
        setattr(reading, name, _FIELDS[name](value))
    except _Fault as fault:
        reading.blame(f"{name} {fault}")


def _press_id(value: object) -> str | None:
    """An empty id is one that was not sent: taken as an id it would make every press of the terminal the same."""
    text = _text(value)
    if text is not None and len(text) > LONGEST_PRESS_ID:
        raise _Fault(f"has {len(text)} characters; at most {LONGEST_PRESS_ID} are taken")
    return text


def _kind(value: object) -> Kind:
    if not isinstance(value, str):
        raise _Fault(f"is {_type_name(value)}; a word is wanted")
    if value not in PRESS_KINDS:
        raise _Fault(f"is not one of {', '.join(kind for kind in Kind if kind in PRESS_KINDS)}")
    return Kind(value)


def _test(value: object) -> bool:
    if not isinstance(value, bool):
        raise _Fault(f"is {_type_name(value)}; true or false is wanted")
    return value


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        raise _Fault(f"is {_type_name(value)}; text is wanted")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Fault("holds half of a surrogate pair, which is not a character") from None
    return value or None


def _seq(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON knows one kind of number, and Lua writes 12.0
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Fault(f"is {_type_name(value)}; a whole number is wanted")
    if abs(value) >= _WIDEST_SEQ:
        raise _Fault("is wider than 64 bits")
    return value


def _pressed_at(value: object) -> datetime:
    """RFC 3339, or milliseconds since 1970. Cut to whole milliseconds, as every time of the gateway."""
    if isinstance(value, str):
        return _rfc3339(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Fault(f"is {_type_name(value)}; RFC 3339 or milliseconds since 1970 are wanted")
    if not 0 <= value <= _LATEST_EPOCH_MS:
        raise _Fault("is not within the years 1970 to 9999 in milliseconds since 1970")
    seconds, millis = divmod(int(value), 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=millis * 1000)


def _rfc3339(value: str) -> datetime:
    match = _RFC3339.fullmatch(value)
    if match is None:
        raise _Fault("is not a time by RFC 3339 with its offset, such as 2026-01-31T08:00:00Z")
    # A leap second (RFC 3339 §5.7) is the second before it: Python knows no :60.
    second = "59" if match["second"] == "60" else match["second"]
    millis = (match["fraction"] or "")[:3].ljust(3, "0")
    zone = "+00:00" if match["zone"] in "Zz" else match["zone"]
    try:
        return datetime.fromisoformat(f"{match['date']}T{match['minute']}:{second}.{millis}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Fault("names a day or an hour that does not exist") from None


def _type_name(value: object) -> str:
    names = {
        bool: "true or false",
        str: "text",
        list: "an array",
        dict: "an object",
        int: "a number",
        float: "a number",
    }
    return names[type(value)]


_FIELDS: dict[str, Callable[[Any], object]] = {
    "press_id": _press_id,
    "kind": _kind,
    "pressed_at": _pressed_at,
    "seq": _seq,
    "test": _test,
    "text": _text,
}


def _repeat_key(reading: _Reading) -> str | None:
    if reading.press_id is not None or reading.seq is None or reading.pressed_at is None:
        return None
    return f"seq-{reading.seq}-{rfc3339(reading.pressed_at)}"


def _detail(reading: _Reading, payload: bytes) -> dict[str, Any]:
    detail: dict[str, Any] = {}
    if reading.text is not None:
        detail["text"] = reading.text
    if reading.fault is not None:
        detail["payload"] = base64.b64encode(payload[:LONGEST_PAYLOAD]).decode("ascii")
        detail["payload_fault"] = reading.fault
    return detail
