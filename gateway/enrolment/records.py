"""Cameras as the camera file has them: made of what a device said, or changed. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from adapters.onvif.inspection.inspector import Channel, Inspection
from gateway.config import Settings
from gateway.config.sections.devices import CameraSettings
from gateway.console.registrar import ChannelsToChoose
from gateway.errors import ProtocolFault
from gateway.model import Credential, OnvifAddress

_NO_ID = re.compile(r"[^A-Za-z0-9._-]+")
_GB_ID = re.compile(r"([0-9]{14})([0-9]{6})")
_NUMBERED = re.compile(r"(cam-.+)-([0-9]{1,6})")
_IP_CAMERA, _CHANNEL = "132", "131"
"""GB/T 28181-2022 annex D: the type code within an id of a network camera and of a camera behind a recorder."""


def cameras_of(inspection: Inspection, wanted: Mapping[str, Any], all_channels: bool) -> list[dict[str, Any]]:
    """The cameras that a device is: itself, or its channels."""
    onvif = dict(wanted["onvif"])
    onvif.setdefault("identity", inspection.identity)
    onvif = {key: value for key, value in onvif.items() if value not in (None, "")}
    channels = inspection.channels
    where = f"{onvif['host']}:{onvif.get('port', 80)}"
    if not channels:
        raise ProtocolFault(f"{where} offers no video stream; nothing was enrolled")
    device = inspection.information
    name = wanted.get("name") or " ".join(filter(None, (device.vendor, device.model))) or onvif["host"]
    source = onvif.get("source")
    if source is not None:
        chosen = [each for each in channels if each.source == source]
        if not chosen:
            raise ChannelsToChoose(f"{where} has no channel {source}", _choice(channels))
        return [{**wanted, "name": wanted.get("name") or chosen[0].name or name, "onvif": onvif}]
    if len(channels) == 1:
        return [{**wanted, "name": name, "onvif": onvif}]
    if not all_channels:
        raise ChannelsToChoose(
            f"{where} is a recorder of {len(channels)} channels; choose one (onvif.source), or all of them (channels: all)",
            _choice(channels),
        )
    made = []
    for number, channel in enumerate(channels, 1):
        own = {**wanted, "name": f"{name} {channel.name or number}", "onvif": {**onvif, "source": channel.source}}
        if wanted.get("id"):
            own["id"] = f"{wanted['id']}-{number}"
        made.append(own)
    return made


def _choice(channels: Sequence[Channel]) -> list[tuple[str | None, str]]:
    return [(each.source, each.name) for each in channels]


def with_ids(cameras: Sequence[dict[str, Any]], settings: Settings, numbers: dict[str, int]) -> list[dict[str, Any]]:
    """``numbers``: the highest that ids ever had, by what they begin with; those of these cameras are added."""
    note_numbers(numbers, (camera.id for camera in settings.cameras))
    taken = {camera.id for camera in settings.cameras}
    made = []
    for camera in cameras:
        name = camera.get("id") or _new_id(camera, settings, taken, numbers)
        taken.add(name)
        note_numbers(numbers, [name])
        made.append({"id": name, **{key: value for key, value in camera.items() if key != "id" and value is not None}})
    return made


def note_numbers(numbers: dict[str, int], ids: Iterable[str]) -> None:
    """Of those in the forms that are given here: one of 20 digits counts in its last six, one of ``cam-`` in what follows its
    last dash, and is the first by itself."""
    for name in ids:
        counted = [(name, 1)] if name.startswith("cam-") else []
        if found := _GB_ID.fullmatch(name) or _NUMBERED.fullmatch(name):
            counted.append((found[1], int(found[2])))
        for stem, number in counted:
            numbers[stem] = max(number, numbers.get(stem, 0))


def _new_id(camera: Mapping[str, Any], settings: Settings, taken: set[str], numbers: Mapping[str, int]) -> str:
    """GB/T 28181-2022 annex D where the area is known: 8 digits of the centre, 2 of the trade (00), 3 of the type, 1 of the
    network (0), 6 counted. Else of what the device is known by. Never one that a camera had before: alerts name it."""
    onvif = camera.get("onvif") or {}
    area = (camera.get("place") or {}).get("area_code") or settings.node.area_code
    if area:
        start = f"{area[:8]:0<8}00{_CHANNEL if onvif.get('source') else _IP_CAMERA}0"
        return f"{start}{numbers.get(start, 0) + 1:06d}"
    known = onvif.get("identity") or where(camera)
    stem = f"cam-{_NO_ID.sub('-', known)[-40:].strip('-') or 'unnamed'}"
    number = numbers.get(stem, 0) + 1
    while (name := stem if number == 1 else f"{stem}-{number}") in taken:
        number += 1
    return name


def where(camera: Mapping[str, Any]) -> str:
    onvif, rtsp = camera.get("onvif"), camera.get("rtsp") or {}
    if onvif is not None:
        return f"{onvif['host']}:{onvif.get('port', 80)}"
    return urlsplit(rtsp.get("main") or rtsp.get("sub") or "").hostname or "unknown"


def address_of(onvif: Mapping[str, Any]) -> OnvifAddress:
    username, password = onvif.get("username"), onvif.get("password")
    credential = None if username is None else Credential(username, password if isinstance(password, str) else "")
    return OnvifAddress(onvif["host"], onvif.get("port", 80), credential, onvif.get("tls", False), onvif.get("source"))


def spread(patch: Mapping[str, Any], before: CameraSettings) -> dict[str, Any]:
    """``credential`` to every address of the camera that there is."""
    wanted = {key: value for key, value in patch.items() if key != "credential"}
    credential = patch.get("credential")
    if credential is None:
        return wanted
    rooms = [room for room in ("onvif", "rtsp") if getattr(before, room) is not None or wanted.get(room)]
    for room in rooms:
        if not (room in wanted and wanted[room] is None):
            wanted[room] = {**(wanted.get(room) or {}), **credential}
    return wanted


def in_words(patch: Mapping[str, Any]) -> str:
    """What a change is about, for the audit: the keys, and what decides who may see what."""
    return ", ".join(_in_words(key, patch[key]) for key in sorted(patch))


def _in_words(key: str, value: Any) -> str:
    if key == "masks":
        return f"masks ({len(value or ())})"
    if key == "consent" and value is None:
        return "consent withdrawn"
    if key == "consent":
        end = f" until {value['until']}" if value.get("until") else ""
        return f"consent of {value['given_by']} from {value['given_on']}{end}"
    return key


def moved(camera: CameraSettings, host: str, port: int, tls: bool) -> dict[str, Any]:
    assert camera.onvif is not None
    was = camera.onvif
    if (was.host, was.port, was.tls) == (host, port, tls):
        return {}
    onvif: dict[str, Any] = {"host": host}
    if was.port != port:
        onvif["port"] = port
    if was.tls != tls:
        onvif["tls"] = tls
    streams = {
        which: _at_host(url, host)
        for which in ("main", "sub")
        if camera.rtsp is not None
        and (url := getattr(camera.rtsp, which)) is not None
        and urlsplit(url).hostname == was.host
    }
    return {"onvif": onvif, **({"rtsp": streams} if streams else {})}


def _at_host(url: str, host: str) -> str:
    parts = urlsplit(url)
    written = f"[{host}]" if ":" in host else host
    return urlunsplit(parts._replace(netloc=written if parts.port is None else f"{written}:{parts.port}"))
