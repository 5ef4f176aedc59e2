"""A console on a real port, over a real ledger, with hand-written cameras, pictures and terminals."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from argon2 import PasswordHasher

from gateway.alerts.register import Register
from gateway.canonical import sha256_hex
from gateway.console.accounts import Accounts
from gateway.console.application import create_console
from gateway.console.server import HttpServer
from gateway.errors import Unreachable
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import (
    Camera,
    CameraHealth,
    CameraState,
    Draft,
    Household,
    Keyframe,
    Picture,
    Place,
    Scene,
    Terminal,
    uuid7,
)
from gateway.supervision.clock import SystemClock

JPEG = b"\xff\xd8\xff\xe0 not quite a picture \xff\xd9"
PASSWORD = "a long enough password"
NEAR, FAR = "511724001", "511725002"


@dataclass
class FakeMedia:
    kept: dict[str, bytes] = field(default_factory=dict)

    async def put(self, content: bytes, media_type: str) -> str:
        self.kept[sha256_hex(content)] = content
        return sha256_hex(content)

    async def read(self, sha256: str) -> tuple[bytes, str] | None:
        content = self.kept.get(sha256)
        return None if content is None else (content, "image/jpeg")


@dataclass
class FakeVideo:
    """``age``: of the newest keyframe, in seconds; None: no keyframe. ``broken``: raised instead of an answer."""

    age: float | None = 0.5
    broken: Exception | None = None
    states: dict[str, CameraHealth] = field(default_factory=dict)
    changes: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def keyframes(self, camera_id: str) -> list[Keyframe]:
        if self.broken is not None:
            raise self.broken
        newest = [] if self.age is None else [self.age]
        return [Keyframe(f"k{age}", SystemClock().mono() - age) for age in (*(a + 2 for a in newest), *newest)]

    async def picture(self, camera_id: str, keyframe_id: str, width: int) -> Picture:
        if keyframe_id != f"k{self.age}":
            raise Unreachable("not the newest keyframe")
        return Picture(JPEG, width, width * 9 // 16)

    def health(self, camera_id: str) -> CameraHealth | None:
        return self.states.get(camera_id)

    def all_health(self) -> Sequence[CameraHealth]:
        return list(self.states.values())

    async def health_changed(self, seen: int) -> int:
        async with self.changed:
            await self.changed.wait_for(lambda: self.changes > seen)
            return self.changes

    async def say(self, camera_id: str, state: CameraState, **more: Any) -> None:
        self.states[camera_id] = CameraHealth(camera_id, state, datetime.now(UTC), **more)
        async with self.changed:
            self.changes += 1
            self.changed.notify_all()


@dataclass(frozen=True)
class Node:
    id: str = "zhuyang"
    name: str = "竹阳街道综治中心"
    level: str = "township"


@dataclass
class House:
    """Everything a test of the console may touch."""

    url: str
    server: HttpServer
    accounts: Accounts
    ledger: SqliteLedger
    media: FakeMedia
    video: FakeVideo
    register: Register
    faults: list[str]
    tokens: dict[str, str]

    def bearer(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[role]}"}

    async def raise_alert(self, terminal: str = "tv-0001", area: str | None = NEAR, **base: Any) -> str:
        """Write the first entry of an alert as intake does; returns its id."""
        alert_id = uuid7()
        now = SystemClock().now()
        data = {
            "kind": "sos",
            "severity": 1,
            "status": "actual",
            "source": {"type": "terminal", "id": terminal, "name": "王家", "known": True},
            "place": {"lon": 107.2, "lat": 30.7, "address": "三组7号", "area_code": area},
            "title": f"SOS {terminal}",
            "device_time": None,
            "raised_at": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "detail": {
                "press_ids": ["p1"],
                "household": {"name": "王家", "phone": "13800000000", "address": "三组7号"},
            },
            "cameras": [
                {
                    "id": "cam-street",
                    "name": "十字口东",
                    "distance_m": 35,
                    "snapshots": [
                        {"id": "s1", "wanted_ms": -5000, "press": 1},
                        {"id": "s2", "wanted_ms": 0, "press": 1},
                    ],
                }
            ],
            **base,
        }
        await self.act(alert_id, "raised", f"terminal/{terminal}", base=data)
        return alert_id

    async def act(self, alert_id: str, action: str, actor: str = "gateway", **data: Any) -> None:
        draft = Draft(alert_id, action, actor, SystemClock().now(), None, data)
        await self.ledger.write(lambda tx: tx.append(draft))

    async def picture_ready(self, alert_id: str, snapshot: str = "s1") -> str:
        sha256 = await self.media.put(JPEG, "image/jpeg")
        await self.act(
            alert_id,
            "picture",
            camera="cam-street",
            snapshot=snapshot,
            state="ready",
            offset_ms=-4720,
            taken_at="2026-01-01T00:00:00.000Z",
            sha256=sha256,
            width=640,
            height=360,
            reason=None,
        )
        return sha256


def cameras() -> list[Camera]:
    return [
        Camera("cam-street", "十字口东", Scene.STREET, Place(107.2, 30.7, "十字口", NEAR)),
        Camera("cam-far", "远山", Scene.RURAL, Place(None, None, None, FAR)),
        Camera("cam-home", "王家院子", Scene.HOUSEHOLD, Place(None, None, None, NEAR)),
    ]


def terminals() -> list[Terminal]:
    household = Household("王家", "13800000000", "三组7号")
    return [
        Terminal("tv-0001", household, Place(107.2, 30.7, "三组7号", NEAR), ("cam-street", "cam-home")),
        Terminal("tv-0002", replace(household, name="李家"), Place(None, None, None, FAR)),
    ]


def quick_accounts(path: Path) -> Accounts:
    """With an Argon2 that is quick, and so unfit for anything but tests."""
    return Accounts(path, hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """An accounts file with a user and a token of every role, made once: each test works on a copy."""
    path = tmp_path_factory.mktemp("accounts") / "accounts.db"
    accounts, tokens = quick_accounts(path), {}
    for role in ("viewer", "operator", "maintainer", "admin"):
        accounts.add_user(role, role, PASSWORD)
    tokens["viewer"] = accounts.add_token("t-viewer", "viewer")
    tokens["operator"] = accounts.add_token("t-operator", "operator")
    tokens["near"] = accounts.add_token("t-near", "operator", areas=[NEAR])
    tokens["node"] = accounts.add_token("t-node", "node", node="lower")
    return path, tokens


@pytest.fixture
async def house(tmp_path: Path, prepared: tuple[Path, dict[str, str]]) -> AsyncIterator[House]:
    accounts = quick_accounts(Path(shutil.copy(prepared[0], tmp_path)))
    tokens = dict(prepared[1])
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "zhuyang", SystemClock(), lambda *_: None)
    media, video, register, faults = FakeMedia(), FakeVideo(), Register(cameras(), terminals()), list[str]()
    app = create_console(
        node=Node(),
        ledger=ledger,
        media=media,
        video=video,
        inventory=register,
        accounts=accounts,
        ready=lambda: list(faults),
        clock=SystemClock(),
    )
    server = HttpServer(app, "127.0.0.1", 0)
    await server.start()
    running = asyncio.create_task(server.run())
    yield House(server.url, server, accounts, ledger, media, video, register, faults, tokens)
    await server.stop(2)
    await running
    await ledger.close()


@pytest.fixture
async def http(house: House) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that knows the address and keeps no cookies of its own."""
    async with aiohttp.ClientSession(house.url, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


LogIn = Callable[[str], Any]


@pytest.fixture
def log_in(http: aiohttp.ClientSession) -> LogIn:
    """The Cookie header of a fresh login of the user with that role."""

    async def log_in(role: str) -> Mapping[str, str]:
        async with http.post("/api/v1/session", json={"username": role, "password": PASSWORD}) as answer:
            assert answer.status == 200, await answer.text()
            return {"Cookie": f"gateway_session={answer.cookies['gateway_session'].value}"}

    return log_in


Events = Callable[..., Any]


@pytest.fixture
def events(http: aiohttp.ClientSession) -> Events:
    """``async with events(headers) as stream: await stream.next("alert")``."""

    @asynccontextmanager
    async def open_stream(headers: Mapping[str, str], query: str = "") -> AsyncIterator[Stream]:
        timeout = aiohttp.ClientTimeout(sock_read=30)
        async with http.get(f"/api/v1/stream{query}", headers=headers, timeout=timeout) as answer:
            assert answer.status == 200, await answer.text()
            assert answer.content_type == "text/event-stream"
            yield Stream(answer)

    return open_stream


@dataclass
class Event:
    event: str
    data: Any
    id: str | None


class Stream:
    """The client's side of server-sent events, written from the standard's parsing rules."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.last_id: str | None = None

    async def next(self, *wanted: str) -> Event:
        """The next event, or the next of those names. Raises EOFError at the end."""
        while True:
            event = await self._one()
            if not wanted or event.event in wanted:
                return event

    async def ended(self) -> None:
        """Return once the server has ended the stream."""
        try:
            while True:
                await self._one()
        except EOFError:
            return

    async def _one(self) -> Event:
        fields: dict[str, str] = {}
        while line := (await self.answer.content.readline()).decode():
            if line == "\n":
                if fields:
                    self.last_id = fields.get("id", self.last_id)
                    return Event(fields["event"], json.loads(fields["data"]), fields.get("id"))
                continue
            name, _, value = line.rstrip("\n").partition(": ")
            fields[name] = value
        raise EOFError
