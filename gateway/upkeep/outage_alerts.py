"""What is written of cameras that are away: alerts raised, going on and cleared, and who is in which outage, all of one
outage in one transaction. So a core that is killed in between has told of it or has not, and the next one knows which."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway.alerts import grading
from gateway.alerts.incidents import MOST_CAMERAS
from gateway.codec import place_json, source_json
from gateway.model import (
    ENDED,
    Alert,
    Camera,
    Cause,
    Condition,
    Draft,
    Kind,
    OutageMember,
    Place,
    Scene,
    SourceRef,
    Status,
    rfc3339,
    uuid7,
)
from gateway.observability import events, upkeep_events
from gateway.ports import Transaction

MOST_LINKED = 16
"""Cameras that an incident's alert links, to look at their neighbours by; its detail names more."""
_MOST_OPEN = 200
_TITLES: Mapping[Cause, str] = {
    Cause.SINGLE: "设备离线",
    Cause.RECORDER: "疑似录像机故障",
    Cause.SWITCH: "疑似交换机故障",
    Cause.SUBNET: "疑似网段中断",
    Cause.AREA_POWER: "疑似片区停电或断网",
    Cause.UPSTREAM: "疑似本级网络中断",
}
_CODES = (2, 4, 6, 9, 12)
"""Digits at which area codes end (GB/T 2260 and the statistical code)."""

Tell = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Outage:
    """One that stands: ``members`` by camera. ``total``: how many cameras there are in the group."""

    alert_id: str
    cause: Cause
    group: str
    total: int
    members: Mapping[str, OutageMember]

    @property
    def away(self) -> list[str]:
        return [camera for camera, member in self.members.items() if not member.back]

    @property
    def back(self) -> set[str]:
        return {camera for camera, member in self.members.items() if member.back}

    @property
    def flapping(self) -> bool:
        return any(member.flapping for member in self.members.values())


@dataclass(frozen=True, slots=True)
class Lost:
    """A camera that is to be told of. ``at``: when it was lost."""

    camera: Camera
    at: datetime
    flapping: bool = False


