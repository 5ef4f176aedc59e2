"""What devices answered, as our nouns. Pure; takes answers in plain form (``Plain``), whether zeep or ``plain`` made it.

Elements are found by local name: devices invent prefixes, and some of them forget to declare theirs. A function that finds
nothing gives nothing (an empty tuple, None); whether that ends an inspection is the asker's business.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from lxml import etree

from adapters.onvif.faults import printable
from adapters.onvif.inspection.profiles import Profile
from gateway.model import DeviceInformation

Plain = Any
"""A mapping of names to values, a list where a name stood several times, a text, number or truth value, or None."""

_ENCODINGS = {"h264": "h264", "h265": "h265", "hevc": "h265", "jpeg": "jpeg", "mjpeg": "jpeg", "mpeg4": "mpeg4",
              "mpv4es": "mpeg4", "mp4ves": "mpeg4"}  # fmt: skip
_UNLIMITED = 2**31 - 1
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SHORTEST_SERIAL = 6
_PLACEHOLDERS = frozenset(("0123456789", "123456789", "1234567890", "12345678", "123456", "unknown", "default"))
_HOST_AND_PORT = re.compile(
    r"\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?|\[?[0-9a-f:]*::[0-9a-f:]*\]?(?::\d+)?|localhost(?::\d+)?"
)
_NAME_SCOPE = "onvif://www.onvif.org/name/"
_LONGEST_TEXT = 256
_LONGEST_NAME = 100
"""What the camera is called by, unless a person says otherwise."""
_MOST_ATTRIBUTES = 64
"""Reading them costs their number squared; ONVIF's elements have a handful."""


def plain(element: etree._Element) -> Plain:
    """An element in plain form: attributes and children side by side, by local name."""
    children = [child for child in element if isinstance(child.tag, str)]
    if not children and not element.attrib:
        return element.text
    values: dict[str, Plain] = {}
    if len(element.attrib) <= _MOST_ATTRIBUTES:
        values = {_local(str(name)): value for name, value in element.attrib.items()}
    repeated: set[str] = set()
    for child in children:
        name, value = _local(str(child.tag)), plain(child)
        if name in repeated:
            values[name].append(value)
        elif name in values:
            values[name] = [values[name], value]
            repeated.add(name)
        else:
            values[name] = value
    if not children and element.text:
        values["_value_1"] = element.text
    return values


def _local(tag: str) -> str:
    # An undeclared prefix stays in the tag when libxml2 recovers ("tt:Name")
    return tag.rpartition("}")[2].rpartition(":")[2]


def field(value: Plain, *path: str) -> Plain:
    """The value at a path of names; of several the first. None where there is none."""
    for name in path:
        if isinstance(value, list):
            value = value[0] if value else None
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def each(value: Plain, *path: str) -> list[Plain]:
    """The values at a path of names, however many."""
    found = field(value, *path)
    if found is None:
        return []
    return list(found) if isinstance(found, list) else [found]


def text(value: Plain, *path: str) -> str | None:
    found = field(value, *path)
    if isinstance(found, Mapping):
        found = found.get("_value_1")
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return None
    return str(found).strip()[:_LONGEST_TEXT] or None


def number(value: Plain, *path: str) -> float | None:
    """A number above 0 that means something; some devices write 0 or the greatest integer for “no limit” (Axis)."""
    try:
        found = float(text(value, *path) or "")
    except ValueError:
        return None
    return found if 0 < found < _UNLIMITED else None


def information(answer: Plain) -> DeviceInformation:
    """Of GetDeviceInformationResponse (ONVIF Core, Device Management)."""
    names = ("Manufacturer", "Model", "FirmwareVersion", "SerialNumber", "HardwareId")
    return DeviceInformation(*(printable(text(answer, name) or "", _LONGEST_NAME) for name in names))


def scopes(answer: Plain) -> tuple[str, ...]:
    """Of GetScopesResponse: the scope URIs."""
    found = (text(scope, "ScopeItem") for scope in each(answer, "Scopes"))
    return tuple(scope for scope in found if scope)


