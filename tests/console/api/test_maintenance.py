"""Maintenance windows over the API: by those who look after the devices, within their areas; and outages as they stand."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.alerts.register import Register
from gateway.console.api.schemas.maintenance import CameraOutage, MaintenancePlan, MaintenanceWindow
from gateway.model import CameraHealth, CameraState

NEAR = "511724001"


def soon(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


@pytest.fixture
async def maintainer(log_in: Any) -> dict[str, str]:
    found: dict[str, str] = await log_in("maintainer")
    return found


@pytest.fixture
async def near(house: Any, http: Any) -> dict[str, str]:
    """A maintainer of one township."""
    password = "a long enough password"
    house.accounts.add_user("zhang", "maintainer", password, [NEAR])
    async with http.post("/api/v1/session", json={"username": "zhang", "password": password}) as answer:
        return {"Cookie": f"gateway_session={answer.cookies['gateway_session'].value}"}


def order(**changes: Any) -> dict[str, Any]:
    return {"name": "换交换机", "reason": "端口坏", "until": soon(hours=2), "cameras": ["cam-street"], **changes}


async def send(http: Any, method: str, path: str, headers: dict[str, str], **request: Any) -> tuple[int, Any]:
    async with http.request(method, f"/api/v1{path}", headers=headers, **request) as answer:
        return answer.status, None if answer.status == 204 else await answer.json()


async def get(http: Any, headers: dict[str, str]) -> Any:
    status, found = await send(http, "GET", "/maintenance", headers)
    assert status == 200
    MaintenancePlan.model_validate(found)
    return found


async def test_a_window_is_planned_changed_and_ended_with_a_line_each(house: Any, http: Any, maintainer: Any) -> None:
    status, made = await send(http, "POST", "/maintenance", maintainer, json=order(reason="  端口坏 "))
    assert status == 201
    MaintenanceWindow.model_validate(made)
    assert (made["state"], made["by"], made["reason"], made["count"]) == ("running", "maintainer", "端口坏", 1)
    assert made["ends_at"] == made["until"]
    plan = await get(http, house.bearer("viewer"))
    assert made in plan["items"]
    assert plan["covered"] == [{"id": "cam-street", "window": "换交换机: 端口坏", "until": made["until"]}]
    path, later = f"/maintenance/{made['id']}", soon(hours=4)
    status, changed = await send(http, "PATCH", path, maintainer, json={"until": later, "reason": "还没到货"})
    assert (status, changed["until"][:19]) == (200, later[:19])
    assert changed["reason"] == "端口坏"
    status, _ = await send(http, "DELETE", path, maintainer, params={"reason": "修好了"})
    assert status == 204
    plan = await get(http, maintainer)
    assert plan["covered"] == []
    assert [(each["id"], each["state"]) for each in plan["items"]] == [(None, "waiting"), (made["id"], "over")]
    assert (await send(http, "DELETE", path, maintainer, params={"reason": "又"}))[0] == 409
    assert (await send(http, "PATCH", path, maintainer, json={"reason": "又"}))[0] == 409
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 3))
    assert [(line.actor, line.action, line.object, line.reason) for line in lines] == [
        ("maintainer", "end_maintenance", path[1:], "修好了"),
        ("maintainer", "change_maintenance", path[1:], "还没到货"),
        ("maintainer", "plan_maintenance", path[1:], "端口坏"),
    ]


async def test_the_same_key_plans_once(house: Any, http: Any, maintainer: Any) -> None:
    headers, wanted = {**maintainer, "Idempotency-Key": "k1"}, order()
    first, twin = await asyncio.gather(*(send(http, "POST", "/maintenance", headers, json=wanted) for _ in range(2)))
    assert first[0] == 201
    assert twin == first
    assert await send(http, "POST", "/maintenance", headers, json=wanted) == first
    assert [each["id"] for each in (await get(http, maintainer))["items"] if each["id"]] == [first[1]["id"]]
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 50))
    assert [line.action for line in lines].count("plan_maintenance") == 1
    status, problem = await send(http, "POST", "/maintenance", headers, json={**wanted, "name": "另一件"})
    assert status == 422
    assert "Idempotency-Key" in problem["detail"]
    status, other = await send(http, "POST", "/maintenance", {**headers, "Idempotency-Key": "k2"}, json=wanted)
    assert status == 201
    assert other["id"] != first[1]["id"]


async def test_one_that_has_not_begun_is_dropped(house: Any, http: Any, maintainer: Any) -> None:
    _, made = await send(http, "POST", "/maintenance", maintainer, json=order(since=soon(hours=1)))
    assert (made["state"], made["ends_at"]) == ("waiting", None)
    assert (await get(http, maintainer))["covered"] == []
    assert (await send(http, "DELETE", f"/maintenance/{made['id']}", maintainer, params={"reason": "改期"}))[0] == 204
    assert made["id"] not in [each["id"] for each in (await get(http, maintainer))["items"]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": " "},
        {"name": ""},
        {"cameras": []},
        {"cameras": ["cam-gone"]},
        {"until": "2020-01-01T00:00:00Z"},
        {"until": "2999-01-01T00:00:00Z"},
        {"since": "2999-01-01T00:00:00Z"},
        {"between": "25:00-26:00"},
        {"scenes": ["moon"]},
        {"areas": ["x"]},
        {"days": ["holiday"]},
        {"whole_node": True},
    ],
)
async def test_what_makes_no_sense_is_refused(http: Any, maintainer: Any, wrong: dict[str, Any]) -> None:
    status, problem = await send(http, "POST", "/maintenance", maintainer, json=order(**wrong))
    assert (status, problem["status"]) == (422, 422)


async def test_a_reason_is_wanted_for_the_end_too(house: Any, http: Any, maintainer: Any) -> None:
    work = await house.planned_work()
    assert (await send(http, "DELETE", f"/maintenance/{work}", maintainer))[0] == 422
    assert (await send(http, "DELETE", "/maintenance/none", maintainer, params={"reason": "x"}))[0] == 404


async def test_windows_lie_within_ones_areas(house: Any, http: Any, near: Any) -> None:
    assert (await send(http, "POST", "/maintenance", near, json=order()))[0] == 201
    assert (await send(http, "POST", "/maintenance", near, json=order(cameras=[], areas=[NEAR + "002"])))[0] == 201
    for wider in (
        {"cameras": ["*"]},
        {"cameras": ["cam-?treet"]},
        {"cameras": [], "areas": ["511724"]},
        {"cameras": [], "hosts": ["10.0.0.5"]},
        {"cameras": [], "scenes": ["street"]},
    ):
        assert (await send(http, "POST", "/maintenance", near, json=order(**wider)))[0] == 403, wider
    assert (await send(http, "POST", "/maintenance", near, json=order(cameras=["cam-far"])))[0] == 422
    wide = await house.planned_work(cameras=("*",))
    far = await house.planned_work(cameras=("cam-far",))
    listed = [each["id"] for each in (await get(http, near))["items"]]
    assert wide in listed
    assert far not in listed
    for work, status in ((wide, 403), (far, 404)):
        assert (await send(http, "DELETE", f"/maintenance/{work}", near, params={"reason": "x"}))[0] == status
        assert (await send(http, "PATCH", f"/maintenance/{work}", near, json={"reason": "x"}))[0] == status
    covered = [each["id"] for each in (await get(http, near))["covered"]]
    assert covered == ["cam-street", "cam-home"]


def remove(house: Any, *gone: str) -> None:
    cameras = [each for each in house.register.cameras() if each.id not in gone]
    house.register.replace(Register(cameras, house.register.terminals()))


async def test_one_that_names_a_removed_camera_is_changed_and_ended_all_the_same(
    house: Any, http: Any, maintainer: Any, near: Any, log_in: Any
) -> None:
    """Else the outages of its other cameras would stay unsaid until its end, a year ahead."""
    _, made = await send(http, "POST", "/maintenance", near, json=order(cameras=["cam-street", "cam-home"]))
    both = await house.planned_work(cameras=("cam-street", "cam-far"))
    alone = await house.planned_work(cameras=("cam-home",))
    remove(house, "cam-home")
    path, later = f"/maintenance/{made['id']}", soon(hours=4)
    for who in (near, maintainer, await log_in("admin")):
        assert (await send(http, "PATCH", path, who, json={"until": later, "reason": "还没到货"}))[0] == 200
    assert (await send(http, "DELETE", path, near, params={"reason": "拆了"}))[0] == 204
    assert (await send(http, "DELETE", f"/maintenance/{both}", near, params={"reason": "x"}))[0] == 403, (
        "cam-far stands"
    )
    assert (await send(http, "DELETE", f"/maintenance/{alone}", near, params={"reason": "x"}))[0] == 404
    assert (await send(http, "DELETE", f"/maintenance/{alone}", maintainer, params={"reason": "拆了"}))[0] == 204
    remove(house, "cam-home", "cam-far")
    assert (await send(http, "DELETE", f"/maintenance/{both}", near, params={"reason": "x"}))[0] == 204
    assert (await send(http, "POST", "/maintenance", near, json=order(cameras=["cam-street", "cam-home"])))[0] == 422


async def test_those_of_the_configuration_are_shown(house: Any, http: Any) -> None:
    [shown] = (await get(http, house.bearer("viewer")))["items"]
    assert (shown["id"], shown["name"], shown["between"], shown["state"]) == (
        None,
        "夜间检修",
        "00:00-04:00",
        "waiting",
    )
    assert (await get(http, house.bearer("near")))["items"] == []


async def test_outages_are_told_with_their_cameras(house: Any, http: Any) -> None:
    now = datetime.now(UTC)
    for name in ("cam-street", "cam-home", "cam-far"):
        house.video.states[name] = CameraHealth(name, CameraState.OFFLINE, now)
    await house.outages.look()
    status, found = await send(http, "GET", "/outages", house.bearer("viewer"))
    assert status == 200
    [outage] = found["items"]
    CameraOutage.model_validate(outage)
    assert (outage["cause"], outage["lost"], outage["total"]) == ("upstream", 3, 3)
    assert [(each["id"], each["state"], each["back"]) for each in outage["cameras"]] == [
        ("cam-far", "offline", False),
        ("cam-home", "offline", False),
        ("cam-street", "offline", False),
    ]
    async with http.get(f"/api/v1/alerts/{outage['alert']}", headers=house.bearer("viewer")) as answer:
        alert = await answer.json()
    assert (alert["kind"], alert["detail"]["cause"]) == ("device_offline", "upstream")
    _, found = await send(http, "GET", "/outages", house.bearer("near"))
    assert [each["id"] for each in found["items"][0]["cameras"]] == ["cam-home", "cam-street"]
