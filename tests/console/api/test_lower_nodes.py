"""A county's lists: lower nodes, their cameras and terminals, for those whose areas hold them."""

from typing import Any

import pytest

from gateway.console.api import schemas, terminals
from gateway.errors import NotAllowed, Unreachable
from gateway.ports import Report

NEAR, FAR = "511724001", "511725002"
INVENTORY, HEALTH = "gateway.inventory.v1", "gateway.health.v1"


def take(house: Any, kind: str, node: str, sender: str | None = None, **data: Any) -> None:
    house.below.take(Report("r", kind, node, "0" * 64, 1, data), sender or node)


def tell(house: Any, node: str, area: str = NEAR, cameras: int = 3, terminals: int = 2, **more: Any) -> None:
    shown = [
        {"id": f"c{number:03}", "name": f"东{number}", "place": {"area_code": area}, "state": "online"}
        for number in range(cameras)
    ]
    people = [
        {"id": f"tv-{number:03}", "household": {"phone": "138"}, "place": {"area_code": area}, "state": "online"}
        for number in range(terminals)
    ]
    card = {"name": f"镇{node}", "level": "township", "area_code": area, "version": "5"}
    take(house, INVENTORY, node, cameras=shown, terminals=people, **card, **more)


async def get(http: Any, path: str, headers: Any) -> Any:
    async with http.get(f"/api/v1{path}", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def ids(http: Any, path: str, headers: Any) -> list[str]:
    return [item["id"] for item in (await get(http, path, headers))["items"]]


def silence(house: Any) -> None:
    for second in range(40):
        house.below.attendance.look(float(second), house.below._clock.now())
    house.below.changes += 1


async def test_the_list_of_cameras_holds_own_and_lower_ones_in_one_order(house, http) -> None:
    viewer = house.bearer("viewer")
    tell(house, "dam", cameras=2)
    tell(house, "ca", cameras=2)  # between cam-… and what stands before, by the order of the ids as they are shown
    page = await get(http, "/cameras?limit=500", viewer)
    schemas.Page[schemas.Camera].model_validate(page)
    shown = [item["id"] for item in page["items"]]
    assert shown == sorted(shown)
    assert shown == ["ca:c000", "ca:c001", "cam-far", "cam-home", "cam-street", "dam:c000", "dam:c001"]


@pytest.mark.parametrize("bite", [1, 2, 5, 500])
async def test_a_search_goes_through_all_terminals_in_bites(house, http, monkeypatch, bite) -> None:
    monkeypatch.setattr(terminals, "_BITE", bite)
    viewer = house.bearer("viewer")
    for node in ("dam", "ca"):
        tell(house, node, terminals=4)
    assert await ids(http, "/terminals?q=v-003", viewer) == ["ca:tv-003", "dam:tv-003"]
    everyone = await ids(http, "/terminals", viewer)
    assert len(everyone) == 2 + 8
    assert await ids(http, "/terminals?q=TV-0", viewer) == everyone
    page = await get(http, "/terminals?q=v-003&limit=1", viewer)
    assert [item["id"] for item in page["items"]] == ["ca:tv-003"]
    assert await ids(http, f"/terminals?q=v-003&limit=1&cursor={page['next']}", viewer) == ["dam:tv-003"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_pages_leave_nothing_out_and_double_nothing(house, http, limit) -> None:
    viewer = house.bearer("viewer")
    for node in ("dam", "dam-2", "ca"):
        tell(house, node, cameras=4, terminals=3)
    for path in ("/cameras", "/terminals"):
        found, cursor = [], ""
        while cursor is not None:
            page = await get(http, f"{path}?limit={limit}{cursor and '&cursor=' + cursor}", viewer)
            found += [item["id"] for item in page["items"]]
            cursor = page["next"]
        assert found == await ids(http, f"{path}?limit=500", viewer)
        assert found == sorted(set(found))
        assert len(found) == {"/cameras": 3 + 12, "/terminals": 2 + 9}[path]


async def test_a_viewers_areas_hold_for_lower_nodes(house, http) -> None:
    tell(house, "a", area=NEAR, cameras=1, terminals=1)
    tell(house, "b", area=FAR, cameras=1, terminals=1)
    near = house.bearer("near")
    assert await ids(http, "/cameras", near) == ["a:c000", "cam-home", "cam-street"]
    assert await ids(http, "/terminals", near) == ["a:tv-000", "tv-0001"]
    assert await ids(http, "/nodes", near) == ["zhuyang", "a"]
    for path in ("/cameras/b:c000", "/terminals/b:tv-000", "/cameras/b:c000/snapshot.jpg?reason=x"):
        async with http.get(f"/api/v1{path}", headers=near) as answer:
            assert answer.status == 404
    tell(house, "county", area="5117", cameras=1)
    [*_, county] = (await get(http, "/nodes", near))["items"]
    assert (county["id"], county["cameras"], county["figures"]) == ("county", None, None)


async def test_lists_by_node_and_by_state(house, http) -> None:
    viewer = house.bearer("viewer")
    tell(house, "a")
    tell(house, "b")
    take(house, HEALTH, "a", cameras=[{"id": "c001", "state": "offline", "reason": "no route"}])
    assert await ids(http, "/cameras?node=a", viewer) == ["a:c000", "a:c001", "a:c002"]
    assert await ids(http, "/cameras?node=a&state=offline", viewer) == ["a:c001"]
    assert await ids(http, "/cameras?node=zhuyang", viewer) == ["cam-far", "cam-home", "cam-street"]
    assert await ids(http, "/cameras?node=nobody", viewer) == []
    assert await ids(http, "/terminals?state=online", viewer) == ["a:tv-000", "a:tv-001", "b:tv-000", "b:tv-001"]
    async with http.get("/api/v1/cameras?state=broken", headers=viewer) as answer:
        assert answer.status == 422


async def test_one_of_a_lower_node_is_shown_and_looked_through(house, http) -> None:
    viewer = house.bearer("viewer")
    tell(house, "a")
    camera = await get(http, "/cameras/a:c001", viewer)
    schemas.Camera.model_validate(camera)
    assert (camera["id"], camera["name"], camera["state"]) == ("a:c001", "东1", "online")
    terminal = await get(http, "/terminals/a:tv-001", house.bearer("operator"))
    schemas.Terminal.model_validate(terminal)
    assert (terminal["id"], terminal["household"]["phone"]) == ("a:tv-001", "138")
    async with http.get("/api/v1/cameras/a:c001/snapshot.jpg?reason=look", headers=viewer) as answer:
        assert (answer.status, answer.content_type) == (200, "image/jpeg")
        assert (await answer.read()).endswith(b"below")
    assert house.uplinks.asked == [("a", "c001", "still", "t-viewer", "look")]
    async with http.get("/api/v1/cameras/a:c001/presets", headers=house.bearer("operator")) as answer:
        assert answer.status == 501
        assert "node a" in (await answer.json())["detail"]
    house.uplinks.broken = NotAllowed("A household's camera is closed.")
    async with http.get("/api/v1/cameras/a:c001/snapshot.jpg?reason=look", headers=viewer) as answer:
        assert (answer.status, (await answer.json())["detail"]) == (403, "A household's camera is closed.")
    house.uplinks.broken = Unreachable("a is not connected to this node now")
    async with http.get("/api/v1/cameras/a:c001/snapshot.jpg?reason=look", headers=viewer) as answer:
        assert (answer.status, "not connected" in (await answer.json())["detail"]) == (503, True)
    async with http.get("/api/v1/cameras/a:c999", headers=viewer) as answer:
        assert answer.status == 404


async def test_nodes_tell_who_is_heard_and_how_many_devices_stand(house, http) -> None:
    viewer = house.bearer("viewer")
    tell(house, "a")
    take(house, HEALTH, "a", figures={"alerts_open": 4})
    take(house, INVENTORY, "village", "a", name="村", parent="a", node_state="stopped")
    page = await get(http, "/nodes", viewer)
    schemas.Page[schemas.Node].model_validate(page)
    own, town, village = page["items"]
    assert (own["own"], own["cameras"]["total"], own["terminals"]["total"]) == (True, 3, 2)
    assert (town["state"], town["parent"], town["figures"]) == ("online", "zhuyang", {"alerts_open": 4})
    assert (town["cameras"]["online"], town["cameras"]["total"], town["terminals"]["online"]) == (3, 3, 2)
    assert (village["parent"], village["state"]) == ("a", "stopped")
    first = await get(http, "/nodes?limit=1", viewer)
    assert await ids(http, f"/nodes?limit=1&cursor={first['next']}", viewer) == ["a"]


async def test_what_a_silent_node_had_is_not_shown_as_if_it_were_well(house, http) -> None:
    viewer = house.bearer("viewer")
    tell(house, "a")
    silence(house)
    camera = await get(http, "/cameras/a:c001", viewer)
    assert (camera["state"], camera["reason"]) == ("offline", "its node a is silent; it was online when last heard of")
    assert (await get(http, "/terminals/a:tv-001", viewer))["state"] == "unknown"
    assert await ids(http, "/cameras?node=a&state=online", viewer) == []
    assert len(await ids(http, "/cameras?node=a&state=offline", viewer)) == 3
    [_, node] = (await get(http, "/nodes", viewer))["items"]
    assert node["state"] == "silent" and "power" in node["reason"]


async def test_the_stream_tells_of_nodes_at_once_and_of_their_devices_as_they_change(house, events) -> None:
    tell(house, "a")
    async with events(house.bearer("viewer")) as stream:
        node = await stream.next("node")
        assert (node.data["id"], node.data["state"], node.data["cameras"]["online"]) == ("a", "online", 3)
        take(
            house,
            HEALTH,
            "a",
            cameras=[{"id": "c001", "state": "offline"}],
            terminals=[{"id": "tv-001", "state": "offline"}],
        )
        camera = await next_of(stream, "camera", "a:")
        assert (camera["id"], camera["state"]) == ("a:c001", "offline")
        terminal = await next_of(stream, "terminal", "a:")
        assert (terminal["id"], terminal["state"]) == ("a:tv-001", "offline")
        silence(house)
        while (node := await stream.next("node")).data["state"] != "silent":
            assert node.data["cameras"]["online"] == 2


async def test_a_thousand_cameras_that_go_dark_together_are_one_event(house, events) -> None:
    tell(house, "a", cameras=1000)
    async with events(house.bearer("viewer")) as stream:
        before = (await stream.next("node")).data
        dark = [{"id": f"c{number:03}", "state": "offline"} for number in range(1000)]
        take(house, HEALTH, "a", cameras=dark)
        while (event := await stream.next("node", "camera")).event != "node" or event.data["cameras"]["online"]:
            assert not event.data["id"].startswith("a:")
        assert event.data["reload"] > before["reload"]
        take(house, HEALTH, "a", cameras=[{"id": "c001", "state": "online"}])
        assert (await next_of(stream, "camera", "a:"))["id"] == "a:c001"


async def test_the_stream_keeps_to_the_viewers_areas(house, events) -> None:
    tell(house, "far", area=FAR)
    tell(house, "near", area=NEAR)
    async with events(house.bearer("near")) as stream:
        assert (await stream.next("node")).data["id"] == "near"
        take(house, HEALTH, "far", cameras=[{"id": "c001", "state": "offline"}])
        take(house, HEALTH, "near", cameras=[{"id": "c001", "state": "offline"}])
        assert (await next_of(stream, "camera", ("far:", "near:")))["id"] == "near:c001"


async def next_of(stream: Any, event: str, prefix: Any) -> Any:
    while True:
        data = (await stream.next(event)).data
        if data["id"].startswith(prefix):
            return data
