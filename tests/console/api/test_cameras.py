"""Cameras and terminals over HTTP."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from gateway.alerts.register import Register
from gateway.console.api import schemas
from gateway.errors import StoreFailed, Unreachable
from gateway.model import CameraState, Consent
from gateway.supervision.clock import SystemClock


async def get(http, house, path, role="operator"):
    async with http.get(f"/api/v1{path}", headers=house.bearer(role)) as answer:
        return answer.status, await answer.json()


async def look(http, house, camera, reason="a car on fire", role="operator"):
    params = {} if reason is None else {"reason": reason}
    async with http.get(f"/api/v1/cameras/{camera}/snapshot.jpg", params=params, headers=house.bearer(role)) as answer:
        return answer, await (answer.read() if answer.status == 200 else answer.json())


async def lookings(house):
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 50))
    return [(line.actor, line.object, line.reason) for line in lines if line.action == "view_camera"]


async def test_cameras_are_listed_in_pages_with_their_states(house, http) -> None:
    await house.video.say("cam-street", CameraState.ONLINE, codec="h264", width=640, height=360)
    status, first = await get(http, house, "/cameras?limit=2")
    assert status == 200
    schemas.Page[schemas.Camera].model_validate(first)
    _, second = await get(http, house, f"/cameras?limit=2&cursor={first['next']}")
    assert second["next"] is None
    states = {camera["id"]: camera["state"] for camera in first["items"] + second["items"]}
    assert states == {"cam-far": "connecting", "cam-home": "connecting", "cam-street": "online"}


async def test_one_camera_is_the_same_as_in_the_list(house, http) -> None:
    _, page = await get(http, house, "/cameras")
    for camera in page["items"]:
        assert await get(http, house, f"/cameras/{camera['id']}") == (200, {**camera, "record": {}})
    assert (await get(http, house, "/cameras/none"))[0] == 404


@pytest.mark.parametrize("room", ["cameras", "terminals"])
@pytest.mark.parametrize("cursor", ["%21", "____", "a"])
async def test_cursors_of_somebody_elses_making_are_refused_or_harmless(house, http, room, cursor) -> None:
    status, answer = await get(http, house, f"/{room}?cursor={cursor}")
    assert status == 422 and "cursor" in answer["detail"]


async def test_picture_needs_a_reason_and_is_audited_with_it(house, http) -> None:
    for nothing in (None, "", "  ", "x" * 501):
        answer, problem = await look(http, house, "cam-street", nothing)
        assert answer.status == 422
        assert "reason" in problem["detail"]
    assert await lookings(house) == []
    answer, jpeg = await look(http, house, "cam-street")
    assert answer.status == 200
    assert answer.content_type == "image/jpeg"
    assert answer.headers["Cache-Control"] == "no-store"
    assert jpeg.startswith(b"\xff\xd8")
    assert abs((parsedate_to_datetime(answer.headers["Last-Modified"]) - datetime.now(UTC)).total_seconds()) < 60
    assert await lookings(house) == [("t-operator", "cameras/cam-street", "a car on fire")]


async def test_a_full_size_picture_comes_from_the_main_stream_when_asked_for(house, http) -> None:
    path = "/api/v1/cameras/cam-street/snapshot.jpg?reason=plate&stream="
    headers = house.bearer("operator")
    async with http.get(f"{path}main", headers=headers) as answer:
        assert (answer.status, (await answer.read())[-4:]) == (200, b"main")
    async with http.get(f"{path}sub", headers=headers) as answer:
        assert (answer.status, (await answer.read())[-4:] == b"main") == (200, False)
    async with http.get(f"{path}other", headers=headers) as answer:
        assert answer.status == 422
    house.video.broken = Unreachable("the camera has no session left for its main stream")
    async with http.get(f"{path}main", headers=headers) as answer:
        assert (answer.status, "no session left" in (await answer.json())["detail"]) == (503, True)
    assert await lookings(house) == [("t-operator", "cameras/cam-street", "plate")]  # one look


async def test_picture_is_audited_before_it_is_fetched(house, http) -> None:
    house.video.broken = Unreachable("the camera is offline: no answer from 10.0.0.5:554")
    answer, problem = await look(http, house, "cam-street")
    assert answer.status == 503
    assert "the camera is offline" in problem["detail"]
    assert len(await lookings(house)) == 1


async def test_no_audit_no_picture(house, http, monkeypatch) -> None:
    async def refuse(work):
        raise StoreFailed("the disk is full")

    monkeypatch.setattr(house.ledger, "write", refuse)
    answer, problem = await look(http, house, "cam-street")
    assert (answer.status, problem["detail"]) == (503, "the disk is full")


async def test_what_was_is_not_shown_as_what_is(house, http) -> None:
    house.video.age = 3600.0
    answer, problem = await look(http, house, "cam-street")
    assert answer.status == 503
    assert "s old" in problem["detail"]
    house.video.age = None
    answer, problem = await look(http, house, "cam-street")
    assert answer.status == 503
    assert "no keyframe has come yet" in problem["detail"]


async def test_picture_that_does_not_come_is_504(house, http, monkeypatch) -> None:
    async def never(camera_id):
        await asyncio.Event().wait()

    monkeypatch.setattr(house.video, "keyframes", never)
    monkeypatch.setattr("gateway.console.api.cameras._PICTURE_S", 0.05)
    answer, problem = await look(http, house, "cam-street")
    assert answer.status == 504
    assert "cam-street" in problem["detail"]


async def test_a_households_camera_opens_only_while_its_own_alert_is_open(house, http) -> None:
    async def status() -> int:
        return (await look(http, house, "cam-home"))[0].status

    linked = [{"id": "cam-home", "name": "王家院子", "distance_m": 0, "snapshots": []}]
    assert await status() == 403
    await house.raise_alert("tv-0002", cameras=linked)  # a neighbour's
    assert await status() == 403
    await house.raise_alert("tv-0001", cameras=[])  # its own, which does not link it
    assert await status() == 403
    alert = await house.raise_alert("tv-0001", cameras=linked)
    assert await status() == 200
    await house.act(alert, "close", "li", disposition="real")
    assert await status() == 403
    assert len(await lookings(house)) == 1


async def test_a_households_camera_opens_with_its_consent_while_that_is_in_force(house, http, monkeypatch) -> None:
    noon = SystemClock().now().astimezone().replace(hour=12)  # no midnight comes between
    monkeypatch.setattr(SystemClock, "now", lambda _: noon.astimezone(UTC))
    today, day = noon.date(), timedelta(days=1)

    def agreed(given_on: date, until: date | None) -> None:
        consent = Consent("王大娘", given_on, until)
        cameras = (replace(each, consent=consent) for each in house.register.cameras())
        house.register.replace(Register(list(cameras), house.register.terminals()))

    for given_on, until, status in (
        (today + day, None, 403),
        (today - day, today - day, 403),
        (today, today, 200),
        (today - day, None, 200),
    ):
        agreed(given_on, until)
        assert (await look(http, house, "cam-home"))[0].status == status, (given_on, until)
    _, shown = await get(http, house, "/cameras/cam-home")
    assert shown["consent"] == {"given_by": "王大娘", "given_on": (today - day).isoformat(), "until": None}
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 50))
    [noted] = [line for line in lines if line.action == "view_camera"]
    assert noted.detail == {"detail": "consent of 王大娘", "address": "127.0.0.1"}
    linked = [{"id": "cam-home", "name": "王家院子", "distance_m": 0, "snapshots": []}]
    await house.raise_alert("tv-0001", cameras=linked)
    assert (await look(http, house, "cam-home"))[0].status == 200
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 1))
    assert lines[0].detail == {"address": "127.0.0.1"}  # its own alarm opens it: no consent is needed
    assert (await look(http, house, "cam-street"))[0].status == 200
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 1))
    assert lines[0].detail == {"address": "127.0.0.1"}  # what is no household's needs none


async def test_terminals_are_listed_with_household_and_presence(house, http) -> None:
    at = SystemClock().now()
    house.register.seen("tv-0001", at, pressed=True)
    status, page = await get(http, house, "/terminals")
    assert status == 200
    schemas.Page[schemas.Terminal].model_validate(page)
    assert [(each["id"], each["state"]) for each in page["items"]] == [("tv-0001", "online"), ("tv-0002", "unknown")]
    household = {"name": "王家", "phone": "13800000000", "address": "三组7号", "instructions": None}
    assert page["items"][0]["household"] == household
    assert page["items"][0]["last_press"] is not None
    assert await get(http, house, "/terminals/tv-0001") == (200, {**page["items"][0], "record": {}})
    assert (await get(http, house, "/terminals/none"))[0] == 404
