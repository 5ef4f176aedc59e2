"""Every route that names an object × every role × whose object it is. Routes and objects are taken from the application's
own description, so that a new one fails here until it is said whose it is."""

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from gateway.alerts.register import Register
from gateway.model import Consent, utc_now

PASSWORD = "a long enough password"
NEAR, FAR = "511724001", "511725002"
ROLES = ("viewer", "operator", "maintainer", "admin")
OF_AN_AREA = frozenset({"alert_id", "camera_id", "terminal_id"})
WITHIN = frozenset({"snapshot_id", "clip_id", "verdict_id"})
"""Parts of an object of an area."""
OTHERWISE = frozenset(
    {"name", "run_id", "parcel_id", "handover_id", "login_id", "user_name", "token", "form", "work_id"}
)
"""Own preferences and logins; a test run shows each caller the terminals of its areas; what goes upward is the whole node's, as are
shifts; a table is confirmed by who showed it, row by row within its areas; planned work is no wider than the planner's. Each has its
tests."""
BODIES: dict[str, Any] = {
    "/alerts/{alert_id}/actions": {"action": "note", "comment": "x"},
    "/alerts/{alert_id}/export": {"reason": "公开", "items": [{"kind": "picture", "id": "none"}]},
    "/alerts/{alert_id}/hold": {"reason": "x"},
    "/cameras/{camera_id}": {"name": "东"},
    "/cameras/{camera_id}/ptz": {"stop": True},
    "/terminals/{terminal_id}": {"household": {"name": "王"}},
    "/terminals/{terminal_id}/replacement": {"id": "tv-0101"},
}
SDP = {"post": "application/sdp", "patch": "application/trickle-ice-sdpfrag"}
LOOKS = (("get", "/snapshot.jpg?reason=x"), ("post", "/ptz"), ("get", "/presets"))


async def routes(http: Any) -> list[tuple[str, str]]:
    """(method, path) of those that name an object of an area."""
    async with http.get("/api/v1/openapi.json") as answer:
        described = (await answer.json())["paths"]
    found = []
    for path, methods in described.items():
        template = path.removeprefix("/api/v1")
        names = set(re.findall(r"{(\w+)}", template))
        if names & OF_AN_AREA:
            assert names <= OF_AN_AREA | WITHIN | {"session_id"}, f"{template}: whose is that?"
            found += [(method, template) for method in methods]
        elif names:
            assert names <= OTHERWISE, f"{template}: whose is that?"
    assert len(found) > 15
    return found


def request_of(method: str, template: str) -> dict[str, Any]:
    if template.endswith(("/whep", "/whep/{session_id}")) and method in SDP:
        return {"data": "v=0\r\n", "headers": {"Content-Type": SDP[method]}, "params": {"reason": "x"}}
    body = {"json": BODIES.get(template, {})} if method in ("post", "put", "patch") else {}
    return {**body, "headers": {}, "params": {"reason": "x"} if template.endswith((".jpg", "/hold")) else {}}


async def status(http: Any, method: str, path: str, login: Any, **request: Any) -> int:
    headers = {**request.pop("headers", {}), **login}
    async with http.request(method, f"/api/v1{path}", headers=headers, **request) as answer:
        found: int = answer.status
        return found


async def record(house: Any) -> tuple[list[Any], int]:
    """What stands in the record, but for logins."""
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 500))
    entries = await house.ledger.read(lambda reader: reader.newest_feed())
    return [line for line in lines if line.action != "login"], entries


@pytest.mark.parametrize("role", ROLES)
async def test_another_areas_objects_are_not_there_and_asking_leaves_no_trace(house, http, log_in, role) -> None:
    far = await house.raise_alert("tv-0002", area=FAR)
    await house.picture_ready(far)
    await house.clip_ready(far)
    verdict = await house.verdict(camera="cam-far")
    house.accounts.add_user(f"{role}-near", role, PASSWORD, [NEAR])
    near, everywhere = await log_in(f"{role}-near"), await log_in(role)
    values = {"alert_id": far, "snapshot_id": "s1", "clip_id": "k1", "verdict_id": verdict.id, "camera_id": "cam-far", "terminal_id": "tv-0002", "session_id": "x"}  # fmt: skip
    before = await record(house)
    for method, template in await routes(http):
        if method == "options":
            continue
        path = template.format_map(values)
        what = f"{role} of another area: {method} {path}"
        found = await status(http, method, path, near, **request_of(method, template))
        assert found in (403, 404), f"{what} → {found}"
        assert (await status(http, method, path, {})) == 401, what
        if method == "get":  # the same 404 as for what nobody has, where the role may look at all
            other = template.format_map({key: "none" for key in values})
            assert found == await status(http, method, other, near, **request_of(method, template)), what
    assert await record(house) == before
    assert (house.registrar.asked, house.households.asked, house.devices.asked, house.diagnosis.asked) == (
        [],
        [],
        [],
        [],
    )
    for method, template in await routes(http):
        if method == "get" and "whep" not in template and "presets" not in template and "assessment" not in template:
            path = template.format_map(values)
            found = await status(http, method, path, everywhere, **request_of(method, template))
            assert found in (200, 403), f"{role} of all areas: {method} {path} → {found}"
            assert found == 200 or template.endswith("bundle.zip"), f"{role} of all areas: {path} → {found}"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "opened_by", ["nothing", "its own alarm", "a neighbour's alarm", "consent", "a consent that has ended"]
)
async def test_a_households_camera_is_open_to_nobody_without_its_alarm_or_consent(
    house, http, log_in, role, opened_by
) -> None:
    linked = [{"id": "cam-home", "name": "王家院子", "distance_m": 0, "snapshots": []}]
    today = utc_now().astimezone().date()
    if opened_by == "its own alarm":
        await house.raise_alert("tv-0001", cameras=linked)
    elif opened_by == "a neighbour's alarm":
        await house.raise_alert("tv-0002", cameras=linked)
    elif opened_by == "consent":
        agree(house, today, None)
    elif opened_by == "a consent that has ended":
        agree(house, today - timedelta(days=9), today - timedelta(days=1))
    is_open = opened_by in ("its own alarm", "consent")
    house.accounts.add_user(f"{role}-near", role, PASSWORD, [NEAR])
    login = await log_in(f"{role}-near")
    for method, path in LOOKS:
        may = role in ("operator", "admin") or path.startswith("/snapshot")
        body = {"json": {"stop": True}} if method == "post" else {}
        found = await status(http, method, f"/cameras/cam-home{path}", login, **body)
        expected = (200, 204) if may and is_open else (403,)
        assert found in expected, f"{role}, {opened_by}: {method} {path} → {found}"
    whep = await status(
        http, "post", "/cameras/cam-home/whep", login, **request_of("post", "/cameras/{camera_id}/whep")
    )
    assert (whep == 403) == (not is_open), f"{role}, {opened_by}: whep → {whep}"
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 500))
    looks = [line for line in lines if line.object == "cameras/cam-home"]
    assert bool(looks) == is_open
    assert all(("consent of 王大娘" in str(line.detail)) == (opened_by == "consent") for line in looks)


def agree(house: Any, given_on: date, until: date | None) -> None:
    consent = Consent("王大娘", given_on, until)
    cameras = [replace(each, consent=consent) for each in house.register.cameras()]
    house.register.replace(Register(cameras, house.register.terminals()))
