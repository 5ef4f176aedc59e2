"""Topics to kinds: pure tables, one module a family of vendors.

Prefixes and letter case do not count, because firmwares declare what they like. A topic that no table knows is Unknown
and not guessed at. Topics that tell who somebody is are of no interest here, whoever sends them (see ``_IDENTITY``).
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from adapters.onvif.events.notifications import NOTHING, Notification
from adapters.onvif.events.topics import ajax, axis, dahua, generic, hikvision, pelco, reolink, tapo
from adapters.onvif.events.topics.occurrence import Entry, Means, Occurrence, State, Table, Unknown
from adapters.onvif.events.topics.reading import state_of

__all__ = ["Occurrence", "Unknown", "impersonal", "is_personal", "occurrence", "path_of"]

_FAMILIES: Final = (hikvision, dahua, axis, tapo, reolink, ajax, pelco)
_ALL: Final[Table] = MappingProxyType(
    {topic: entry for family in reversed(_FAMILIES) for topic, entry in family.TOPICS.items()} | dict(generic.TOPICS)
)
# There is no recognition of faces or persons in this gateway, by law and by its own design: not even a camera's verdict
# that it has seen a face is taken, nor may such a message come into the log as one of an unknown topic. That a person
# is there, whoever it is, comes by topics of their own (PeopleDetect).
_IDENTITY = re.compile(r"(?<!inter)(?<!sur)face|recogni|biometr|licen[cs]e.?plate|plate.?number|idcard|person.?name")
_SOURCES: Final = ("VideoSourceToken", "VideoSource", "Source")
_CONFIGURATIONS: Final = ("VideoSourceConfigurationToken", "VideoSourceConfiguration", "VideoSourceConfigToken")
_LONGEST_MEMBER: Final = 512
_NUMBER = re.compile(r"(\d{1,9})$")


def occurrence(
    notification: Notification, vendor: str = "", channels: Mapping[str, str] = NOTHING
) -> Occurrence | Unknown | None:
    """What a notification means; None where it is known and of no interest.

    ``vendor``: as the device names it; its own table counts before the others, but not alone, since many build under
    other names. ``channels``: VideoSourceConfiguration token → VideoSource token, as far as it is known.
    """
    path = path_of(notification.topic)
    if _IDENTITY.search(path):
        return None
    found, entry = _entry(path, vendor)
    if not found:
        return Unknown(notification.topic, "no table knows this topic")
    means = entry(notification) if callable(entry) else entry
    if means is None:
        return None
    active = _active(means, notification)
    if active is None and means.state is State.ALWAYS:
        return Unknown(notification.topic, "it tells a state, which cannot be read")
    return _told(notification, path, means, active, _source(notification, channels))


def impersonal(notification: Notification) -> Notification:
    """Without what its Key and Data say of who somebody is: the same rule for what is kept of topics that are taken."""
    key, data = _impersonal(notification.key), _impersonal(notification.data)
    if key is notification.key and data is notification.data:
        return notification
    return replace(notification, key=key, data=data, raw=None)


def is_personal(text: str) -> bool:
    """It speaks of who somebody is."""
    return _IDENTITY.search(text.lower()) is not None


def _impersonal(items: Mapping[str, str]) -> Mapping[str, str]:
    kept = {name: value for name, value in items.items() if not is_personal(f"{name}={value}")}
    return items if len(kept) == len(items) else kept


def path_of(topic: str) -> str:
    """A topic as tables have it: without prefixes, in small letters, without what some cameras put behind it."""
    return "/".join(part.rpartition(":")[2] for part in topic.rstrip("/.").split("/")).lower()


def _entry(path: str, vendor: str) -> tuple[bool, Entry]:
    if vendor and (own := _own_table(vendor.lower())) is not None and path in own:
        return True, own[path]
    if path in _ALL:
        return True, _ALL[path]
    above = path
    while (cut := above.rfind("/")) > 0:
        above = above[:cut]
        if (wide := f"{above}/*") in _ALL:
            return True, _ALL[wide]
    return False, None


def _own_table(vendor: str) -> Table | None:
    return next((family.TOPICS for family in _FAMILIES if any(name in vendor for name in family.VENDORS)), None)


def _active(means: Means, notification: Notification) -> bool | None:
    if means.state is State.NEVER:
        return None
    read = means.read_state or state_of
    active = read(notification)
    if notification.operation == "Deleted" and (active is not None or means.state is State.ALWAYS):
        return False
    return active


def _told(notification: Notification, path: str, means: Means, active: bool | None, source: str | None) -> Occurrence:
    subject = next((notification.source[name] for name in means.subject if notification.source.get(name)), "")
    parts = [path, *notification.source.values(), *notification.key.values()]
    if active is None:
        parts += notification.data.values()
    return Occurrence(
        means.kind,
        active,
        source=source,
        what=" ".join(word for word in (means.what, subject) if word),
        initial=notification.operation == "Initialized",
        family=f"{means.family}/{_known_as(subject, means.numbered)}" if subject else means.family,
        member=_bounded("|".join(parts)),
        at=notification.at,
        detail=means.detail,
    )


def _bounded(member: str) -> str:
    """Many are kept of each device, and one that says much may say it in many ways."""
    if len(member) <= _LONGEST_MEMBER:
        return member
    return f"{member[: _LONGEST_MEMBER // 2]}…{hashlib.sha256(member.encode('utf-8', 'replace')).hexdigest()}"


def _known_as(subject: str, numbered: bool) -> str:
    """AlarmIn_1 of one topic is DigitalInput_1 of its twin."""
    number = _NUMBER.search(subject) if numbered else None
    return str(int(number[1])) if number else subject


def _source(notification: Notification, channels: Mapping[str, str]) -> str | None:
    named = notification.source
    for name in _SOURCES:
        if token := named.get(name):
            return channels.get(token, token) if channels and token not in channels.values() else token
    for name in _CONFIGURATIONS:
        if token := named.get(name):
            known = set(channels.values())
            return channels.get(token, known.pop() if len(known) == 1 else None)
    return None
