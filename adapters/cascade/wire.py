"""Entries as CloudEvents 1.0 in the structured JSON form (CloudEvents JSON Event Format §2–4), and back. Pure.

What we write is RFC 8785 canonical JSON, so that a retry has the same bytes and the same receipt. What we read may be
in any JSON form and may lack every attribute that CloudEvents calls optional.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from gateway.canonical import canonical_json, sha256_hex
from gateway.codec import entry_from_json, entry_json
from gateway.model import Entry, rfc3339
from gateway.ports import Arrival, Report

ENTRY = "gateway.entry.v1"
REPORTS = frozenset({"gateway.inventory.v1", "gateway.health.v1"})
SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

MAX_BODY = 4 * 1024 * 1024
MAX_EVENTS = 1000
_MAX_VALUES = 300_000  # 4 MiB of "[]," would hold the loop for a second; a thousand entries have about 60,000
MAX_ENTRY = 256 * 1024  # a press with a payload of 16 kB and 64 cameras stays below 64 kB
_MAX_ID = 128
_NODE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9._:-]{1,128}")  # ids stand in addresses of the API and in paths
_MAX_DEPTH = 32  # an entry nests about six deep; what is deeper could exhaust the stack of whoever reads it later


@dataclass(frozen=True, slots=True)
class Event:
    """A CloudEvent as it was read. ``node`` is what its ``source`` names, where that reads ``/nodes/{node}``."""

    id: str
    type: str
    node: str | None
    data: Any


def event_json(entry: Entry) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": entry.id,
        "source": f"/nodes/{entry.node}",
        "type": ENTRY,
        "subject": f"alerts/{entry.alert_id}",
        "time": rfc3339(entry.at),
        "datacontenttype": "application/json",
        "sequence": str(entry.seq),
        "data": entry_json(entry),
    }


def event_bytes(entry: Entry) -> bytes:
    """The bytes that travel. Raises ValueError for what JSON cannot carry exactly."""
    return canonical_json(event_json(entry))


def report_bytes(report_id: str, report_type: str, node: str, at: datetime, data: Mapping[str, Any]) -> bytes:
    """A report (one of ``REPORTS``) as it travels. Raises ValueError for what JSON cannot carry exactly."""
    return canonical_json(
        {
            "specversion": "1.0",
            "id": report_id,
            "source": f"/nodes/{node}",
            "type": report_type,
            "time": rfc3339(at),
            "datacontenttype": "application/json",
            "data": dict(data),
        }
    )


def read_body(body: bytes) -> tuple[list[Any], bool]:
    """(the events as JSON values, whether they came as a list). Raises ValueError with a plain sentence."""
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > _MAX_VALUES:
        raise ValueError(f"the body holds more than {_MAX_VALUES} values; send fewer events at once")
    value = read_json(body)
    if isinstance(value, list):
        return value, True
    if isinstance(value, dict):
        return [value], False
    raise ValueError("the body is neither an event nor a list of events")


def read_json(body: bytes) -> Any:
    """Strict UTF-8 JSON (a byte order mark is read over). Raises ValueError with a plain sentence."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise ValueError(f"the body is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"the body is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise ValueError("the body is nested too deeply") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def event_id(value: object) -> str | None:
    """The id of what may be an event, to name it by where it is refused."""
    found = value.get("id") if isinstance(value, dict) else None
    return found[:_MAX_ID] if isinstance(found, str) and found else None


def read_event(value: object) -> Event:
    """The envelope. Raises ValueError with a plain sentence; unknown extensions are passed over."""
    if not isinstance(value, dict):
        raise ValueError("an event is a JSON object")
    if value.get("specversion") != "1.0":
        raise ValueError('specversion: "1.0" is accepted (CloudEvents 1.0, structured JSON)')
    for name in ("id", "source", "type"):
        if not isinstance(value.get(name), str) or not value[name]:
            raise ValueError(f"{name}: a string is required")
    if len(value["id"]) > _MAX_ID:
        raise ValueError(f"id: at most {_MAX_ID} characters are accepted")
    content_type = value.get("datacontenttype")
    if content_type is not None and not is_json(content_type):
        raise ValueError("datacontenttype: application/json is accepted")
    if not isinstance(value.get("data"), dict):
        raise ValueError("data: a JSON object is required")
    if _deeper_than(value, _MAX_DEPTH):
        raise ValueError(f"the event is nested deeper than {_MAX_DEPTH} levels")
    return Event(value["id"], value["type"], _node_of(value["source"]), value["data"])


def is_json(content_type: object) -> bool:
    """Whether a media type (RFC 9110 §8.3.1, with any parameters) is JSON."""
    if not isinstance(content_type, str):
        return False
    essence = content_type.partition(";")[0].strip().lower()
    return essence in ("application/json", "text/json") or (essence.startswith("application/") and "+json" in essence)


def read_arrival(value: object, sent: bytes | None, sender: str) -> Arrival | Report:
    """An event as the exchange takes it. ``sent`` are its bytes where it came alone; else its canonical JSON counts.

    Raises ValueError with a plain sentence.
    """
    event = read_event(value)
    if event.type == ENTRY:
        content = canonical_json(value) if sent is None else sent
        if len(content) > MAX_ENTRY:
            raise ValueError(f"the event is larger than {MAX_ENTRY} bytes, which no entry needs")
        return Arrival(_entry(event.data), sha256_hex(content))
    if event.type in REPORTS:
        content = canonical_json(value) if sent is None else sent
        return Report(
            event.id, event.type, _reporting_node(event, sender), sha256_hex(content), len(content), event.data
        )
    raise ValueError(f"type: {event.type[:_MAX_ID]!r} is not known here; {', '.join(sorted({ENTRY, *REPORTS}))} are")


def read_entry(value: object) -> Entry | None:
    """The entry of a downlink event, or None for an event of another type (a newer node may send some).

    Raises ValueError with a plain sentence.
    """
    event = read_event(value)
    return _entry(event.data) if event.type == ENTRY else None


def _entry(data: object) -> Entry:
    try:
        entry = entry_from_json(data)
    except OverflowError:
        raise ValueError("at: a time between the years 1 and 9999 in UTC is accepted") from None
    if not _NODE.fullmatch(entry.node):
        raise ValueError("node: 1 to 64 of the characters A-Z a-z 0-9 . _ - are accepted")
    for name, text in (("id", entry.id), ("alert_id", entry.alert_id)):
        if not _NAME.fullmatch(text):
            raise ValueError(f"{name}: 1 to 128 of the characters A-Z a-z 0-9 . _ : - are accepted")
    return entry


def _reporting_node(event: Event, sender: str) -> str:
    """Whom a report speaks of: what its data says, else its source, else whoever sent it."""
    named = event.data.get("node") if isinstance(event.data, Mapping) else None
    node = named if isinstance(named, str) else event.node or sender
    if not _NODE.fullmatch(node):
        raise ValueError("node: 1 to 64 of the characters A-Z a-z 0-9 . _ - are accepted")
    return node


def _node_of(source: str) -> str | None:
    head, found, node = source.partition("/nodes/")
    return node if found and not head and node and "/" not in node else None


def _deeper_than(value: object, limit: int) -> bool:
    level: list[Any] = [value]
    for _ in range(limit):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: object) -> list[Any]:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [child for child in children if isinstance(child, dict | list)]
