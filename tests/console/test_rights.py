"""Every route against every role. The routes are taken from the application, so that none can be forgotten."""

from typing import Any

import pytest

ROLES = ("viewer", "operator", "maintainer", "admin", "node", "nobody")
READ, ACT, CONFIGURE, AUDIT = (
    {"viewer", "operator", "maintainer", "admin"},
    {"operator", "admin"},
    {"maintainer", "admin"},
    {"maintainer", "admin"},
)
NEEDED: dict[tuple[str, str], set[str]] = {
    ("get", "/session"): READ,
    ("delete", "/session"): READ,
    ("get", "/alerts"): READ,
    ("get", "/alerts/{alert_id}"): READ,
    ("post", "/alerts/{alert_id}/actions"): ACT,
    ("get", "/alerts/{alert_id}/snapshots/{snapshot_id}"): READ,
    ("get", "/alerts/{alert_id}/clips/{clip}.mp4"): READ,
    ("get", "/cameras"): READ,
    ("get", "/cameras/{camera_id}"): READ,
    ("get", "/cameras/{camera_id}/snapshot.jpg"): READ,
    ("get", "/terminals"): READ,
    ("get", "/terminals/{terminal_id}"): READ,
    ("get", "/nodes"): READ,
    ("get", "/audit"): AUDIT,
    ("get", "/stream"): READ,
    # not described before they exist, but closed to those who will not have them
    ("post", "/cameras"): CONFIGURE,
    ("patch", "/cameras/{camera_id}"): CONFIGURE,
    ("delete", "/cameras/{camera_id}"): CONFIGURE,
    ("post", "/terminals"): CONFIGURE,
    ("patch", "/terminals/{terminal_id}"): CONFIGURE,
    ("delete", "/terminals/{terminal_id}"): CONFIGURE,
}


async def test_table_names_every_described_route(house, http) -> None:
    async with http.get("/api/v1/openapi.json") as answer:
        described = await answer.json()
    assert described["openapi"].startswith("3.1")
    operations = {
        (method, path.removeprefix("/api/v1")) for path, methods in described["paths"].items() for method in methods
    }
    assert operations - set(NEEDED) == {("post", "/session")}  # open to everybody
    assert set(NEEDED) - operations == {key for key, roles in NEEDED.items() if roles is CONFIGURE}


@pytest.mark.parametrize("role", ROLES)
async def test_every_route_lets_in_those_who_have_the_right_and_nobody_else(house, http, log_in, role) -> None:
    alert = await house.raise_alert()
    await house.picture_ready(alert)
    values = {"alert_id": alert, "snapshot_id": "s1", "clip": "c", "camera_id": "cam-street", "terminal_id": "tv-0001"}
    headers = await _headers(house, log_in, role)
    for (method, template), allowed in NEEDED.items():
        path = template.format_map(values)
        request: dict[str, Any] = {"json": {"action": "note", "comment": "x"}} if method == "post" else {}
        if path.endswith("snapshot.jpg"):
            request["params"] = {"reason": "a test"}
        async with http.request(method, f"/api/v1{path}", headers=headers, **request) as answer:
            what = f"{role}: {method} {path} → {answer.status}"
            if role == "nobody":
                assert answer.status == 401, what
            elif role not in allowed:
                assert answer.status == 403, what
            else:
                assert answer.status in (200, 204, 404, 501), what
                assert answer.status != 404 or path.endswith(".mp4"), what
                assert answer.status != 501 or allowed is CONFIGURE, what
            if answer.status >= 400:
                assert answer.content_type == "application/problem+json", what
                assert (await answer.json())["status"] == answer.status
        if answer.status == 204:
            headers = await _headers(house, log_in, role)


async def _headers(house, log_in, role):
    if role == "nobody":
        return {}
    return house.bearer("node") if role == "node" else await log_in(role)


async def test_areas_hide_what_lies_outside_as_if_it_were_not_there(house, http) -> None:
    near, far = await house.raise_alert("tv-0001"), await house.raise_alert("tv-0002", area="511725002")
    nowhere = await house.raise_alert("tv-9999", area=None)
    mine = house.bearer("near")

    async def status(method: str, path: str, **request: Any) -> int:
        async with http.request(method, f"/api/v1{path}", headers=mine, **request) as answer:
            return answer.status

    async def ids(path: str) -> list[str]:
        async with http.get(f"/api/v1{path}", headers=mine) as answer:
            return [item["id"] for item in (await answer.json())["items"]]

    assert await ids("/alerts") == [nowhere, near]  # a press from nowhere known is everybody's
    assert await ids("/cameras") == ["cam-home", "cam-street"]
    assert await ids("/terminals") == ["tv-0001"]
    assert await status("GET", f"/alerts/{near}") == 200
    assert await status("GET", f"/alerts/{nowhere}") == 200
    assert await status("GET", f"/alerts/{far}") == 404
    assert await status("POST", f"/alerts/{far}/actions", json={"action": "acknowledge"}) == 404
    assert await status("GET", f"/alerts/{far}/snapshots/s1") == 404
    assert await status("GET", f"/alerts/{far}/clips/c.mp4") == 404
    assert await status("GET", "/cameras/cam-far") == 404
    assert await status("GET", "/cameras/cam-far/snapshot.jpg?reason=x") == 404
    assert await status("GET", "/terminals/tv-0002") == 404
