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

from gateway.console.edge import SECURITY_HEADERS

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


@dataclass
class Desk:
    """The peer: one node's API in memory. ``say`` sends an event to every open stream; the rest is canned."""

    role: str = "operator"
    logged_in: bool = False
    alerts: dict[str, dict[str, Any]] = field(default_factory=dict)
    cameras: list[dict[str, Any]] = field(default_factory=list)
    terminals: list[dict[str, Any]] = field(default_factory=list)
    actions: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    stream_queries: list[dict[str, str]] = field(default_factory=list)
    refuse_stream: bool = False
    refuse_lists: bool = False
    refuse_log_out: bool = False
    lose_answers: bool = False  # actions are done and their answers cut off
    missing_pictures: set[str] = field(default_factory=set)
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
            "entries": [self._entry(1, now, f"terminal/tv-{number:04d}", "raised", None)], "version": 1,
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
        alert["entries"].append(self._entry(2, raised + timedelta(seconds=1), "gateway", "picture", None))
        alert["version"] += 1

    def change(self, alert_id: str, action: str, actor: str, comment: str | None = None) -> None:
        """An operator's step, done by somebody."""
        alert = self.alerts[alert_id]
        if action in STEPS:
            alert["workflow"] = STEPS[action][1]
        if action == "acknowledge":
            alert["receipts"]["accepted_at"] = stamp(datetime.now(UTC))
        alert["entries"].append(self._entry(len(alert["entries"]) + 1, datetime.now(UTC), actor, action, comment))
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

    def _entry(self, number: int, at: datetime, actor: str, action: str, comment: str | None) -> dict[str, Any]:
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
            web.get(f"{API}/alerts", self._list), web.get(f"{API}/alerts/{{id}}", self._one),
            web.post(f"{API}/alerts/{{id}}/actions", self._act), web.get(f"{API}/alerts/{{id}}/snapshots/{{snapshot}}", self._picture),
            web.get(f"{API}/cameras", self._page_of(lambda: self.cameras)), web.get(f"{API}/terminals", self._page_of(lambda: self.terminals)),
            web.get(f"{API}/terminals/{{id}}", self._terminal),
            web.get(f"{API}/nodes", self._page_of(lambda: [{"id": "zhuyang", "name": "竹阳街道综治中心", "level": "township", "own": True}])),
            web.get(f"{API}/stream", self._stream),
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
            response.headers.update(SECURITY_HEADERS)
        return response

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

    def _do(self, alert_id: str, wanted: dict[str, Any], key: str) -> web.Response | None:
        alert = self.alerts[alert_id]
        action = wanted["action"]
        if action in STEPS and alert["workflow"] not in STEPS[action][0]:
            return problem(
                409, f"The alert is {alert['workflow']}; {action} is not allowed.", workflow=alert["workflow"]
            )
        if action == "close":
            alert["disposition"] = wanted["disposition"]
        self.change(alert_id, action, "wangfang", wanted.get("comment"))
        self._answered[key] = json.loads(json.dumps(alert))
        self.say("alert", alert)
        return None

    async def _picture(self, request: web.Request) -> web.Response:
        snapshot = request.match_info["snapshot"]
        if snapshot in self.missing_pictures:
            return problem(404, "This picture has not come from its node yet.")
        camera, offset = snapshot.split("_")
        return web.Response(body=street(camera, int(offset)), content_type="image/jpeg")

    def _page_of(self, items: Callable[[], list[dict[str, Any]]]) -> Any:
        async def handler(request: web.Request) -> web.Response:
            return web.json_response({"items": items(), "next": None})

        return handler

    async def _terminal(self, request: web.Request) -> web.Response:
        wanted = request.match_info["id"]
        found = next((terminal for terminal in self.terminals if terminal["id"] == wanted), None)
        return problem(404, "There is no such terminal here.") if found is None else web.json_response(found)

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
