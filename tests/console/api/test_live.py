"""WHEP: who may watch what, what is audited, and when a view ends."""

import pytest

from gateway.errors import NotAllowed, NotSpoken, Unreachable
from gateway.model import Camera, LowerFeed, OwnFeed, Place, Scene
from gateway.ports import Report

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


def whep(camera="cam-street", reason="a car on fire", **more):
    query = "&".join(f"{key}={value}" for key, value in {"reason": reason, **more}.items() if value is not None)
    return f"/api/v1/cameras/{camera}/whep?{query}"


async def watch(http, headers, *words, body="v=0 offer", **more):
    async with http.post(whep(*words, **more), headers={**SDP, **headers}, data=body) as answer:
        text = await answer.text()
        return answer, text


async def lookings(house):
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 100))
    return [(line.actor, line.object, line.reason) for line in lines if line.action == "view_camera"]


async def test_a_view_is_opened_as_the_draft_says(house, http) -> None:
    answer, text = await watch(http, house.bearer("viewer"))
    assert (answer.status, answer.content_type, text) == (201, "application/sdp", "v=0 answer")
    assert answer.headers["Location"] == "/api/v1/cameras/cam-street/whep/view-1"
    assert (answer.headers["ETag"], answer.headers["Live-Start"], answer.headers["Live-Codec"]) == (
        '"e1"',
        "gop",
        "h264",
    )
    assert house.live.views["view-1"][:2] == (OwnFeed("cam-street", "sub"), "v=0 offer")
    assert await lookings(house) == [("t-viewer", "cameras/cam-street", "a car on fire")]
    await watch(http, house.bearer("viewer"), stream="main")
    assert house.live.views["view-2"][0] == OwnFeed("cam-street", "main")


async def test_a_view_needs_a_reason_an_offer_and_a_camera_in_the_callers_area(house, http) -> None:
    near = house.bearer("near")
    for reason in (None, "", "%20", "x" * 501):
        assert (await watch(http, near, "cam-street", reason))[0].status == 422
    answer, _ = await watch(http, {**near, "Content-Type": "application/json"})
    assert (answer.status, answer.headers["Accept-Post"]) == (415, "application/sdp")
    assert (await watch(http, near, body=b"\xff"))[0].status == 400
    assert (await watch(http, near, body="v" * 65537))[0].status == 413
    elsewhere, one = await watch(http, near, "cam-far")
    nowhere, other = await watch(http, near, "cam-none")
    assert (elsewhere.status, one.replace("cam-far", "cam-none")) == (nowhere.status, other)
    assert nowhere.status == 404
    assert house.live.opened == 0
    assert await lookings(house) == []


async def test_a_households_camera_opens_on_its_own_alarm(house, http) -> None:
    operator = house.bearer("operator")
    answer, _ = await watch(http, operator, "cam-home")
    assert answer.status == 403
    linked = [{"id": "cam-home", "name": "王家院子", "distance_m": 3, "snapshots": []}]
    await house.raise_alert(cameras=linked)
    answer, _ = await watch(http, operator, "cam-home")
    assert answer.status == 201
    assert len(await lookings(house)) == 1


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        (NotSpoken("it sends H.265: choose its sub-stream"), 406, "choose its sub-stream"),
        (Unreachable("no answer from 10.0.0.5"), 503, "cam-street cannot be shown live: no answer from 10.0.0.5"),
        (NotAllowed("closed"), 403, "closed"),
    ],
)
async def test_what_cannot_be_shown_says_why_and_is_audited_all_the_same(house, http, fault, status, words) -> None:
    house.live.broken = fault
    answer, text = await watch(http, house.bearer("operator"))
    assert (answer.status, answer.content_type) == (status, "application/problem+json")
    assert words in text
    assert len(await lookings(house)) == 1


