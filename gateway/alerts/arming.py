"""Arming and disarming (布防, 撤防): what operators have set, over the schedules of the configuration.

The narrowest setting in force speaks: a camera's, else that of the longest area, of the scene, of the node. Where there is
none, a camera with schedules is armed while one of them holds, and every other camera is armed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from gateway.alerts.rules import Scope
from gateway.alerts.spans import Span
from gateway.codec import optional_time
from gateway.errors import NotAllowed
from gateway.model import Camera, rfc3339
from gateway.ports import AuditRecord, Ledger, Reader, Transaction

MOST = 2000
"""Settings kept at once: they are read and written together."""
_BOOKMARK = "arming"


@dataclass(frozen=True, slots=True)
class Zone:
    """What one setting is about. ``type``: node | scene | area | camera; ``id`` is empty for the node."""

    type: str
    id: str = ""

    def __str__(self) -> str:
        return f"{self.type}/{self.id}" if self.id else self.type


@dataclass(frozen=True, slots=True)
class Setting:
    """What an operator has set, until somebody sets another, or ``until``."""

    zone: Zone
    armed: bool
    by: str
    at: datetime
    reason: str | None = None
    until: datetime | None = None

    def in_force(self, at: datetime) -> bool:
        return self.until is None or at < self.until


@dataclass(frozen=True, slots=True)
class Schedule:
    """The cameras of ``scope`` are armed while a schedule of theirs holds, and disarmed between."""

    scope: Scope
    span: Span


@dataclass(frozen=True, slots=True)
class _Settings:
    by_zone: Mapping[Zone, Setting]

    def speaking(self, camera: Camera, at: datetime) -> Setting | None:
        """The narrowest in force."""
        if not self.by_zone:
            return None
        area = camera.place.area_code or ""
        zones = [Zone("camera", camera.id), *(Zone("area", area[:end]) for end in range(len(area), 0, -1))]
        for zone in (*zones, Zone("scene", camera.scene.value), Zone("node")):
            setting = self.by_zone.get(zone)
            if setting is not None and setting.in_force(at):
                return setting
        return None


class Arming:
    """Whether a camera is armed. The settings lie in the ledger, with an audit line each; ``load`` before anything."""

    def __init__(self, ledger: Ledger, schedules: Sequence[Schedule], zone: tzinfo) -> None:
        self._ledger = ledger
        self._schedules = tuple(schedules)
        self._zone = zone
        self._settings = _Settings({})

    async def load(self) -> None:
        self._settings = _Settings(await self._ledger.read(_stored))

    def armed(self, camera: Camera, at: datetime) -> bool:
        setting = self._settings.speaking(camera, at)
        if setting is not None:
            return setting.armed
        own = [schedule.span for schedule in self._schedules if schedule.scope.covers(camera)]
        return not own or any(span.holds(at, self._zone) for span in own)

    def settings(self, at: datetime) -> list[Setting]:
        """Those in force, in the order of their zones."""
        found = (setting for setting in self._settings.by_zone.values() if setting.in_force(at))
        return sorted(found, key=lambda setting: str(setting.zone))

    async def set(self, setting: Setting) -> None:
        """Return once it is on disk, audited, and in force. Raises NotAllowed where too many stand already."""
        await self._change(setting.zone, setting, setting.by, setting.at, setting.reason)

    async def follow_schedule(self, zone: Zone, by: str, at: datetime, reason: str | None) -> None:
        """Take back what was set; wider settings and schedules speak again."""
        await self._change(zone, None, by, at, reason)

    async def _change(self, zone: Zone, setting: Setting | None, by: str, at: datetime, reason: str | None) -> None:
        def work(tx: Transaction) -> dict[Zone, Setting]:
            kept = {each: known for each, known in _stored(tx).items() if each != zone and known.in_force(at)}
            if setting is not None:
                if len(kept) >= MOST:
                    raise NotAllowed(f"{MOST} settings stand already: arm or disarm areas instead of single cameras")
                kept[zone] = setting
            tx.set_bookmark(_BOOKMARK, json.dumps([_setting_json(each) for each in kept.values()], ensure_ascii=False))
            action = "follow_schedule" if setting is None else "arm" if setting.armed else "disarm"
            until = {} if setting is None or setting.until is None else {"until": rfc3339(setting.until)}
            tx.record(AuditRecord(at, by, action, f"arming/{zone}", reason, until))
            return kept

        self._settings = _Settings(await self._ledger.write(work))


def _stored(reader: Reader) -> dict[Zone, Setting]:
    kept = json.loads(reader.bookmark(_BOOKMARK) or "[]")
    return {setting.zone: setting for setting in map(_setting, kept)}


def _setting_json(setting: Setting) -> dict[str, Any]:
    return {
        "type": setting.zone.type,
        "id": setting.zone.id,
        "armed": setting.armed,
        "by": setting.by,
        "at": rfc3339(setting.at),
        "reason": setting.reason,
        "until": optional_time(setting.until),
    }


def _setting(kept: Mapping[str, Any]) -> Setting:
    return Setting(
        Zone(kept["type"], kept["id"]),
        kept["armed"],
        kept["by"],
        datetime.fromisoformat(kept["at"]),
        kept["reason"],
        None if kept["until"] is None else datetime.fromisoformat(kept["until"]),
    )
