"""The narrowest setting speaks; it survives a restart and leaves a line in the audit."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.alerts import arming as room
from gateway.alerts.arming import Arming, Schedule, Setting, Zone
from gateway.alerts.rules import Scope
from gateway.alerts.spans import Span
from gateway.errors import NotAllowed
from gateway.model import Camera, Place, Scene

SHANGHAI = ZoneInfo("Asia/Shanghai")
GATE = Camera("gate", "", Scene.VILLAGE, Place(area_code="511724001"))
STREET = Camera("street", "", Scene.STREET, Place(area_code="511724002"))
NOWHERE = Camera("nowhere", "", Scene.STREET)


def setting(house: Any, zone: Zone, armed: bool, **words: Any) -> Setting:
    return Setting(zone, armed, "li", house.clock.now(), **words)


def armed(arming: Arming, house: Any) -> list[str]:
    return [camera.id for camera in (GATE, STREET, NOWHERE) if arming.armed(camera, house.clock.now())]


async def test_everything_is_armed_until_somebody_disarms_it(house: Any) -> None:
    arming = Arming(house.ledger, (), SHANGHAI)
    assert armed(arming, house) == ["gate", "street", "nowhere"]
    await arming.set(setting(house, Zone("node"), False))
    assert armed(arming, house) == []


async def test_the_narrowest_setting_speaks(house: Any) -> None:
    arming = Arming(house.ledger, (), SHANGHAI)
    for zone, on in (
        (Zone("node"), False),
        (Zone("scene", "street"), True),
        (Zone("area", "511724"), False),
        (Zone("area", "511724001"), True),
    ):
        await arming.set(setting(house, zone, on))
    assert armed(arming, house) == ["gate", "nowhere"]
    await arming.set(setting(house, Zone("camera", "gate"), False))
    assert armed(arming, house) == ["nowhere"]
    await arming.follow_schedule(Zone("camera", "gate"), "li", house.clock.now(), None)
    assert armed(arming, house) == ["gate", "nowhere"]


async def test_a_setting_may_end_by_itself(house: Any) -> None:
    arming = Arming(house.ledger, (), SHANGHAI)
    until = house.clock.now() + timedelta(hours=1)
    await arming.set(setting(house, Zone("node"), False, until=until))
    house.clock.turn(3599)
    assert armed(arming, house) == []
    house.clock.turn(1)
    assert armed(arming, house) == ["gate", "street", "nowhere"]
    assert arming.settings(house.clock.now()) == []


async def test_schedules_arm_and_disarm_what_they_name(house: Any) -> None:
    night = Schedule(Scope(areas=("511724001",)), Span(20 * 60, 7 * 60))
    arming = Arming(house.ledger, (night,), SHANGHAI)
    assert armed(arming, house) == ["street", "nowhere"]  # 16:00 in Shanghai
    house.clock.turn(4 * 3600)
    assert armed(arming, house) == ["gate", "street", "nowhere"]
    await arming.set(setting(house, Zone("camera", "gate"), False))
    assert armed(arming, house) == ["street", "nowhere"]


async def test_it_survives_a_restart_and_is_audited(house: Any) -> None:
    arming = Arming(house.ledger, (), SHANGHAI)
    until = house.clock.now() + timedelta(hours=8)
    await arming.set(setting(house, Zone("area", "511724"), False, reason="村里办喜事", until=until))
    await arming.follow_schedule(Zone("node"), "wang", house.clock.now(), "done")
    other = Arming(house.ledger, (), SHANGHAI)
    await other.load()
    assert other.settings(house.clock.now()) == arming.settings(house.clock.now())
    assert armed(other, house) == ["nowhere"]
    (back, set_), _ = await house.ledger.read(lambda reader: reader.audit(None, 10))
    assert (set_.actor, set_.action, set_.object, set_.reason) == ("li", "disarm", "arming/area/511724", "村里办喜事")
    assert set_.detail == {"until": "2026-05-01T16:00:00.000Z"}
    assert (back.actor, back.action, back.object) == ("wang", "follow_schedule", "arming/node")


async def test_there_is_a_bound(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST", 2)
    arming = Arming(house.ledger, (), SHANGHAI)
    for number in range(2):
        await arming.set(setting(house, Zone("camera", str(number)), False))
    with pytest.raises(NotAllowed):
        await arming.set(setting(house, Zone("camera", "3"), False))
    await arming.set(setting(house, Zone("camera", "1"), True))  # another word on the same is no other setting
    assert len(arming.settings(house.clock.now())) == 2