class OutageAlerts:
    """Writes for node ``node``, which stands at ``place``. Every method runs inside a transaction, and gives what is to be
    said once that is on disk."""

    def __init__(self, node: SourceRef, place: Place, grades: Mapping[Kind, int], now: Callable[[], datetime]) -> None:
        self._node = node
        self._place = place
        self._grades = grades
        self._now = now

    def begin(self, tx: Transaction, outage: Outage, lost: Sequence[Lost]) -> tuple[Outage, Tell]:
        """``outage`` has no members and no alert yet; these are lost with it. Raises its alert, or goes on with the one of
        the same group that nobody has closed."""
        single = outage.cause is Cause.SINGLE
        source = SourceRef("camera", lost[0].camera.id, lost[0].camera.name) if single else self._node
        before = self._open(tx, source, outage.group)
        alert_id = uuid7() if before is None else before.id
        members = {each.camera.id: _member(alert_id, outage, each) for each in lost}
        found = replace(outage, alert_id=alert_id, members=members)
        linked = [each.camera for each in lost]
        if before is None:
            tell = self._raise(tx, found, source, linked)
        else:
            tell = self._press(tx, found, linked, before.count)
        tx.keep_outage_members(members.values())
        return found, tell

    def grow(self, tx: Transaction, outage: Outage, lost: Sequence[Lost]) -> tuple[Outage, Tell] | None:
        """These are lost by the same cause; None where somebody has closed its alert: nobody would be told of them."""
        stored = tx.alert(outage.alert_id)
        if stored is None or stored.alert.workflow in ENDED:
            return None
        more = {each.camera.id: _member(outage.alert_id, outage, each) for each in lost}
        found = replace(outage, members={**outage.members, **more})
        self._press(tx, found, [each.camera for each in lost], stored.alert.count)
        tx.keep_outage_members(more.values())
        return found, lambda: upkeep_events.outage_grew(outage.alert_id, len(more))

    def note_back(self, tx: Transaction, outage: Outage, back: Collection[str]) -> tuple[Outage, bool]:
        """Just these of it are there again, and it goes on. Whether somebody has closed its alert: who was back and is lost
        again is not of it any more then."""
        stored = tx.alert(outage.alert_id)
        closed = stored is None or stored.alert.workflow in ENDED
        if closed:
            back = {*back, *outage.back}
        members = {camera: replace(member, back=camera in back) for camera, member in outage.members.items()}
        tx.keep_outage_members(member for camera, member in members.items() if member != outage.members[camera])
        return replace(outage, members=members), closed

    def end(self, tx: Transaction, outage: Outage, left: int, comment: str | None = None) -> Tell:
        """Over. ``left``: how many are still away, each by itself from now on."""
        stored = tx.alert(outage.alert_id)
        if stored is not None and stored.alert.workflow not in ENDED and stored.alert.condition is Condition.ACTIVE:
            data: dict[str, Any] = {"what": "", "still": [], "device_time": None}
            tx.append(Draft(outage.alert_id, "cleared", "gateway", self._now(), comment, data))
        tx.end_outage(outage.alert_id)
        return lambda: upkeep_events.outage_over(outage.alert_id, outage.cause, left)

    def _raise(self, tx: Transaction, outage: Outage, source: SourceRef, linked: Sequence[Camera]) -> Tell:
        now, severity = self._now(), grading.severity(Kind.DEVICE_OFFLINE, self._grades)
        base = {
            "kind": Kind.DEVICE_OFFLINE.value,
            "severity": severity,
            "status": Status.ACTUAL.value,
            "source": source_json(source),
            "place": place_json(linked[0].place if source.type == "camera" else self._common(linked)),
            "title": _title(outage, source),
            "device_time": None,
            "raised_at": rfc3339(now),
            "detail": {**_detail(outage), "standing": [""]},
            "cameras": _linked(linked),
        }
        tx.append(Draft(outage.alert_id, "raised", "gateway", now, data={"base": base}))

        def tell() -> None:
            events.alert_raised(outage.alert_id, Kind.DEVICE_OFFLINE, severity, Status.ACTUAL, source)
            if source.type == "camera":
                upkeep_events.camera_lost(outage.alert_id, source.id, flapping=outage.flapping)
            else:
                many = len(outage.members)
                upkeep_events.outage_began(outage.alert_id, outage.cause, outage.group, many, outage.total)

        return tell

    def _press(self, tx: Transaction, outage: Outage, linked: Sequence[Camera], count: int) -> Tell:
        data = {"press_id": None, "device_time": None, "detail": _detail(outage), "cameras": _linked(linked)}
        tx.append(Draft(outage.alert_id, "pressed", "gateway", self._now(), data=data))
        return lambda: events.signal_joined(outage.alert_id, count + 1, outage.group or "cameras")

    def _open(self, tx: Transaction, source: SourceRef, group: str) -> Alert | None:
        """That of the same camera, or of the same group: what it says of the cause may be another now."""
        found = tx.open_alerts(source.id, Kind.DEVICE_OFFLINE, Status.ACTUAL, _MOST_OPEN)
        alerts = (stored.alert for stored in found if stored.alert.source.type == source.type)
        return next((each for each in alerts if "cause" in each.detail and each.detail.get("group") == group), None)

    def _common(self, cameras: Sequence[Camera]) -> Place:
        """The area that holds them all, so that whoever sees the alert may see its cameras; else the node's own."""
        codes = [camera.place.area_code or "" for camera in cameras]
        first, last = min(codes), max(codes)
        same = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
        digits = max((length for length in _CODES if length <= same), default=0)
        return Place(area_code=first[:digits]) if digits else self._place


def _member(alert_id: str, outage: Outage, lost: Lost) -> OutageMember:
    return OutageMember(alert_id, lost.camera.id, outage.cause, outage.group, lost.at, flapping=lost.flapping)


def _detail(outage: Outage) -> dict[str, Any]:
    away = sorted(outage.away)
    first = min(member.lost_at for member in outage.members.values())
    return {
        "cause": outage.cause.value,
        "group": outage.group,
        "cameras": away[:MOST_CAMERAS],
        "lost": len(away),
        "total": outage.total,
        "lost_at": rfc3339(first),
        **({"flapping": True} if outage.flapping else {}),
    }


def _title(outage: Outage, source: SourceRef) -> str:
    flapping = "（时断时续）" if outage.flapping else ""
    if outage.cause is Cause.SINGLE:
        return f"{_TITLES[Cause.SINGLE]}{flapping} · {source.name or source.id}"
    where = f" · {outage.group}" if outage.group else ""
    return f"摄像机批量离线{flapping} · {_TITLES[outage.cause]}{where}"


def _linked(cameras: Iterable[Camera]) -> list[dict[str, Any]]:
    """Never a household's: its camera opens for that household's own alarm and for nothing else."""
    shown = [camera for camera in cameras if camera.scene is not Scene.HOUSEHOLD][:MOST_LINKED]
    return [{"id": camera.id, "name": camera.name, "distance_m": None, "snapshots": []} for camera in shown]
