"""Reading what any node may have written into an entry: as far as it makes sense, and never raising.

Entries come from newer and from hostile nodes too; what cannot be read has a safe meaning or none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeVar

from gateway.model import (
    Alert,
    Clip,
    Entry,
    Kind,
    LinkedCamera,
    PictureState,
    Place,
    Snapshot,
    SourceRef,
    Status,
    said_time,
)

# A button that sticks must not let one alert grow without end: of its presses the first ids are named (all are counted),
# of its pictures the first sets are kept. Every press is still an entry of its own.
MAX_PRESS_IDS = 100
MAX_CAMERAS = 64
MAX_SNAPSHOTS = 100
MAX_TEXT = 1_000
MAX_NAMES = 64
_MAX_NUMBER = 2**53

E = TypeVar("E", bound=StrEnum)


def raised(entry: Entry) -> Alert:
    """Never fails: an alert whose base cannot be read in full is still an alert, and then a grave one."""
    base = _mapping(entry.data.get("base"))
    source, place = _mapping(base.get("source")), _mapping(base.get("place"))
    kind = _member(Kind, base.get("kind"), Kind.OTHER)
    severity = _whole(base.get("severity"))
    raised_at = said_time(base.get("raised_at")) or entry.at
    press = source.get("type") == "terminal"
    detail = dict(_mapping(base.get("detail")))
    if "press_ids" in detail:
        ids = [id for id in _sequence(detail["press_ids"]) if text(id, MAX_TEXT) is not None]
        detail["press_ids"] = ids[:MAX_PRESS_IDS]
    detail.pop("shelved", None)  # an operator's act alone sets anything aside
    detail.pop("held", None)
    cameras = joined((), linked_cameras(base.get("cameras"), press=1))
    return Alert(
        id=entry.alert_id,
        node=entry.node,
        kind=kind,
        severity=severity if severity in (1, 2, 3, 4) else 1,
        status=_member(Status, base.get("status"), Status.ACTUAL),
        raised_at=raised_at,
        source=SourceRef(
            type=text(source.get("type"), 64) or "node",
            id=text(source.get("id"), MAX_TEXT) or entry.node,
            name=text(source.get("name"), MAX_TEXT),
            known=source.get("known") is True,
        ),
        title=text(base.get("title"), MAX_TEXT) or kind.value,
        place=Place(
            lon=_degrees(place.get("lon"), 180),
            lat=_degrees(place.get("lat"), 90),
            address=text(place.get("address"), MAX_TEXT),
            area_code=text(place.get("area_code"), 64),
        ),
        device_time=said_time(base.get("device_time")),
        last_press_at=raised_at if press else None,
        detail=detail,
        cameras=cameras,
        pictures_at=raised_at if cameras else None,
    )


def linked_cameras(value: object, *, press: int) -> list[LinkedCamera]:
    cameras = []
    for item in _sequence(value)[:MAX_CAMERAS]:
        camera = _mapping(item)
        id = text(camera.get("id"), MAX_TEXT)
        if id is None:
            continue
        snapshots = (_snapshot(_mapping(one), press) for one in _sequence(camera.get("snapshots"))[:MAX_SNAPSHOTS])
        cameras.append(
            LinkedCamera(
                id=id,
                name=text(camera.get("name"), MAX_TEXT) or id,
                distance_m=_whole(camera.get("distance_m")),
                snapshots=tuple(snapshot for snapshot in snapshots if snapshot is not None),
                clip=_asked_clip(_mapping(camera.get("clip"))),
            )
        )
    return cameras


def _snapshot(value: Mapping[str, Any], press: int) -> Snapshot | None:
    id, wanted_ms = text(value.get("id"), 128), _whole(value.get("wanted_ms"))
    if id is None or wanted_ms is None:
        return None
    failed = value.get("state") == PictureState.FAILED
    return Snapshot(
        id=id,
        wanted_ms=wanted_ms,
        press=press,
        state=PictureState.FAILED if failed else PictureState.PENDING,
        reason=text(value.get("reason"), MAX_TEXT),
    )


def _asked_clip(value: Mapping[str, Any]) -> Clip | None:
    id = text(value.get("id"), 128)
    if id is None:
        return None
    failed = value.get("state") == PictureState.FAILED
    return Clip(
        id=id,
        state=PictureState.FAILED if failed else PictureState.PENDING,
        reason=text(value.get("reason"), MAX_TEXT),
    )


def joined(cameras: Sequence[LinkedCamera], more: Iterable[LinkedCamera]) -> tuple[LinkedCamera, ...]:
    joined = {camera.id: camera for camera in cameras}
    taken = {snapshot.id for camera in cameras for snapshot in camera.snapshots}
    for camera in more:
        before = joined.get(camera.id)
        if before is None and len(joined) >= MAX_CAMERAS:
            continue
        fresh = []
        for snapshot in camera.snapshots:
            if snapshot.id not in taken:
                taken.add(snapshot.id)
                fresh.append(snapshot)
        kept = (before.snapshots if before else ()) + tuple(fresh)
        clip = camera.clip if before is None else before.clip or camera.clip
        joined[camera.id] = replace(before or camera, snapshots=kept[:MAX_SNAPSHOTS], clip=clip)
    return tuple(joined.values())


def picture(data: Mapping[str, Any]) -> Snapshot | None:
    """What a ``picture`` entry says of its snapshot; None where it makes no sense."""
    if data.get("state") == PictureState.FAILED:
        return Snapshot("", 0, state=PictureState.FAILED, reason=text(data.get("reason"), MAX_TEXT))
    sha256 = text(data.get("sha256"), 64)
    if data.get("state") != PictureState.READY or sha256 is None or len(sha256) != 64 or not _is_hex(sha256):
        return None
    return Snapshot(
        "",
        0,
        offset_ms=_whole(data.get("offset_ms")),
        taken_at=said_time(data.get("taken_at")),
        state=PictureState.READY,
        sha256=sha256,
        width=_whole(data.get("width")),
        height=_whole(data.get("height")),
    )


def clip(data: Mapping[str, Any]) -> Clip | None:
    """What a ``clip`` entry says of its clip; None where it makes no sense."""
    id = text(data.get("clip"), 128)
    if id is None:
        return None
    if data.get("state") == PictureState.FAILED:
        return Clip(id, PictureState.FAILED, text(data.get("reason"), MAX_TEXT))
    sha256, from_ms, to_ms = text(data.get("sha256"), 64), _whole(data.get("from_ms")), _whole(data.get("to_ms"))
    if data.get("state") != PictureState.READY or sha256 is None or len(sha256) != 64 or not _is_hex(sha256):
        return None
    return Clip(id, PictureState.READY, None, from_ms, to_ms, sha256, text(data.get("codec"), 32))


def settled(taken: Snapshot | Clip) -> int:
    """How far it has come: a failure gives way to a success, and nothing to what says less."""
    return (PictureState.PENDING, PictureState.FAILED, PictureState.READY).index(taken.state)


def names(value: object) -> list[str]:
    """The texts of a list, as many as make sense; an empty one is a name too."""
    return [name[:MAX_TEXT] for name in _sequence(value)[:MAX_NAMES] if isinstance(name, str)]


def _is_hex(text: str) -> bool:
    return all(letter in "0123456789abcdef" for letter in text)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def text(value: object, limit: int) -> str | None:
    return value[:limit] if isinstance(value, str) and value else None


def _whole(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_NUMBER else None


def _degrees(value: object, limit: int) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -limit <= value <= limit else None


def _member(members: type[E], value: object, otherwise: E) -> E:
    return next((member for member in members if member == value), otherwise)
