"""A small peer that speaks the console's HTTP API as it is documented, for pages in a real browser."""

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from aiohttp import web

from gateway.console.edge import SECURITY_HEADERS, tile_hosts

API = "/api/v1"
PATIENCE_S = 30.0  # ends a hang; measures nothing
STEPS = {
    "acknowledge": (("new",), "acknowledged"),
    "dispatch": (("acknowledged",), "dispatched"),
    "arrive": (("dispatched",), "on_scene"),
    "close": (("new", "acknowledged", "dispatched", "on_scene"), "closed"),
    "reopen": (("closed", "cancelled"), "acknowledged"),
}


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def street(camera: str, offset_ms: int) -> bytes:
    """A drawn street with the offset written into it, 640×360, as JPEG."""
    picture = np.full((360, 640, 3), (92, 84, 78), np.uint8)
    cv2.rectangle(picture, (0, 0), (640, 150), (150, 138, 120), -1)
    for left, height in ((20, 120), (150, 90), (300, 130), (470, 100)):
        cv2.rectangle(picture, (left, 160 - height), (left + 110, 190), (70, 78, 96), -1)
    cv2.fillPoly(picture, [np.array([[0, 360], [250, 180], [390, 180], [640, 360]], np.int32)], (60, 60, 60))
    walker = 120 + (offset_ms + 5000) // 40
    cv2.circle(picture, (walker, 236), 9, (40, 60, 200), -1)
    cv2.rectangle(picture, (walker - 9, 246), (walker + 9, 290), (40, 60, 200), -1)
    cv2.putText(picture, f"{camera} {offset_ms:+d} ms", (16, 32), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2)
    return cv2.imencode(".jpg", picture)[1].tobytes()


def figure_report(first: datetime, last: datetime, by: str, *, empty: bool) -> dict[str, Any]:
    """Figures of a few cameras: one of them was down for ten hours, one area is below what is asked for."""
    hour = 3600

    def spent(online: int, down: int, intact: int, cameras: int, over: int) -> dict[str, Any]:
        due = online + down
        return {
            "cameras": cameras, "over": over, "online_rate": online / due if due else None,
            "intact_rate": intact / due if due else None, "online_s": online, "intact_s": intact, "down_s": down,
            "planned_s": 6 * hour if due else 0, "worked_on_s": 0, "off_s": 0, "unknown_s": 12 * hour if due else 0,
            "outages": 3 if down else 0,
        }  # fmt: skip

    whole = spent(0, 0, 0, 0, 0) if empty else spent(1430 * hour, 10 * hour, 1400 * hour, 2, 1)
    keys = {"area": ["511724001001", None], "scene": ["street", "rural"], "vendor": ["海康威视", None]}[by]
    one, other = spent(720 * hour, 0, 715 * hour, 1, 0), spent(710 * hour, 10 * hour, 685 * hour, 1, 1)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    stage = {
        "reached": 40,
        "p50_s": 4.2,
        "p90_s": 9.1,
        "max_s": 31.0,
        "in_time": 38,
        "late": 2,
        "waiting": 0,
        "in_time_share": 0.95,
    }
    alerts = {"alerts": 42, "ended": 40, "judged": 40, "false_alarms": 6, "false_alarm_share": 0.15,
              "stages": {name: stage for name in ("acknowledge", "dispatch", "arrive", "close")}}  # fmt: skip
    return {
        "from": first.date().isoformat(), "to": last.date().isoformat(), "timezone": "Asia/Shanghai", "area": None,
        "made_at": stamp(datetime.now(UTC)), "kept_at": None if empty else stamp(datetime.now(UTC)),
        "terms": {"down_over_s": 8 * hour, "online": 0.98, "intact": 0.98}, "cameras": whole, "by": by,
        "groups": [] if empty else [{"key": keys[0], **one}, {"key": keys[1], **other}],
        "trend": [{"from": day.date().isoformat(), "to": day.date().isoformat(),
                   **(spent(0, 0, 0, 0, 0) if empty or day.day == 5 else spent(47 * hour, day.day % 3 * hour, 46 * hour, 2, 0))}
                  for day in days],
        "over": {"total": 0, "items": []} if empty else {"total": 1, "items": [
            {"id": "cam-b", "name": "村委会门口", "area": "511724001001", "month": "2026-11", "down_s": 10 * hour, "outages": 3}]},
        "alerts": {**alerts, "complete": True, "by_severity": [], "by_kind": [{"key": "sos", **alerts}], "by_area": [], "by_node": []},
        "terminals": {"quarter": "2026Q4", "total": 2, "tested": 1, "tested_share": 0.5, "by_area": [],
                      "untested": [{"id": "tv-0002", "area": "511724001001", "address": "东风村三组 2 号"}]},
    }  # fmt: skip


OWN = {"id": "zhuyang", "name": "竹阳街道综治中心", "level": "township", "own": True}


