"""What a camera is as a device, and turning it: by operators of its area, audited, a household's on its alarm alone."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.console.api import schemas
from gateway.console.api.devices import Device, Preset
from gateway.errors import Unreachable
from gateway.model import ClockReading, DeviceHealth, DeviceInformation, EventsState, PtzMove

AT = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


async def read(http: Any, house: Any, path: str, who: str = "operator") -> tuple[int, Any]:
    async with http.get(f"/api/v1{path}", headers=house.bearer(who)) as answer:
        return answer.status, await answer.json()


async def turn(http: Any, house: Any, camera: str, body: Any, who: str = "operator") -> tuple[int, str]:
    async with http.post(f"/api/v1/cameras/{camera}/ptz", headers=house.bearer(who), json=body) as answer:
        return answer.status, await answer.text()


async def test_a_device_says_what_it_is_and_how_its_clock_stands(house: Any, http: Any) -> None:
    house.devices.known["cam-street"] = DeviceHealth(
        "cam-street",
        EventsState.LISTENING,
        None,
        DeviceInformation("HIKVISION", "DS-2CD2043", "V5.7", "SN1", "88"),
        ClockReading(-1800.12345, 0.5, AT),
        AT,
        True,
        ("clock",),
    )
    status, device = await read(http, house, "/cameras/cam-street/device")
    assert status == 200
    Device.model_validate(device)
    assert (device["vendor"], device["model"], device["events"], device["has_ptz"]) == (
        "HIKVISION",
        "DS-2CD2043",
        "listening",
        True,
    )
    assert device["clock"] == {
        "offset_s": -1800.123,
        "uncertainty_s": 0.5,
        "measured_at": "2026-05-01T08:00:00.000Z",
    }
    assert (device["armed"], device["faults"]) == (True, ["clock"])
    status, listed = await read(http, house, "/devices")
    schemas.Page[Device].model_validate(listed)
    assert [item["id"] for item in listed["items"]] == ["cam-home", "cam-street"]
    assert listed["items"][0]["events"] == "connecting"
    assert listed["items"][1] == device


async def test_a_camera_without_onvif_says_so(house: Any, http: Any) -> None:
    _, device = await read(http, house, "/cameras/cam-far/device")
    assert (device["events"], device["reason"]) == ("off", "it has no ONVIF address")
    assert (await turn(http, house, "cam-far", {"stop": True}))[0] == 409
    assert (await read(http, house, "/cameras/cam-far/device", "near"))[0] == 404
    assert (await turn(http, house, "cam-far", {"stop": True}, "near"))[0] == 404


async def test_turning_is_asked_of_the_device_and_audited(house: Any, http: Any) -> None:
    status, listed = await read(http, house, "/cameras/cam-street/presets")
    assert status == 200
    schemas.Page[Preset].model_validate(listed)
    assert [item["name"] for item in listed["items"]] == ["大门", "王家"]
    for body in ({"preset": "王家"}, {"pan": 0.5, "zoom": -1, "seconds": 2}, {"stop": True}):
        assert await turn(http, house, "cam-street", body) == (204, "")
    assert house.devices.asked[1:] == [
        ("preset", "cam-street", "王家"),
        ("move", "cam-street", PtzMove(0.5, 0.0, -1.0, 2.0)),
        ("stop", "cam-street"),
    ]
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 10))
    assert [(line.actor, line.action, line.object, line.detail["detail"]) for line in reversed(lines)] == [
        ("t-operator", "turn_camera", "cameras/cam-street", "preset 王家"),
        ("t-operator", "turn_camera", "cameras/cam-street", "pan 0.5, tilt 0, zoom -1 for 2 s"),
        ("t-operator", "turn_camera", "cameras/cam-street", "stop"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"preset": "1", "stop": True},
        {"preset": ""},
        {"pan": 0.1, "preset": "1"},
        {"pan": 1.5},
        {"stop": False},
        {"pan": 0.1, "seconds": 0},
        {"pan": 0.1, "seconds": 11},
        {"pan": 0.1, "speed": 1},
    ],
)
async def test_what_is_no_order_is_refused_and_moves_nothing(house: Any, http: Any, body: Any) -> None:
    assert (await turn(http, house, "cam-street", body))[0] == 422
    assert house.devices.asked == []


async def test_a_device_that_cannot_answer_is_named(house: Any, http: Any) -> None:
    house.devices.broken = Unreachable("10.0.0.5:80 did not answer Stop within 5 s")
    status, text = await turn(http, house, "cam-street", {"stop": True})
    assert (status, "10.0.0.5:80 did not answer Stop" in text) == (503, True)
    assert (await read(http, house, "/cameras/cam-street/presets"))[0] == 503


async def test_a_households_dome_turns_only_on_its_own_alarm(house: Any, http: Any) -> None:
    assert (await turn(http, house, "cam-home", {"preset": "1"}))[0] == 403
    assert (await read(http, house, "/cameras/cam-home/presets"))[0] == 403
    assert house.devices.asked == []
    await house.raise_alert("tv-0001", cameras=[{"id": "cam-home", "name": "王家院子"}])
    assert (await turn(http, house, "cam-home", {"preset": "1"}))[0] == 204
