"""Every route against every role. The routes are taken from the application, so that none can be forgotten."""

from datetime import UTC, datetime, timedelta
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
    ("get", "/sessions"): READ,
    ("delete", "/sessions/{login_id}"): READ,
    ("get", "/users"): {"admin"},
    ("post", "/users"): {"admin"},
    ("patch", "/users/{user_name}"): {"admin"},
    ("get", "/alerts"): READ,
    ("get", "/alerts/{alert_id}"): READ,
    ("post", "/alerts/{alert_id}/actions"): ACT,
    ("post", "/alerts/actions"): ACT,
    ("get", "/alerts/{alert_id}/snapshots/{snapshot_id}"): READ,
    ("get", "/alerts/{alert_id}/clips/{clip_id}.mp4"): READ,
    ("get", "/alerts/{alert_id}/bundle.zip"): ACT | AUDIT,
    ("post", "/alerts/{alert_id}/export"): ACT | AUDIT,
    ("get", "/maintenance"): READ,
    ("post", "/maintenance"): set(CONFIGURE),
    ("patch", "/maintenance/{work_id}"): set(CONFIGURE),
    ("delete", "/maintenance/{work_id}"): set(CONFIGURE),
    ("get", "/outages"): READ,
    ("get", "/tasks"): READ,
    ("get", "/figures"): READ,
    ("get", "/reports/figures"): READ,
    ("get", "/reports/figures.csv"): READ,
    ("get", "/reports/figures.xlsx"): READ,
    ("get", "/reports/figures/channels"): READ,
    ("get", "/reports/figures/outages"): READ,
    ("get", "/taxonomy"): READ,
    ("get", "/assessment"): READ,
    ("get", "/alerts/{alert_id}/assessment"): READ,
    ("get", "/cameras"): READ,
    ("get", "/cameras/{camera_id}"): READ,
    ("get", "/cameras/{camera_id}/snapshot.jpg"): READ,
    ("get", "/cameras/{camera_id}/diagnosis"): READ,
    ("post", "/cameras/{camera_id}/diagnosis"): ACT | {"maintainer"},
    ("get", "/cameras/{camera_id}/diagnosis/{verdict_id}.jpg"): READ,
    ("put", "/cameras/{camera_id}/reference"): {"maintainer", "admin"},
    ("delete", "/cameras/{camera_id}/reference"): {"maintainer", "admin"},
    ("post", "/cameras/import"): set(CONFIGURE),
    ("get", "/cameras/import/{token}/refused.{form}"): set(CONFIGURE),
    ("post", "/cameras/import/{token}"): set(CONFIGURE),
    ("get", "/cameras/export.{form}"): set(CONFIGURE),
    ("get", "/cameras/template.{form}"): set(CONFIGURE),
    ("post", "/terminals/import"): set(CONFIGURE),
    ("get", "/terminals/import/{token}/refused.{form}"): set(CONFIGURE),
    ("post", "/terminals/import/{token}"): set(CONFIGURE),
    ("get", "/terminals/export.{form}"): set(CONFIGURE),
    ("get", "/terminals/template.{form}"): set(CONFIGURE),
    ("options", "/cameras/{camera_id}/whep"): READ,
    ("post", "/cameras/{camera_id}/whep"): READ,
    ("patch", "/cameras/{camera_id}/whep/{session_id}"): READ,
    ("delete", "/cameras/{camera_id}/whep/{session_id}"): READ,
    ("get", "/cameras/{camera_id}/device"): READ,
    ("get", "/cameras/{camera_id}/presets"): ACT,
    ("post", "/cameras/{camera_id}/ptz"): ACT,
    ("get", "/devices"): READ,
    ("get", "/arming"): READ,
    ("put", "/arming"): ACT,
    ("get", "/terminals"): READ,
    ("get", "/terminals/{terminal_id}"): READ,
    ("get", "/nodes"): READ,
    ("get", "/console"): READ,
    ("get", "/handover"): READ,
    ("get", "/handovers"): READ,
    ("get", "/handovers/{handover_id}"): READ,
    ("post", "/handovers"): ACT,
    ("post", "/handovers/{handover_id}/take"): ACT,
    ("get", "/preferences"): READ,
    ("put", "/preferences/{name}"): READ,
    ("delete", "/preferences/{name}"): READ,
    ("get", "/audit"): AUDIT,
    ("get", "/audit/verify"): AUDIT,
    ("get", "/audit/viewings.{form}"): AUDIT,
    ("get", "/retention"): AUDIT,
    ("post", "/retention/run"): {"admin"},
    ("get", "/holds"): READ,
    ("post", "/alerts/{alert_id}/hold"): ACT,
    ("delete", "/alerts/{alert_id}/hold"): {"admin"},
    ("get", "/deliveries"): AUDIT,
    ("get", "/sinks"): AUDIT,
    ("post", "/deliveries/reconcile"): set(CONFIGURE),
    ("post", "/deliveries/{parcel_id}/resend"): set(CONFIGURE),
    ("delete", "/deliveries/{parcel_id}"): set(CONFIGURE),
    ("get", "/stream"): READ,
    ("post", "/reload"): set(CONFIGURE),
    ("post", "/discovery"): set(CONFIGURE),
    ("post", "/cameras"): set(CONFIGURE),
    ("patch", "/cameras/{camera_id}"): set(CONFIGURE),
    # the last of those that name it
    ("delete", "/cameras/{camera_id}"): set(CONFIGURE),
    ("post", "/terminals"): set(CONFIGURE),
    ("patch", "/terminals/{terminal_id}"): set(CONFIGURE),
    ("post", "/terminals/{terminal_id}/replacement"): set(CONFIGURE),
    ("get", "/test-runs"): READ,
    ("get", "/test-runs/{run_id}"): READ,
    ("post", "/test-runs"): ACT | CONFIGURE,
    ("post", "/test-runs/{run_id}/end"): ACT | CONFIGURE,
    # the last of those that name it
    ("delete", "/terminals/{terminal_id}"): set(CONFIGURE),
}
_SOON = (datetime.now(UTC) + timedelta(days=1)).isoformat()
BODIES: dict[str, dict[str, Any]] = {
    "/reload": {"yes": False},
    "/alerts/{alert_id}/hold": {"reason": "法院调取"},
    "/alerts/{alert_id}/export": {"reason": "公开", "items": [{"kind": "picture", "id": "none"}]},
    "/users": {"name": "wang", "role": "viewer"},
    "/users/{user_name}": {"areas": ["5117"]},
    "/handovers": {"to": "zhou", "since": "2026-01-01T00:00:00Z"},
    "/alerts/actions": {"ids": ["a"], "action": "acknowledge"},
    "/deliveries/reconcile": {},
    "/discovery": {"timeout": 1},
    "/cameras": {"rtsp": {"main": "rtsp://10.0.0.5/1"}},
    "/cameras/{camera_id}": {"name": "东"},
    "/cameras/{camera_id}/ptz": {"stop": True},
    "/terminals": {"id": "tv-0009"},
    "/terminals/{terminal_id}": {"household": {"name": "王"}},
    "/terminals/{terminal_id}/replacement": {"id": "tv-0101"},
    "/maintenance": {"name": "换交换机", "reason": "坏了", "until": _SOON, "cameras": ["*"]},
    "/maintenance/{work_id}": {"reason": "没修好", "name": "换交换机二"},
    "/test-runs": {"name": "三季度", "until": "2999-01-01T00:00:00Z"},
    "/arming": {"type": "camera", "id": "cam-street", "armed": False},
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
    values = {
        "alert_id": alert,
        "snapshot_id": "s1",
        "clip_id": "c",
        "camera_id": "cam-street",
        "verdict_id": (await house.verdict()).id,
        "terminal_id": "tv-0001",
        "run_id": await house.past_test_run(),
        "work_id": await house.planned_work(),
        "parcel_id": "1",
        "name": "views",
        "token": "preview-1",
        "form": "csv",
        "handover_id": house.handed_over(),
        "session_id": "view-1",
        "login_id": "none",
        "user_name": "viewer",
    }
    headers = await _headers(house, log_in, role)
    for (method, template), allowed in NEEDED.items():
        path = template.format_map(values)
        body = BODIES.get(template, {"action": "note", "comment": "x"})
        request: dict[str, Any] = {"json": body} if method in ("post", "put", "patch") else {}
        if path.endswith((".jpg", "/whep", "/hold")) or (method, template) == ("delete", "/maintenance/{work_id}"):
            request["params"] = {"reason": "a test"}
        if path == "/retention/run":
            request["params"] = {"clock_is_right": "true"}
        if "/whep" in path and "json" in request:
            kind = "application/sdp" if method == "post" else "application/trickle-ice-sdpfrag"
            request = {**request, "json": None, "data": "v=0", "headers": {"Content-Type": kind}}
        sent = {**headers, **request.pop("headers", {})}
        async with http.request(method, f"/api/v1{path}", headers=sent, **request) as answer:
            what = f"{role}: {method} {path} → {answer.status}"
            if role == "nobody":
                assert answer.status == 401, what
            elif role not in allowed:
                assert answer.status == 403, what
            else:
                assert answer.status in (200, 201, 204, 404, 501), what
                # a view belongs to the login that opened it, and a new one may be here already
                absent = path.endswith((".mp4", "/export")) or any(
                    each in path for each in ("/deliveries/", "/whep/", "/sessions/")
                )
                assert answer.status != 404 or absent, what
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