@dataclass
class Desk:
    """The peer: one node's API in memory. ``say`` sends an event to every open stream; the rest is canned."""

    role: str = "operator"
    logged_in: bool = False
    alerts: dict[str, dict[str, Any]] = field(default_factory=dict)
    cameras: list[dict[str, Any]] = field(default_factory=list)
    terminals: list[dict[str, Any]] = field(default_factory=list)
    actions: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    diagnoses: dict[str, dict[str, Any]] = field(default_factory=dict)
    diagnosed: list[str] = field(default_factory=list)
    referenced: list[tuple[str, str]] = field(default_factory=list)
    stream_queries: list[dict[str, str]] = field(default_factory=list)
    refuse_stream: bool = False
    refuse_lists: bool = False
    refuse_preferences: bool = False  # to be read; what is written is taken
    refuse_log_out: bool = False
    lose_answers: bool = False  # actions are done and their answers cut off
    no_figures: bool = False  # nothing was recorded yet
    reports_asked: list[dict[str, str]] = field(default_factory=list)
    missing_pictures: set[str] = field(default_factory=set)
    devices: list[dict[str, Any]] = field(default_factory=list)
    presets: list[dict[str, str]] = field(default_factory=list)
    arming: list[dict[str, Any]] = field(default_factory=list)
    windows: list[dict[str, Any]] = field(default_factory=list)
    exported: list[dict[str, Any]] = field(default_factory=list)
    runs: int = 0
    planned: list[tuple[dict[str, Any], str]] = field(default_factory=list)  # (order, Idempotency-Key)
    covered: list[dict[str, Any]] = field(default_factory=list)  # cameras that may be down just now
    outages: list[dict[str, Any]] = field(default_factory=list)
    ended: list[tuple[str, str, str]] = field(default_factory=list)  # (verb, window, reason)
    turned: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    found: list[dict[str, Any]] = field(default_factory=list)
    channels: list[dict[str, str]] = field(default_factory=list)  # of the recorder that is enrolled; none: a camera
    enrolled: list[tuple[dict[str, Any], str]] = field(default_factory=list)  # (order, Idempotency-Key)
    own: dict[str, Any] = field(default_factory=lambda: dict(OWN))
    lower_nodes: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    sinks: list[dict[str, Any]] = field(default_factory=list)
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    audit: list[dict[str, Any]] = field(default_factory=list)
    chain_broken: dict[str, Any] | None = None
    compared: list[dict[str, Any]] = field(default_factory=list)
    sorted_out: list[tuple[str, int, str | None]] = field(default_factory=list)  # (resend | discard, parcel, reason)
    settings: dict[str, Any] = field(default_factory=lambda: {
        "map": {"tiles": None, "attribution": "", "max_zoom": 18, "crs": "wgs84", "center": None, "zoom": 14},
        "instructions": {}, "version": "0.5.0",
    })  # fmt: skip
    searched: list[list[str]] = field(default_factory=list)  # the ranges of each search
    changed: list[tuple[str, str, Any]] = field(default_factory=list)  # (method, path, order)
    trials: list[dict[str, Any]] = field(default_factory=list)
    looked: list[tuple[str, str]] = field(default_factory=list)  # (camera, reason)
    users: list[dict[str, Any]] = field(default_factory=list)
    logins: list[dict[str, Any]] = field(default_factory=list)
    preferences: dict[str, Any] = field(default_factory=dict)
    handovers: list[dict[str, Any]] = field(default_factory=list)  # newest first
    bulk: list[tuple[list[str], dict[str, Any], str]] = field(default_factory=list)  # (ids, act, Idempotency-Key)
    whep: Any = None  # what answers an offer: tests/peers/whep_sender.py; none: refused with ``whep_refusal``
    whep_refusal: tuple[int, str] = (503, "camera cam-a: no keyframe has come yet.")
    whep_asked: list[dict[str, str]] = field(default_factory=list)  # camera, reason, stream, session
    whep_ended: list[str] = field(default_factory=list)
    no_pictures: str = ""  # why there is no snapshot of any camera
    clips: dict[str, Path] = field(default_factory=dict)  # alert's id → the video of its first camera
    base: str = ""
    _streams: set[asyncio.Queue[bytes | None]] = field(default_factory=set)
    _position: int = 100
    _answered: dict[str, dict[str, Any]] = field(default_factory=dict)
    _loop: asyncio.AbstractEventLoop | None = None
    _dist: Path = Path()

    # ------------------------------------------------------------------ what a test does

    def press(self, name: str = "李秀英", **more: Any) -> dict[str, Any]:
        """Raise an alert with two cameras; it is in the list, and not yet said."""
        number = len(self.alerts) + 1
        now = datetime.now(UTC) - more.pop("ago", timedelta())
        alert_id = f"0199aaaa-0000-7000-8000-{number:012d}"
        alert: dict[str, Any] = {
            "id": alert_id, "node": "zhuyang", "kind": "sos", "severity": 1, "status": "actual", "workflow": "new",
            "condition": "active", "disposition": None, "assignee": None, "count": 1, "raised_at": stamp(now),
            "device_time": stamp(now - timedelta(milliseconds=120)), "received_at": stamp(now),
            "source": {"type": "terminal", "id": f"tv-{number:04d}", "name": name, "known": True},
            "place": {"lon": 107.20431, "lat": 30.73612, "address": f"竹阳街道东风村三组 {number} 号", "area_code": "511724001001"},
            "title": f"紧急求助: {name}", "detail": {"press_ids": [f"p{number}"], "household": {"name": name, "phone": f"1380013800{number}", "address": None}},
            "cameras": [self._linked(alert_id, "十字口东", "cam-a", 35, now), self._linked(alert_id, "村委会门口", "cam-b", 210, now)],
            "receipts": {"received_at": stamp(now), "forwarded": [], "accepted_at": None},
            "entries": [self.entry(1, now, f"terminal/tv-{number:04d}", "raised", None)], "version": 1,
        }  # fmt: skip
        alert.update(more)
        self.alerts[alert_id] = alert
        return alert

    def take_pictures(self, alert: dict[str, Any]) -> None:
        """The pictures come: all but the last of the second camera, which fails."""
        raised = datetime.fromisoformat(alert["raised_at"])
        for camera in alert["cameras"]:
            for snapshot in camera["snapshots"]:
                offset = snapshot["wanted_ms"] + (
                    280 if snapshot["wanted_ms"] < 0 else -40 if snapshot["wanted_ms"] == 0 else 310
                )
                if camera["id"] == "cam-b" and snapshot["wanted_ms"] == 10000:
                    snapshot.update(state="failed", reason="摄像头在 10 秒内没有送来画面")
                    continue
                url = f"{API}/alerts/{alert['id']}/snapshots/{snapshot['id']}"
                snapshot.update(
                    state="ready", offset_ms=offset, url=url, sha256="0" * 64, width=640, height=360,
                    taken_at=stamp(raised + timedelta(milliseconds=offset)),
                )  # fmt: skip
        alert["receipts"]["forwarded"] = [
            {"sink": "county", "at": stamp(raised + timedelta(milliseconds=60)), "seq": 17}
        ]
        alert["entries"].append(self.entry(2, raised + timedelta(seconds=1), "gateway", "picture", None))
        alert["version"] += 1

    def change(self, alert_id: str, action: str, actor: str, comment: str | None = None) -> None:
        """An operator's step, done by somebody."""
        alert = self.alerts[alert_id]
        if action in STEPS:
            alert["workflow"] = STEPS[action][1]
        if action == "acknowledge":
            alert["receipts"]["accepted_at"] = stamp(datetime.now(UTC))
        alert["entries"].append(self.entry(len(alert["entries"]) + 1, datetime.now(UTC), actor, action, comment))
        alert["version"] += 1

    def say(self, event: str, data: dict[str, Any]) -> None:
        """Send one event to every open stream."""
        self._position += 1
        shown = {key: value for key, value in data.items() if key != "entries"} if event == "alert" else data
        head = f"event: {event}\n" + (f"id: {self._position}\n" if event == "alert" else "")
        self._send(f"{head}data: {json.dumps(shown)}\n\n".encode())

    def cut_streams(self) -> None:
        """End every open stream, as a restart of the node does."""
        self._send(None)

    def streams(self) -> int:
        return len(self._streams)

    def _send(self, chunk: bytes | None) -> None:
        assert self._loop is not None

        def put() -> None:
            for stream in self._streams:
                stream.put_nowait(chunk)

        self._loop.call_soon_threadsafe(put)

    # ------------------------------------------------------------------ JSON

    def _linked(self, alert_id: str, name: str, camera: str, metres: int, now: datetime) -> dict[str, Any]:
        return {
            "id": camera, "name": name, "distance_m": metres,
            "snapshots": [
                {"id": f"{camera}_{wanted}", "wanted_ms": wanted, "offset_ms": None, "taken_at": None, "state": "pending",
                 "reason": None, "url": None, "sha256": None, "width": None, "height": None, "press": 1}
                for wanted in (-5000, 0, 3000, 10000)
            ],
            "clip": {"state": "none", "reason": None, "url": None},
        }  # fmt: skip

    def entry(self, number: int, at: datetime, actor: str, action: str, comment: str | None) -> dict[str, Any]:
        entry_id = f"0199bbbb-0000-7000-8000-{number:012d}"
        return {
            "id": entry_id,
            "at": stamp(at),
            "node": "zhuyang",
            "actor": actor,
            "action": action,
            "comment": comment,
        }

    # ------------------------------------------------------------------ HTTP

    def application(self, dist: Path) -> web.Application:
        self._dist = dist
        app = web.Application(middlewares=[self._guard])
        app.add_routes([
            web.get(f"{API}/session", self._who), web.post(f"{API}/session", self._log_in), web.delete(f"{API}/session", self._log_out),
            web.get(f"{API}/sessions", self._page_of(lambda: self.logins)), web.delete(f"{API}/sessions/{{id}}", self._end_login),
            web.get(f"{API}/users", self._page_of(lambda: self.users)), web.post(f"{API}/users", self._user), web.patch(f"{API}/users/{{name}}", self._user),
            web.get(f"{API}/alerts", self._list), web.get(f"{API}/alerts/{{id}}", self._one),
            web.post(f"{API}/alerts/actions", self._act_on_many), web.post(f"{API}/alerts/{{id}}/actions", self._act), web.get(f"{API}/alerts/{{id}}/snapshots/{{snapshot}}", self._picture),
            web.get(f"{API}/alerts/{{id}}/clips/{{clip}}.mp4", self._clip),
            web.get(f"{API}/cameras", self._page_of(lambda: self.cameras)), web.get(f"{API}/terminals", self._page_of(lambda: self.terminals)),
            web.get(f"{API}/cameras/{{id}}/snapshot.jpg", self._look), web.post(f"{API}/cameras/{{id}}/ptz", self._turn),
            web.get(f"{API}/cameras/{{id}}/diagnosis", self._diagnosis), web.post(f"{API}/cameras/{{id}}/diagnosis", self._diagnosis),
            web.get(f"{API}/cameras/{{id}}/diagnosis/{{verdict}}.jpg", self._evidence),
            web.put(f"{API}/cameras/{{id}}/reference", self._reference), web.delete(f"{API}/cameras/{{id}}/reference", self._reference),
            web.get(f"{API}/cameras/{{id}}/presets", self._page_of(lambda: self.presets)), web.get(f"{API}/devices", self._page_of(lambda: self.devices)),
            web.post(f"{API}/discovery", self._discover), web.post(f"{API}/cameras", self._enrol),
            web.get(f"{API}/arming", self._arming), web.put(f"{API}/arming", self._arm),
            web.get(f"{API}/maintenance", self._plan), web.post(f"{API}/maintenance", self._plan), web.get(f"{API}/outages", self._page_of(lambda: self.outages)),
            web.patch(f"{API}/maintenance/{{id}}", self._window), web.delete(f"{API}/maintenance/{{id}}", self._window),
            web.get(f"{API}/terminals/{{id}}", self._terminal), web.post(f"{API}/terminals", self._change),
            web.patch(f"{API}/{{room:cameras|terminals}}/{{id}}", self._change), web.delete(f"{API}/{{room:cameras|terminals}}/{{id}}", self._change),
            web.post(f"{API}/terminals/{{id}}/replacement", self._change), web.post(f"{API}/reload", self._change),
            web.get(f"{API}/test-runs", self._page_of(lambda: self.trials)), web.post(f"{API}/test-runs", self._try),
            web.get(f"{API}/test-runs/{{id}}", self._trial), web.post(f"{API}/test-runs/{{id}}/end", self._trial),
            web.get(f"{API}/nodes", self._page_of(lambda: [self.own, *self.lower_nodes])),
            web.get(f"{API}/tasks", self._page_of(lambda: self.tasks)), web.get(f"{API}/sinks", self._page_of(lambda: self.sinks)),
            web.get(f"{API}/audit", self._audit), web.get(f"{API}/audit/verify", self._verify),
            web.get(f"{API}/deliveries", self._deliveries), web.post(f"{API}/deliveries/reconcile", self._reconcile),
            web.post(f"{API}/deliveries/{{id}}/resend", self._sort_out), web.delete(f"{API}/deliveries/{{id}}", self._sort_out),
            web.post(f"{API}/cameras/{{id}}/whep", self._whep), web.delete(f"{API}/cameras/{{id}}/whep/{{session}}", self._whep_end),
            web.get(f"{API}/handover", self._shift), web.get(f"{API}/handovers", self._page_of(lambda: self.handovers)),
            web.post(f"{API}/handovers", self._hand_over), web.get(f"{API}/handovers/{{id}}", self._handover),
            web.post(f"{API}/handovers/{{id}}/take", self._handover),
            web.get(f"{API}/preferences", self._preferences), web.put(f"{API}/preferences/{{name}}", self._prefer),
            web.delete(f"{API}/preferences/{{name}}", self._prefer),
            web.get(f"{API}/stream", self._stream), web.get(f"{API}/console", self._settings),
            web.get(f"{API}/retention", self._retention), web.post(f"{API}/retention/run", self._retention), web.get(f"{API}/holds", self._page_of(self._held)),
            web.post(f"{API}/alerts/{{id}}/hold", self._hold), web.delete(f"{API}/alerts/{{id}}/hold", self._hold), web.post(f"{API}/alerts/{{id}}/export", self._export),
            web.get(f"{API}/figures", self._figures),
            web.get(f"{API}/reports/figures", self._figure_report),
            web.get(f"{API}/reports/figures/outages", self._outage_list),
            web.get("/", self._index),
            web.static("/", dist),
        ])  # fmt: skip
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.startswith(API) and request.path != f"{API}/session" and not self.logged_in:
            return problem(401, "Nobody is logged in.")
        response: web.StreamResponse = await handler(request)
        if not response.prepared:
            response.headers.update(self._headers())
        return response

    def _headers(self) -> dict[str, str]:
        hosts = "".join(f" {host}" for host in tile_hosts(self.settings["map"]["tiles"]))
        policy = SECURITY_HEADERS["Content-Security-Policy"].replace("blob: data:;", f"blob: data:{hosts};")
        return {**SECURITY_HEADERS, "Content-Security-Policy": policy}

    async def _settings(self, request: web.Request) -> web.Response:
        return web.json_response(self.settings)

    async def _index(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(self._dist / "index.html")

    async def _who(self, request: web.Request) -> web.Response:
        return web.json_response(self._session()) if self.logged_in else problem(401, "Nobody is logged in.")

    async def _log_in(self, request: web.Request) -> web.Response:
        given = await request.json()
        if given["password"] != "a long enough password":
            return problem(401, "The user name or the password is wrong.")
        self.logged_in = True
        return web.json_response(self._session())

    async def _log_out(self, request: web.Request) -> web.Response:
        if self.refuse_log_out:
            return problem(503, "The accounts cannot be used just now.")
        self.logged_in = False
        return web.Response(status=204)

    def _session(self) -> dict[str, Any]:
        return {"user": "wangfang", "role": self.role, "areas": [], "expires_at": None}

    async def _list(self, request: web.Request) -> web.Response:
        if self.refuse_lists:
            return problem(503, "The ledger cannot be read just now.")
        wanted = set(request.query["workflow"].split(",")) if "workflow" in request.query else None
        words = request.query.get("q", "")
        found = [
            {key: value for key, value in alert.items() if key != "entries"}
            for alert in sorted(self.alerts.values(), key=lambda alert: alert["raised_at"], reverse=True)
            if (wanted is None or alert["workflow"] in wanted) and words in alert["title"]
        ]
        start, limit = int(request.query.get("cursor", "0")), int(request.query.get("limit", "50"))
        following = str(start + limit) if start + limit < len(found) else None
        return web.json_response({"items": found[start : start + limit], "next": following})

    async def _one(self, request: web.Request) -> web.Response:
        alert = self.alerts.get(request.match_info["id"])
        return problem(404, "There is no such alert here.") if alert is None else web.json_response(alert)

    async def _act(self, request: web.Request) -> web.Response:
        alert_id, wanted, key = request.match_info["id"], await request.json(), request.headers["Idempotency-Key"]
        self.actions.append((alert_id, wanted, key))
        if key not in self._answered:
            refusal = self._do(alert_id, wanted, key)
            if refusal is not None:
                return refusal
        if self.lose_answers:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(self._answered[key])

    async def _act_on_many(self, request: web.Request) -> web.Response:
        wanted, key = await request.json(), request.headers["Idempotency-Key"]
        ids = wanted.pop("ids")
        self.bulk.append((ids, wanted, key))
        items = []
        for alert_id in ids:
            alert = self.alerts[alert_id]
            press = alert["source"]["type"] == "terminal"
            shelved = wanted["action"] == "shelve" and press
            refusal = None if shelved else self._do(alert_id, wanted, f"{key}/{alert_id}")
            reason = "a press is never shelved" if shelved else None
            if refusal is not None:
                reason = json.loads(refusal.body)["detail"]  # type: ignore[arg-type]
            items.append({"id": alert_id, "ok": reason is None, "reason": reason, "workflow": alert["workflow"]})
        return web.json_response({"items": items})

    def _do(self, alert_id: str, wanted: dict[str, Any], key: str) -> web.Response | None:
        alert = self.alerts[alert_id]
        action = wanted["action"]
        if action in STEPS and alert["workflow"] not in STEPS[action][0]:
            return problem(
                409, f"The alert is {alert['workflow']}; {action} is not allowed.", workflow=alert["workflow"]
            )
        if "callback" in wanted:
            alert["detail"]["callback"] = {
                "outcome": wanted["callback"],
                "at": stamp(datetime.now(UTC)),
                "by": "wangfang",
            }
            self.tasks = [task for task in self.tasks if task["object"] != f"alerts/{alert_id}"]
        if action == "close":
            alert["disposition"] = wanted["disposition"]
        if action == "shelve":
            alert["detail"]["shelved"] = {
                "until": wanted["until"],
                "reason": wanted.get("comment"),
                "by": "wangfang",
            }
        if action == "unshelve":
            alert["detail"].pop("shelved", None)
        if action == "assign" and "assignee" in wanted:
            alert["assignee"] = wanted["assignee"]
        self.change(alert_id, action, "wangfang", wanted.get("comment"))
        told = ("disposition", "assignee", "department", "until", "callback", "to")
        alert["entries"][-1]["data"] = {key: wanted[key] for key in told if key in wanted}
        self._answered[key] = json.loads(json.dumps(alert))
        self.say("alert", alert)
        return None

    async def _figure_report(self, request: web.Request) -> web.Response:
        self.reports_asked.append(dict(request.query))
        first, last = (datetime.fromisoformat(request.query[name]) for name in ("from", "to"))
        return web.json_response(figure_report(first, last, request.query.get("by", "area"), empty=self.no_figures))

    async def _outage_list(self, request: web.Request) -> web.Response:
        line = {"camera": "cam-b", "name": "村委会门口", "area": "511724001001", "began_at": "2026-11-03T01:00:00.000Z",
                "ended_at": None, "down_s": 36000, "planned_s": 0, "reason": "no answer within 10 s"}  # fmt: skip
        if request.query.get("cursor") == "second":
            ended = {**line, "began_at": "2026-11-01T01:00:00.000Z", "ended_at": "2026-11-01T02:00:00.000Z"}
            return web.json_response({"items": [{**ended, "down_s": 3600, "planned_s": 1800}], "next": None})
        return web.json_response({"items": [line], "next": "second"})

    async def _figures(self, request: web.Request) -> web.Response:
        alerts = [alert for alert in list(self.alerts.values()) if alert["status"] == "actual"]
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        hours = [
            {"start": stamp(now - timedelta(hours=ago)), "alerts": (ago * 7) % 5, "severe": ago % 2}
            for ago in range(24, -1, -1)
        ]
        stages = {
            "acknowledge": {"done": 12, "late": 1, "waiting": 1, "p50_s": 5.2, "p90_s": 9.1, "limit_s": 10.0},
            "dispatch": {"done": 9, "late": 2, "waiting": 0, "p50_s": 41.0, "p90_s": 75.0, "limit_s": 60.0},
        }
        return web.json_response(
            {"since": request.query.get("since", stamp(now)), "until": stamp(datetime.now(UTC)), "alerts": len(alerts),
             "complete": True, "by_severity": {"1": len(alerts), "2": 0, "3": 0, "4": 0}, "closed": 3, "false_alarms": 1,
             "hours": hours, "stages": stages}
        )  # fmt: skip

    async def _picture(self, request: web.Request) -> web.Response:
        snapshot = request.match_info["snapshot"]
        if snapshot in self.missing_pictures:
            return problem(404, "This picture has not come from its node yet.")
        camera, offset = snapshot.split("_")
        return web.Response(body=street(camera, int(offset)), content_type="image/jpeg")

    async def _clip(self, request: web.Request) -> web.StreamResponse:
        path = self.clips.get(request.match_info["id"])
        return problem(404, "There is no such clip here.") if path is None else web.FileResponse(path)

    def _page_of(self, items: Callable[[], list[dict[str, Any]]]) -> Any:
        async def handler(request: web.Request) -> web.Response:
            node = request.query.get("node")
            found = [each for each in items() if node is None or each["id"].startswith(f"{node}:")]
            return web.json_response({"items": found, "next": None})

        return handler

    async def _retention(self, request: web.Request) -> web.Response:
        self.runs += request.method == "POST"
        run = {
            "id": "r1",
            "at": stamp(datetime.now(UTC)),
            "by": "gateway",
            "deleted": {"pictures": 12, "alerts": 3},
            "bytes": 5 << 20,
            "kept": {"open": 2, "held": 1},
            "digest": "ab" * 32,
            "fault": None,
        }
        kinds = [
            ("pictures", 90, 30),
            ("clips", 90, 30),
            ("evidence", 90, 30),
            ("alerts", 1096, 30),
            ("audit", 1096, 180),
            ("figures", 1827, 1),
            ("logins", 366, 180),
        ]
        told = [
            {
                "kind": kind,
                "days": days,
                "floor": floor,
                "oldest": stamp(datetime.now(UTC)),
                "count": 40,
                "bytes": 3 << 30 if kind == "clips" else None,
            }
            for kind, days, floor in kinds
        ]
        shown = {
            "kinds": told,
            "last": run,
            "next_at": stamp(datetime.now(UTC)),
            "waits": None,
            "short": None,
            "below_the_law": False,
            "held": 1,
        }
        return web.json_response(run if request.method == "POST" else shown)

    def _held(self) -> list[dict[str, Any]]:
        return [
            {
                "alert": each["id"],
                "node": each["node"],
                "title": each["title"],
                "raised_at": each["raised_at"],
                "workflow": each["workflow"],
                "held_at": each["detail"]["held"]["at"],
                "held_by": each["detail"]["held"]["by"],
                "reason": each["detail"]["held"]["reason"],
                "id": each["id"],
            }
            for each in list(self.alerts.values())
            if "held" in each["detail"]
        ]

    async def _hold(self, request: web.Request) -> web.Response:
        alert = self.alerts[request.match_info["id"]]
        if ("held" in alert["detail"]) is (request.method == "POST"):
            return problem(409, f"The alert is {'held already' if request.method == 'POST' else 'not held'}.")
        if request.method == "POST":
            alert["detail"]["held"] = {
                "at": stamp(datetime.now(UTC)),
                "by": "wangfang",
                "node": alert["node"],
                "reason": (await request.json())["reason"],
            }
        else:
            assert request.query["reason"]
            del alert["detail"]["held"]
        alert["version"] += 1
        return web.json_response(alert)

    async def _export(self, request: web.Request) -> web.Response:
        self.exported.append(await request.json())
        return web.Response(body=b"PK\x05\x06" + bytes(18), content_type="application/zip")

    async def _audit(self, request: web.Request) -> web.Response:
        wanted = request.query
        items = [
            line for line in self.audit
            if wanted.get("actor", line["actor"]) == line["actor"] and wanted.get("action", line["action"]) == line["action"]
            and (line["object"] + "/").startswith(wanted.get("object", "") + "/" * ("object" in wanted))
        ]  # fmt: skip
        start = int(wanted.get("cursor", "0"))
        following = str(start + 50) if len(items) > start + 50 else None
        return web.json_response({"items": items[start : start + 50], "next": following})

    async def _verify(self, _: web.Request) -> web.Response:
        broken = self.chain_broken
        return web.json_response({"ok": broken is None, "checked": 1234, "newest": "0" * 64, "first_broken": broken})

    async def _deliveries(self, request: web.Request) -> web.Response:
        parked = request.query.get("parked") == "true"
        items = [each for each in self.deliveries if each["parked"] == parked]
        return web.json_response({"items": items, "next": None, "reconciliation": self.compared})

    async def _sort_out(self, request: web.Request) -> web.Response:
        parcel = int(request.match_info["id"])
        self.sorted_out.append(
            ("discard" if request.method == "DELETE" else "resend", parcel, request.query.get("reason"))
        )
        self.deliveries = [each for each in self.deliveries if each["id"] != parcel]
        return web.Response(status=204)

    async def _reconcile(self, request: web.Request) -> web.Response:
        self.compared = [
            {"sink": "county", "at": stamp(datetime.now(UTC)), "since": None, "until": None, "compared": 120, "missing": 2,
             "gaps": [], "extra": 0, "fault": None}
        ]  # fmt: skip
        return web.json_response({"items": self.compared})

    def shift_report(self) -> dict[str, Any]:
        """What the service says of a shift: of the alerts that are here."""
        lines = [
            {"id": each["id"], "kind": each["kind"], "severity": each["severity"], "status": each["status"], "workflow": each["workflow"],
             "assignee": each["assignee"], "raised_at": each["raised_at"], "who": each["source"]["name"], "where": each["place"]["address"],
             "title": each["title"]}
            for each in list(self.alerts.values())
        ]  # fmt: skip
        now = datetime.now(UTC)
        return {
            "since": stamp(now - timedelta(hours=8)), "until": stamp(now), "whole": True,
            "counts": {"raised": len(lines), "exercises": 0, "by_severity": {"1": len(lines)}, "by_kind": {"sos": len(lines)}, "acknowledged": 0,
                       "dispatched": 0, "closed": 0, "by_disposition": {}, "cancelled": 0, "escalated": 0, "open": len(lines)},
            "open": lines, "missed": [{**line, "step": "acknowledge", "due": stamp(now), "done": None} for line in lines[:1]],
            "notes": [], "tasks": [], "silent_nodes": [],
        }  # fmt: skip

    async def _shift(self, request: web.Request) -> web.Response:
        return web.json_response(self.shift_report())

    async def _hand_over(self, request: web.Request) -> web.Response:
        given = await request.json()
        made = {
            "id": len(self.handovers) + 1, "given_by": "wangfang", "to": given["to"], "given_at": stamp(datetime.now(UTC)), "since": given["since"],
            "notes": given["notes"], "taken_by": None, "taken_at": None, "report": self.shift_report(),
        }  # fmt: skip
        self.handovers.insert(0, made)
        return web.json_response(made, status=201)

    async def _handover(self, request: web.Request) -> web.Response:
        found = next(each for each in self.handovers if str(each["id"]) == request.match_info["id"])
        if request.method == "POST":
            found.update(taken_by="wangfang", taken_at=stamp(datetime.now(UTC)))
        return web.json_response(found)

    async def _end_login(self, request: web.Request) -> web.Response:
        self.logins = [each for each in self.logins if each["id"] != request.match_info["id"]]
        return web.Response(status=204)

    async def _user(self, request: web.Request) -> web.Response:
        order = await request.json()
        self.changed.append((request.method, request.path.removeprefix(f"{API}/"), dict(order)))
        password = "abcd-efgh-jkmn-pqrs" if request.method == "POST" or order.pop("new_password", False) else None
        if request.method == "POST":
            if any(each["name"] == order["name"] for each in self.users):
                return problem(409, f"There is a user {order['name']} already: choose another name.")
            self.users.append({**order, "disabled": False, "created_at": stamp(datetime.now(UTC))})
        found = next(each for each in self.users if each["name"] == request.match_info.get("name", order.get("name")))
        found.update(order)
        return web.json_response({**found, "password": password}, status=201 if request.method == "POST" else 200)

    async def _preferences(self, request: web.Request) -> web.Response:
        if self.refuse_preferences:
            return problem(503, "The preferences cannot be read just now.")
        return web.json_response({"items": self.preferences})

    async def _prefer(self, request: web.Request) -> web.Response:
        if request.method == "PUT":
            self.preferences[request.match_info["name"]] = await request.json()
        else:
            self.preferences.pop(request.match_info["name"], None)
        return web.Response(status=204)

    async def _terminal(self, request: web.Request) -> web.Response:
        wanted = request.match_info["id"]
        found = next((terminal for terminal in self.terminals if terminal["id"] == wanted), None)
        return problem(404, "There is no such terminal here.") if found is None else web.json_response(found)

    async def _look(self, request: web.Request) -> web.Response:
        camera = request.match_info["id"]
        self.looked.append((camera, request.query["reason"]))
        if self.no_pictures:
            return problem(503, self.no_pictures)
        return web.Response(body=street(camera, len(self.looked) * 1000), content_type="image/jpeg")

    async def _diagnosis(self, request: web.Request) -> web.Response:
        camera = request.match_info["id"]
        told = {"at": stamp(datetime.now(UTC)), "night": False, "found": [], "trouble": None}
        if request.method == "POST":
            self.diagnosed.append(camera)
            return web.json_response({**told, "standing": []})
        usual = {
            "id": camera, "enabled": True, "every_s": 120.0, "standing": [], "look": told, "trouble": None, "measures": [],
            "references": [], "history": [], "next": None,
        }  # fmt: skip
        return web.json_response(usual | self.diagnoses.get(camera, {}))

    async def _evidence(self, request: web.Request) -> web.Response:
        self.looked.append((request.match_info["verdict"], request.query["reason"]))
        return web.Response(body=street(request.match_info["id"], 0), content_type="image/jpeg")

    async def _reference(self, request: web.Request) -> web.Response:
        self.referenced.append((request.method, request.match_info["id"]))
        if request.method == "DELETE":
            return web.Response(status=204)
        return web.json_response([{"period": "day", "at": stamp(datetime.now(UTC)), "by": "li"}])

    async def _whep(self, request: web.Request) -> web.Response:
        camera, offer = request.match_info["id"], await request.text()
        session = f"s{len(self.whep_asked)}"
        asked = {"camera": camera, "reason": request.query["reason"], "stream": request.query["stream"]}
        self.whep_asked.append({**asked, "session": session})
        if self.whep is None:
            return problem(*self.whep_refusal)
        answer = await self.whep.answer(session, offer)
        told = {
            "Location": f"{API}/cameras/{camera}/whep/{session}",
            "ETag": '"1"',
            "Live-Start": "gop",
            "Live-Codec": "h264",
        }
        return web.Response(status=201, text=answer, content_type="application/sdp", headers=told)

    async def _whep_end(self, request: web.Request) -> web.Response:
        self.whep_ended.append(request.match_info["session"])
        return web.Response(status=200 if await self.whep.end(request.match_info["session"]) else 404)

    async def _turn(self, request: web.Request) -> web.Response:
        self.turned.append((request.match_info["id"], await request.json()))
        return web.Response(status=204)

    async def _discover(self, request: web.Request) -> web.Response:
        self.searched.append((await request.json()).get("ranges", []))
        return web.json_response({"items": self.found, "next": None})

    async def _change(self, request: web.Request) -> web.Response:
        order = await request.json() if request.can_read_body else None
        path = request.path.removeprefix(f"{API}/")
        self.changed.append((request.method, path, order))
        things, wanted = (self.cameras if path.startswith("cameras") else self.terminals), request.match_info.get("id")
        found = next((each for each in things if each["id"] == wanted), None)
        if request.method == "DELETE" and found is not None:
            things.remove(found)
            return web.Response(status=204)
        if path == "reload":
            return web.json_response({})
        if request.method == "POST":
            made = {**(found or things[0]), "id": order["id"]} | (
                {} if found else {"household": order.get("household")}
            )
            things.append(made)
            return web.json_response(made, status=201)
        if found is None:
            return problem(404, f"There is no {wanted} here.")
        if "enabled" in order:
            found["state"] = "connecting" if order["enabled"] else "disabled"
        for key in ("name", "scene", "cameras", "neighbours", "model", "masks", "consent"):
            if key in order:
                found[key] = order[key]
        for key in ("household", "place"):
            if key in order:
                found[key] = {**found[key], **order[key]}
        return web.json_response(found)

    async def _try(self, request: web.Request) -> web.Response:
        order = await request.json()
        counts = {"total": len(self.terminals), "tested": 1, "heard": 1, "silent": len(self.terminals) - 2}
        silent = [
            {"terminal": each["id"], "name": each["household"]["name"], "address": each["household"]["address"], "area_code": None,
             "state": "silent", "heard_at": None} for each in self.terminals[2:]
        ]  # fmt: skip
        self.trials.insert(0, {
            **order, "id": f"run-{len(self.trials)}", "started_by": "wangfang", "started_at": stamp(datetime.now(UTC)), "ended_at": None,
            "state": "waiting", "asked": len(self.terminals), "counts": counts, "by_area": [], "unanswered": silent,
        })  # fmt: skip
        return web.json_response(self.trials[0], status=201)

    async def _trial(self, request: web.Request) -> web.Response:
        found = next(each for each in self.trials if each["id"] == request.match_info["id"])
        if request.method == "POST":
            found.update(state="ended", ended_at=stamp(datetime.now(UTC)))
        return web.json_response(found)

    async def _enrol(self, request: web.Request) -> web.Response:
        order, key = await request.json(), request.headers["Idempotency-Key"]
        self.enrolled.append((order, key))
        if order["onvif"].get("password") != "right":
            device = f"{order['onvif']['host']}:{order['onvif']['port']}"
            said = f"{device} refuses the user name or the password for GetDeviceInformation; correct them."
            return problem(422, said)
        if "更衣室" in order.get("name", "") and "type" not in order.get("place", {}):
            return problem(
                422,
                "No camera may stand inside a changing room, and the name sounds like one; say where in place.type.",
            )
        if self.channels and "source" not in order["onvif"] and "channels" not in order:
            return problem(422, "it is a recorder: name a channel.", channels=self.channels)
        made = {**self.cameras[0], "id": f"cam-{len(self.cameras)}", "name": order.get("name", "通道")}
        self.cameras.append(made)
        return web.json_response({"items": [made], "next": None} if "channels" in order else made, status=201)

    async def _plan(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({"items": self.windows, "next": None, "covered": self.covered})
        order, key = await request.json(), request.headers["Idempotency-Key"]
        self.planned.append((order, key))
        if key not in self._answered:
            self._answered[key] = self._planned(order)
        if self.lose_answers:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(self._answered[key], status=201)

    def _planned(self, order: dict[str, Any]) -> dict[str, Any]:
        now = stamp(datetime.now(UTC))
        lists = {"days": [], "cameras": [], "scenes": [], "areas": [], "hosts": [], "between": None}
        made = {**lists, "since": now, **order, "id": f"w{len(self.windows) + 1}", "by": "wangfang", "at": now}
        self.windows.append({**made, "state": "running", "ends_at": made["until"], "count": len(self.cameras)})
        return self.windows[-1]

    async def _window(self, request: web.Request) -> web.Response:
        found = next(each for each in self.windows if each["id"] == request.match_info["id"])
        if request.method == "DELETE":
            self.ended.append(("end", found["id"], request.query["reason"]))
            found.update(state="over", ends_at=None, count=None)
            return web.Response(status=204)
        change = await request.json()
        self.ended.append(("change", found["id"], change.pop("reason")))
        found.update(change)
        return web.json_response(found)

    async def _arming(self, request: web.Request) -> web.Response:
        off = [one["id"] for one in self.arming if one["type"] == "camera" and not one["armed"]]
        all_off = any(one["type"] == "node" and not one["armed"] for one in self.arming)
        disarmed = [camera["id"] for camera in self.cameras] if all_off else off
        return web.json_response({"items": self.arming, "next": None, "disarmed": disarmed})

    async def _arm(self, request: web.Request) -> web.Response:
        order = await request.json()
        if order["type"] == "area" and not order["id"].isdigit():
            return problem(422, "an area is the beginning of an area code, 2 to 12 digits")
        self.arming = [one for one in self.arming if (one["type"], one["id"]) != (order["type"], order["id"])]
        if order["armed"] is not None:
            more = {"by": "wangfang", "at": stamp(datetime.now(UTC)), "reason": order.get("reason"), "until": None}
            self.arming.append({"type": order["type"], "id": order["id"], "armed": order["armed"], **more})
        return await self._arming(request)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self.stream_queries.append({**request.query, "header": request.headers.get("Last-Event-ID", "")})
        if self.refuse_stream:
            return problem(503, "Too many event streams are open on this node.")
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", **SECURITY_HEADERS}
        )
        await response.prepare(request)
        waiting: asyncio.Queue[bytes | None] = asyncio.Queue(10_000)
        self._streams.add(waiting)
        try:
            await response.write(f"retry: 200\nevent: ping\nid: {self._position}\ndata: {{}}\n\n".encode())
            while (chunk := await waiting.get()) is not None:
                await response.write(chunk)
        except ConnectionResetError:
            pass  # the browser went away
        finally:
            self._streams.discard(waiting)
        return response

    # ------------------------------------------------------------------ its thread

    def serve(self, dist: Path) -> Callable[[], None]:
        """Listen on a free loopback port in a thread of its own; returns what ends it."""
        ready = threading.Event()
        ended = threading.Event()

        async def run() -> None:
            self._loop = asyncio.get_running_loop()
            runner = web.AppRunner(self.application(dist), shutdown_timeout=1.0)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
            ready.set()
            while not ended.is_set():
                await asyncio.sleep(0.05)
            self._send(None)
            if self.whep is not None:
                await self.whep.close()
            await runner.cleanup()

        thread = threading.Thread(target=asyncio.run, args=(run(),), name="desk")
        thread.start()
        assert ready.wait(PATIENCE_S)

        def stop() -> None:
            ended.set()
            thread.join(PATIENCE_S)
            assert not thread.is_alive()

        return stop


def problem(status: int, sentence: str, **more: Any) -> web.Response:
    body = {"type": "about:blank", "title": "Problem", "status": status, "detail": sentence, **more}
    return web.json_response(body, status=status, content_type="application/problem+json")
