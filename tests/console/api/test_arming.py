"""Arming over the API: by operators, within their areas."""

from typing import Any

import pytest

from gateway.console.api.arming import ArmingState


async def put(http: Any, house: Any, who: str = "operator", **body: Any) -> tuple[int, Any]:
    async with http.put("/api/v1/arming", headers=house.bearer(who), json=body) as answer:
        return answer.status, await answer.json()


async def get(http: Any, house: Any, who: str = "operator") -> Any:
    async with http.get("/api/v1/arming", headers=house.bearer(who)) as answer:
        assert answer.status == 200
        found = await answer.json()
    ArmingState.model_validate(found)
    return found


async def test_everything_is_armed_until_somebody_disarms_it(house: Any, http: Any) -> None:
    assert await get(http, house) == {"items": [], "next": None, "disarmed": []}
    status, state = await put(
        http, house, type="area", id="511724", armed=False, reason=" 村里办喜事 ", until="2099-01-01T00:00:00+08:00"
    )
    assert status == 200
    assert state == await get(http, house)
    assert state["disarmed"] == ["cam-home", "cam-street"]
    [setting] = state["items"]
    assert setting.pop("at").endswith("Z")
    assert setting == {
        "type": "area",
        "id": "511724",
        "armed": False,
        "by": "t-operator",
        "reason": "村里办喜事",
        "until": "2098-12-31T16:00:00.000Z",
    }
    async with http.get("/api/v1/cameras/cam-street/device", headers=house.bearer("viewer")) as answer:
        assert (await answer.json())["armed"] is False
    status, state = await put(http, house, type="area", id="511724", armed=None)
    assert (status, state["items"], state["disarmed"]) == (200, [], [])
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 10))
    assert [(line.actor, line.action, line.object) for line in lines] == [
        ("t-operator", "follow_schedule", "arming/area/511724"),
        ("t-operator", "disarm", "arming/area/511724"),
    ]


async def test_operators_arm_what_lies_within_their_areas(house: Any, http: Any) -> None:
    assert (await put(http, house, "near", type="camera", id="cam-street", armed=False))[0] == 200
    assert (await put(http, house, "near", type="area", id="511724001", armed=False))[0] == 200
    for wider in ({"type": "node"}, {"type": "scene", "id": "street"}, {"type": "area", "id": "511724"}):
        assert (await put(http, house, "near", armed=False, **wider))[0] == 403
    assert (await put(http, house, "near", type="camera", id="cam-far", armed=False))[0] == 404
    assert (await put(http, house, type="camera", id="cam-far", armed=False))[0] == 200
    assert (await put(http, house, type="node", armed=True))[0] == 200
    mine = await get(http, house, "near")
    assert [(item["type"], item["id"]) for item in mine["items"]] == [
        ("area", "511724001"),
        ("camera", "cam-street"),
        ("node", ""),
    ]
    assert mine["disarmed"] == ["cam-home", "cam-street"]


@pytest.mark.parametrize(
    "body",
    [
        {"type": "node", "id": "x", "armed": True},
        {"type": "scene", "id": "moon", "armed": True},
        {"type": "area", "id": "5x", "armed": True},
        {"type": "area", "armed": True},
        {"type": "node"},
        {"type": "node", "armed": None, "until": "2099-01-01T00:00:00Z"},
        {"type": "node", "armed": False, "until": "2001-01-01T00:00:00Z"},
        {"type": "node", "armed": False, "until": "2099-01-01T00:00:00"},
        {"type": "planet", "armed": True},
    ],
)
async def test_what_is_no_setting_is_refused(house: Any, http: Any, body: Any) -> None:
    assert (await put(http, house, **body))[0] == 422
    assert (await get(http, house))["items"] == []
