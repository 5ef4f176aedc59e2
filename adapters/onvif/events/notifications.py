"""What a device says it noticed: the notifications of a PullMessages answer or of a Notify request.

Pure and lean, because it runs for every pull of every camera. Elements are known by their local names alone: some
cameras use prefixes that they never declare. Whatever cannot be read is left out; nothing here raises.
"""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from types import MappingProxyType
from typing import Final

from lxml import etree

from adapters.onvif.soap import child, local

MOST_NOTIFICATIONS: Final = 1000  # of one answer; we ask for far fewer, and reading more would hold up other cameras
MOST_ITEMS: Final = 64  # of one Source, Key or Data
LONGEST_TOPIC: Final = 256
LONGEST_VALUE: Final = 1024
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_DEEPEST = 8
_LONGEST_TIME = 64
_TIME = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:\s*[T\s-]\s*-?)(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,](\d{1,9})\d*)?)?"
    r"\s*(Z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)


def nothing() -> Mapping[str, str]:
    return NOTHING


@dataclass(frozen=True, slots=True)
class Notification:
    """One NotificationMessage (WS-BaseNotification 1.3 §3.2) with its tt:Message (ONVIF Core, "Message format").

    ``topic``: as on the wire, without white space. ``at``: the device's own time, in UTC. ``operation``: Initialized,
    Changed, Deleted or None. ``source``, ``key``, ``data``: name → value of their SimpleItems; of an ElementItem the
    value is what stands in it, in words. ``raw``: its XML, where somebody wanted to keep it.
    """

    topic: str
    at: datetime | None = None
    operation: str | None = None
    source: Mapping[str, str] = field(default_factory=nothing)
    key: Mapping[str, str] = field(default_factory=nothing)
    data: Mapping[str, str] = field(default_factory=nothing)
    raw: bytes | None = None


def parse_pull(body: etree._Element) -> list[Notification]:
    """The notifications in a PullMessagesResponse or a Notify, in their order; those without a topic are left out."""
    found = []
    for element in _messages(body):
        notification = _read(element)
        if notification is not None:
            found.append(notification)
    return found


def xml_of(body: etree._Element, notification: Notification) -> bytes:
    """The XML of that notification as it came, with the namespaces it uses and no others; nothing if it is not there.

    Slow, and therefore only for what is written down once.
    """
    for element in _messages(body):
        if _read(element) == notification:
            copy = deepcopy(element)
            copy.tail = None
            etree.cleanup_namespaces(copy)
            return etree.tostring(copy)
    return b""


def parse_time(value: str | None) -> datetime | None:
    """An xs:dateTime as UTC, whatever cameras make of it; without a zone it is UTC, as UtcTime says.

    Read too: a 61st minute (it is the first of the next hour), "2023-05-15T-07:10:32Z", "2010-01-01-00:00:00". None for
    what is no time at all, such as "0000-00-00T00:00:00Z".
    """
    if not value or len(value) > _LONGEST_TIME:
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return _parse_odd_time(value)


def _parse_odd_time(value: str) -> datetime | None:
    match = _TIME.fullmatch(value.strip())
    if match is None:
        return None
    year, month, day, hours, minutes, seconds, fraction, zone = match.groups()
    try:
        at = datetime(int(year), int(month), int(day), tzinfo=_zone(zone)) + timedelta(
            hours=int(hours), minutes=int(minutes), seconds=float(f"{seconds or 0}.{fraction or 0}")
        )
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _zone(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _messages(body: etree._Element) -> Iterator[etree._Element]:
    left = MOST_NOTIFICATIONS
    for element in body:
        if local(element) == "NotificationMessage":
            if not left:
                return
            left -= 1
            yield element


def _read(element: etree._Element) -> Notification | None:
    topic = message = None
    for part in element:
        name = local(part)
        if name == "Topic":
            topic = part.text
        elif name == "Message":
            message = part
    topic = "".join(topic.split())[:LONGEST_TOPIC] if topic else ""
    if not topic or message is None:
        return None
    inner = child(message, "Message")  # tt:Message within wsnt:Message; some leave one of them out
    message = message if inner is None else inner
    items = {"Source": NOTHING, "Key": NOTHING, "Data": NOTHING}
    for part in message:
        name = local(part)
        if name in items:
            items[name] = _items(part)
    return Notification(
        topic,
        parse_time(message.get("UtcTime")),
        message.get("PropertyOperation"),
        items["Source"],
        items["Key"],
        items["Data"],
    )


def _items(part: etree._Element) -> Mapping[str, str]:
    items: dict[str, str] = {}
    for item in islice(part, MOST_ITEMS):
        name = item.get("Name")
        if name is None:
            continue
        value = item.get("Value")
        if value is None:
            value = _words(item) if len(item) else (item.text or "").strip()
        items[name[:LONGEST_VALUE]] = value[:LONGEST_VALUE]
    return items


def _words(item: etree._Element) -> str:
    """An ElementItem's content, such as "Line.id=0, Line.points=0.77 0.7"; bounded, for it may be a picture."""
    words: list[str] = []
    room = LONGEST_VALUE
    for depth, element in _below(item, 0):
        name = local(element)
        pairs = [(f"{name}.{key.rpartition('}')[2]}", value) for key, value in _attributes(element)]
        if element.text and not element.text.isspace():
            pairs.append((name, element.text.strip()))
        for key, value in pairs:
            words.append(f"{key}={value[:room]}")
            room -= len(words[-1])
        if room <= 0 or depth >= _DEEPEST:
            break
    return ", ".join(words)


def _attributes(element: etree._Element) -> Iterator[tuple[str, str]]:
    """The first of them: attrib.items() costs the square of their number, one by one the first cost next to nothing."""
    return ((str(key), element.get(key) or "") for key in islice(element.keys(), MOST_ITEMS))


def _below(element: etree._Element, depth: int) -> Iterator[tuple[int, etree._Element]]:
    for found in element:
        yield depth, found
        if depth < _DEEPEST:
            yield from _below(found, depth + 1)