def name_in(found: Sequence[str]) -> str | None:
    """The device's name as its scopes tell it (ONVIF Core §7.3.2.2)."""
    for scope in found:
        if scope.startswith(_NAME_SCOPE):
            return printable(unquote(scope.removeprefix(_NAME_SCOPE)), _LONGEST_NAME).strip("/ ") or None
    return None


def identity(answer: Plain) -> str | None:
    """Of GetEndpointReferenceResponse: the device's UUID, as ``uuid_in`` writes it."""
    return uuid_in(text(answer, "GUID") or "")


def serial_identity(serial: str, host: str) -> str | None:
    """A serial number where it tells this device from others: not its address (go2rtc gives host:port, which says nothing
    of who is there once it has changed), nor what a factory forgot to fill in."""
    known = serial.strip()
    word = known.casefold()
    if len(known) < _SHORTEST_SERIAL or word in _PLACEHOLDERS or len(set(word) - set("-_. :")) < 2:
        return None
    return None if host.casefold() in word or _HOST_AND_PORT.fullmatch(word) else known


def uuid_in(words: str) -> str | None:
    """The UUID in ``urn:uuid:…``, ``uuid:…`` or bare, in lower case: one device writes it differently here and there."""
    found = _UUID.search(words)
    return found[0].lower() if found else None


def media_profiles(answer: Plain) -> tuple[Profile, ...]:
    """Of Media1's GetProfilesResponse. A profile without an encoder streams nothing and counts only where its video
    source has no other: some leave it out because the stream is H.265."""
    read = [(_media_profile(item), field(item, "VideoEncoderConfiguration") is not None) for item in _profiles(answer)]
    encoded = {profile.source for profile, has_encoder in read if has_encoder}
    return tuple(
        profile
        for profile, has_encoder in read
        if has_encoder or (profile.source is not None and profile.source not in encoded)
    )


def _media_profile(item: Plain) -> Profile:
    encoder = field(item, "VideoEncoderConfiguration")
    source = text(item, "VideoSourceConfiguration", "SourceToken")
    return _profile(item, source, encoder, field(item, "PTZConfiguration") is not None, media2=False)


def media2_profiles(answer: Plain) -> tuple[Profile, ...]:
    """Of Media2's GetProfilesResponse, asked with Type All: only profiles that have a video encoder."""
    found = []
    for item in _profiles(answer):
        kept = field(item, "Configurations")
        encoder, source = field(kept, "VideoEncoder"), text(kept, "VideoSource", "SourceToken")
        if encoder is not None:
            found.append(_profile(item, source, encoder, field(kept, "PTZ") is not None, media2=True))
    return tuple(found)


def _profiles(answer: Plain) -> list[Plain]:
    return [item for item in each(answer, "Profiles") if text(item, "token")]


def _profile(item: Plain, source: str | None, encoder: Plain, has_ptz: bool, *, media2: bool) -> Profile:
    width, height = number(encoder, "Resolution", "Width"), number(encoder, "Resolution", "Height")
    bitrate = number(encoder, "RateControl", "BitrateLimit")
    return Profile(
        token=text(item, "token") or "",
        name=printable(text(item, "Name") or "", _LONGEST_NAME),
        source=source,
        encoding=_encoding(text(encoder, "Encoding")),
        width=None if width is None else int(width),
        height=None if height is None else int(height),
        fps=number(encoder, "RateControl", "FrameRateLimit"),
        bitrate_kbps=None if bitrate is None else int(bitrate),
        has_ptz=has_ptz,
        media2=media2,
    )


def _encoding(name: str | None) -> str | None:
    bare = re.sub(r"[^a-z0-9]", "", (name or "").lower())
    return _ENCODINGS.get(bare, bare) or None


def media_uri(answer: Plain) -> str | None:
    """Of GetStreamUriResponse and GetSnapshotUriResponse, in Media1's shape and in Media2's."""
    found = field(answer, "MediaUri", "Uri") or field(answer, "Uri")
    return found.strip() or None if isinstance(found, str) else None


def tokens(answer: Plain, name: str) -> tuple[str, ...]:
    """The tokens of a list, such as ``DigitalInputs``, ``PTZNode`` or ``VideoSources``."""
    found = (text(item, "token") for item in each(answer, name))
    return tuple(token for token in found if token)