async def test_the_still_before_a_view_is_the_same_look(house, http) -> None:
    operator = house.bearer("operator")
    still = "/api/v1/cameras/cam-street/snapshot.jpg?reason=a car on fire"
    for _ in range(2):
        async with http.get(still, headers=operator) as answer:
            assert answer.status == 200
        await watch(http, operator)
    assert len(await lookings(house)) == 1
    await watch(http, operator, "cam-street", "another")
    await watch(http, house.bearer("viewer"))
    assert len(await lookings(house)) == 3


async def test_candidates_and_the_end_belong_to_the_login_that_opened_it(house, http) -> None:
    mine, others = house.bearer("operator"), house.bearer("viewer")
    answer, _ = await watch(http, mine)
    place = answer.headers["Location"]
    fragment = {"data": "a=candidate", "headers": {**FRAGMENT, **mine}}
    async with http.patch(place, **fragment) as answer:
        assert answer.status == 204
    assert house.live.fragments == [("view-1", "a=candidate")]
    async with http.patch(place, data="x", headers={**FRAGMENT, **mine, "If-Match": '"other"'}) as answer:
        assert answer.status == 412
    async with http.patch(place, data="x", headers={**SDP, **mine}) as answer:
        assert answer.status == 415
    for method in ("PATCH", "DELETE"):
        for headers, path in ((others, place), (mine, place + "x"), (mine, place.replace("cam-street", "cam-far"))):
            async with http.request(method, path, data="x", headers={**FRAGMENT, **headers}) as answer:
                assert answer.status == 404
    assert list(house.live.views) == ["view-1"]
    for _ in range(2):
        async with http.delete(place, headers=mine) as answer:
            assert answer.status == 200
        assert house.live.views == {}
    async with http.patch(place, **fragment) as answer:
        assert answer.status == 404


async def test_what_may_be_posted_is_told(house, http) -> None:
    async with http.options(whep(), headers=house.bearer("viewer")) as answer:
        assert (answer.status, answer.headers["Accept-Post"]) == (204, "application/sdp")


async def test_a_view_ends_with_its_login_and_not_with_another_of_the_same_user(house, http, log_in) -> None:
    first, second = await log_in("operator"), await log_in("operator")
    await watch(http, first)
    await watch(http, second)
    async with http.delete("/api/v1/session", headers=first) as answer:
        assert answer.status == 204
    assert list(house.live.views) == ["view-2"]


async def test_a_lower_nodes_camera_is_watched_through_its_uplink(house, http) -> None:
    camera = {"id": "c1", "name": "东", "scene": "street", "place": {"area_code": "511724001"}, "state": "online"}
    told = {"node": "a", "cameras": [camera], "terminals": []}
    house.below.take(Report("r1", "gateway.inventory.v1", "a", "", 1, told), "a")
    answer, _ = await watch(http, house.bearer("near"), "a:c1")
    assert answer.status == 201
    assert answer.headers["Location"] == "/api/v1/cameras/a%3Ac1/whep/view-1"
    assert house.live.views["view-1"][0] == LowerFeed("feed-of-a-c1")
    assert house.uplinks.asked == [("a", "c1", "sub", "t-near", "a car on fire")]
    assert await lookings(house) == [("t-near", "cameras/a:c1", "a car on fire")]
    async with http.delete(answer.headers["Location"], headers=house.bearer("near")) as ended:
        assert ended.status == 200
    house.uplinks.broken = NotAllowed("closed there")
    answer, text = await watch(http, house.bearer("near"), "a:c1")
    assert (answer.status, "closed there" in text) == (403, True)
    assert (await watch(http, house.bearer("near"), "a:c2"))[0].status == 404


async def test_a_camera_that_is_taken_away_is_no_longer_a_household_of_anybodys(house, http) -> None:
    house.register.replace(type(house.register)([Camera("new", "新", Scene.STREET, Place())], ()))
    assert (await watch(http, house.bearer("operator")))[0].status == 404
    assert (await watch(http, house.bearer("operator"), "new"))[0].status == 201


async def test_an_open_console_keeps_the_live_process_ready(house, http) -> None:
    assert house.live.warmed == 0
    async with http.get("/api/v1/stream", headers=house.bearer("operator")) as answer:
        await answer.content.readline()
        assert house.live.warmed == 1
