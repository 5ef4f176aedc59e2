"""A console on a real port, over a real ledger, with hand-written cameras, pictures and terminals."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from argon2 import PasswordHasher

from gateway.alerts.arming import Arming
from gateway.alerts.register import Register
from gateway.alerts.rules import Scope
from gateway.alerts.spans import Span
from gateway.alerts.taxonomy import CaseClass, Limits, SubClass, Taxonomy
from gateway.alerts.trials import Trials
from gateway.canonical import sha256_hex
from gateway.config.plan import Difference, Plan
from gateway.config.sections.upkeep import RetentionSettings
from gateway.console.accounts import Accounts
from gateway.console.application import create_console
from gateway.console.handovers import Handovers
from gateway.console.node_key import NodeKey
from gateway.console.registers import (
    Allowed,
    Headers,
    Import,
    NoPreview,
    Preview,
    Refusal,
    Row,
    Table,
    Tables,
    Upload,
)
from gateway.console.registrar import Discovered, Enrolment, Noted
from gateway.console.server import HttpServer
from gateway.console.services import Care
from gateway.delivery.desk import DeliveryDesk, SinkCard
from gateway.delivery.forwarder import Forwarder
from gateway.delivery.reconciliation import Reconciler
from gateway.errors import Unreachable
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import (
    Camera,
    CameraHealth,
    CameraState,
    DeviceHealth,
    Draft,
    EvidenceState,
    FeedSource,
    Household,
    Keyframe,
    Kind,
    LiveSession,
    OnvifAddress,
    Picture,
    Place,
    PlannedWork,
    Preset,
    PtzMove,
    Scene,
    SourceRef,
    Terminal,
    Thresholds,
    Verdict,
    uuid7,
)
from gateway.ports import MediaFile, StoredMedia
from gateway.reporting.subtree import Subtree
from gateway.supervision.clock import SystemClock
from gateway.upkeep.absences import Absences
from gateway.upkeep.maintenance import MaintenanceBook, Window
from gateway.upkeep.outage_desk import OutageDesk, OutageRules
from gateway.upkeep.report import FigureBook
from gateway.upkeep.retention import RetentionDesk
from gateway.video.diagnosis.desk import DiagnosisDesk
from gateway.video.diagnosis.wire import Look, PatrolOrder, Report, ViewTold

JPEG = b"\xff\xd8\xff\xe0 not quite a picture \xff\xd9"
CLIP = b"\0\0\0\x18ftypisom" + bytes(range(256)) * 4000
PASSWORD = "a long enough password"
NEAR, FAR = "511724001", "511725002"
CASES = Taxonomy(
    (
        CaseClass(
            "02",
            "家庭求助",
            (
                SubClass("0201", "一键求助", 1, "综治中心", frozenset({Kind.SOS}), limits=Limits(60, 180, 3600)),
                SubClass("0204", "走失寻人", 1, "派出所", limits=Limits(60, 300, 43200)),
            ),
        ),
    )
)


@dataclass
class FakeMedia:
    """Pictures in memory; clips are laid into ``directory``."""

    directory: Path
    kept: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)

    async def put(self, content: bytes, media_type: str) -> str:
        self.types[sha256_hex(content)] = media_type
        self.kept[sha256_hex(content)] = content
        return sha256_hex(content)

    async def read(self, sha256: str) -> tuple[bytes, str] | None:
        content = self.kept.get(sha256)
        return None if content is None or self.types[sha256] != "image/jpeg" else (content, "image/jpeg")

    async def remove(self, sha256: str, before: float) -> int:
        return len(self.kept.pop(sha256, b""))

    async def folder(self, name: str) -> list[MediaFile]:
        return []

    def room(self) -> tuple[int, int]:
        return 1 << 40, 1

    async def find(self, sha256: str) -> StoredMedia | None:
        content = self.kept.get(sha256)
        if content is None:
            return None
        path = self.directory / sha256
        path.write_bytes(content)
        return StoredMedia(path, len(content), self.types[sha256])


@dataclass
class FakeVideo:
    """``age``: of the newest keyframe, in seconds; None: no keyframe. ``broken``: raised instead of an answer."""

    age: float | None = 0.5
    broken: Exception | None = None
    states: dict[str, CameraHealth] = field(default_factory=dict)
    changes: int = 0
    told: list[str] = field(default_factory=list)
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

    async def main_picture(self, camera_id: str, width: int) -> tuple[Keyframe, Picture]:
        if self.broken is not None:
            raise self.broken
        return Keyframe("m1", SystemClock().mono()), Picture(JPEG + b"main", width, width * 9 // 16)

    def health(self, camera_id: str) -> CameraHealth | None:
        return self.states.get(camera_id)

    def all_health(self) -> Sequence[CameraHealth]:
        return list(self.states.values())

    async def health_changed(self, seen: int) -> int:
        async with self.changed:
            await self.changed.wait_for(lambda: self.changes > seen)
            return self.changes

    def health_changes(self, seen: int) -> Sequence[str]:
        return list(self.told[seen:])

    async def say(self, camera_id: str, state: CameraState, **more: Any) -> None:
        self.states[camera_id] = CameraHealth(camera_id, state, datetime.now(UTC), **more)
        async with self.changed:
            self.changes += 1
            self.told.append(camera_id)
            self.changed.notify_all()


@dataclass
class FakeDevices:
    """``asked``: what was asked of cameras. ``broken``: raised instead of an answer."""

    known: dict[str, DeviceHealth] = field(default_factory=dict)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    broken: Exception | None = None

    def device(self, camera_id: str) -> DeviceHealth | None:
        return self.known.get(camera_id)

    async def _ask(self, *what: Any) -> None:
        self.asked.append(what)
        if self.broken is not None:
            raise self.broken

    async def presets(self, camera_id: str) -> Sequence[Preset]:
        await self._ask("presets", camera_id)
        return [Preset("1", "大门"), Preset("2", "王家")]

    async def go_to_preset(self, camera_id: str, preset: str) -> None:
        await self._ask("preset", camera_id, preset)

    async def move(self, camera_id: str, move: PtzMove) -> None:
        await self._ask("move", camera_id, move)

    async def stop_moving(self, camera_id: str) -> None:
        await self._ask("stop", camera_id)


@dataclass(frozen=True)
class Node:
    id: str = "zhuyang"
    name: str = "竹阳街道综治中心"
    level: str = "township"


@dataclass
class FakeReload:
    """Answers with ``plan``, or fails with ``fault``; remembers what it was told."""

    plan: Plan = field(default_factory=lambda: Plan(Difference(), Difference(), (), 0.2))
    fault: Exception | None = None
    asked: list[bool] = field(default_factory=list)
    retried: int = 0

    async def __call__(self, yes: bool, *, retry: bool) -> Plan:
        self.asked.append(yes)
        self.retried += retry
        if self.fault is not None:
            raise self.fault
        return self.plan


class FakeTables:
    """Shows a table of one camera to whoever sends one, and takes it once."""

    def __init__(self) -> None:
        self.shown: dict[str, str] = {}

    async def preview(self, upload: Upload) -> Preview:
        self.shown["preview-1"] = upload.by
        return Preview("preview-1", 900, self._planned())

    async def confirm(self, token: str, by: str, noted: Noted, may: Allowed) -> Import:
        if self.shown.pop(token, None) != by:
            raise NoPreview("this preview is gone")
        await noted("import_cameras", "cameras", "1 added")
        return self._planned()

    async def refused(self, token: str, by: str, form: str) -> bytes:
        if self.shown.get(token) != by:
            raise NoPreview("this preview is gone")
        return b"id"

    async def exported(self, form: str, headers: Headers, visible: Callable[[str | None], bool]) -> tuple[bytes, int]:
        return b"id", 0

    async def template(self, form: str, headers: Headers) -> bytes:
        return b"id"

    def _planned(self) -> Import:
        row = Row(2, {"id": "cam-new", "name": "新"})
        refusal = Refusal(3, "cam-other", "it has no address", ["cam-other"])
        return Import(["cam-new"], [], [], 0, Table([row], [refusal], [], ["id"]))


@dataclass
class FakeRegistrar:
    """Writes into the register alone. ``fault`` is raised instead; ``asked`` is what it was told."""

    register: Register
    found: list[Discovered] = field(default_factory=list)
    fault: Exception | None = None
    asked: list[Any] = field(default_factory=list)
    tables: Tables = field(default_factory=FakeTables)

    async def discover(self, timeout: float, ranges: Sequence[str] = ()) -> Sequence[Discovered]:
        self._note((timeout, list(ranges)))
        return self.found

    async def enrol(self, wanted: Enrolment, noted: Noted) -> Sequence[str]:
        await noted("add_camera", "cameras/cam-new", "10.0.0.5:80")
        self._note(wanted)
        area = wanted.camera.get("place", {}).get("area_code")
        ids = ["cam-new-1", "cam-new-2"] if wanted.all_channels else ["cam-new"]
        self._put(*self.register.cameras(), *(Camera(each, "新", Scene.STREET, Place(area_code=area)) for each in ids))
        return ids

    async def change(self, camera_id: str, patch: Mapping[str, Any], noted: Noted) -> None:
        self._note(patch)
        cameras = self.register.cameras()
        self._put(*(replace(c, name=patch.get("name", c.name)) if c.id == camera_id else c for c in cameras))

    async def remove(self, camera_id: str, noted: Noted) -> None:
        self._note(camera_id)
        self._put(*(each for each in self.register.cameras() if each.id != camera_id))

    def _note(self, what: Any) -> None:
        self.asked.append(what)
        if self.fault is not None:
            raise self.fault

    def _put(self, *cameras: Camera) -> None:
        self.register.replace(Register(cameras, self.register.terminals()))


@dataclass
class FakeHouseholds:
    """Writes into the register alone. ``fault`` is raised instead; ``asked`` is what it was told."""

    register: Register
    fault: Exception | None = None
    asked: list[Any] = field(default_factory=list)
    tables: Tables = field(default_factory=FakeTables)

    async def add(self, terminal: Mapping[str, Any], noted: Noted) -> None:
        await noted("add_terminal", f"terminals/{terminal['id']}", None)
        self._note(terminal)
        area = terminal.get("place", {}).get("area_code")
        name = terminal.get("household", {}).get("name")
        self._put(*self.register.terminals(), Terminal(terminal["id"], Household(name), Place(area_code=area)))

    async def change(self, terminal_id: str, patch: Mapping[str, Any], noted: Noted) -> None:
        await noted("change_terminal", f"terminals/{terminal_id}", None)
        self._note(patch)

    async def remove(self, terminal_id: str, noted: Noted) -> None:
        await noted("remove_terminal", f"terminals/{terminal_id}", None)
        self._note(terminal_id)
        self._put(*(each for each in self.register.terminals() if each.id != terminal_id))

    async def replace(self, old: str, new: str, noted: Noted) -> None:
        await noted("replace_terminal", f"terminals/{old}", new)
        self._note((old, new))
        self._put(*self.register.terminals(), Terminal(new))

    def _note(self, what: Any) -> None:
        self.asked.append(what)
        if self.fault is not None:
            raise self.fault

    def _put(self, *terminals: Terminal) -> None:
        self.register.replace(Register(self.register.cameras(), terminals))


@dataclass
class FakeLive:
    """A LiveService. ``views``: session id → (source, offer, viewer). ``broken``: raised by the next ``open``."""

    views: dict[str, tuple[FeedSource, str, str]] = field(default_factory=dict)
    fragments: list[tuple[str, str]] = field(default_factory=list)
    broken: Exception | None = None
    opened: int = 0
    warmed: int = 0

    async def warm(self) -> None:
        self.warmed += 1

    async def open(self, source: FeedSource, offer: str, *, viewer: str) -> LiveSession:
        if self.broken is not None:
            raise self.broken
        self.opened += 1
        session = f"view-{self.opened}"
        self.views[session] = (source, offer, viewer)
        return LiveSession(session, "v=0 answer", "e1", "h264", "gop")

    async def trickle(self, session_id: str, fragment: str) -> bool:
        self.fragments.append((session_id, fragment))
        return session_id in self.views

    async def close(self, session_id: str) -> bool:
        return self.views.pop(session_id, None) is not None

    async def end_of(self, viewer: str) -> None:
        self.views = {key: view for key, view in self.views.items() if view[2] != viewer}

    async def feed(self, feed_id: str, units: AsyncIterator[bytes]) -> None:
        raise AssertionError("the console feeds nothing")


@dataclass
class FakeDiagnosis:
    """The desk of image diagnosis. ``broken``: raised instead of an answer."""

    order: PatrolOrder = field(default_factory=PatrolOrder)
    views: dict[str, ViewTold] = field(default_factory=dict)
    look_told: Look | None = None
    asked: list[tuple[str, ...]] = field(default_factory=list)
    broken: Exception | None = None

    async def report(self, camera_id: str) -> Report:
        self._note("report", camera_id)
        return Report(self.look_told, dict(self.views), asdict(Thresholds.day()), 120.0)

    async def look(self, camera_id: str) -> Look:
        self._note("look", camera_id)
        return self.look_told or Look(camera_id, SystemClock().now(), found=("blurred",))

    async def set_reference(self, camera_id: str, by: str) -> Report:
        self._note("set", camera_id, by)
        self.views["day"] = ViewTold(SystemClock().now(), by)
        return await self.report(camera_id)

    async def forget_reference(self, camera_id: str) -> bool:
        self._note("forget", camera_id)
        known, self.views = bool(self.views), {}
        return known

    def _note(self, *what: str) -> None:
        self.asked.append(what)
        if self.broken is not None:
            raise self.broken


@dataclass
class FakeUplinks:
    """``asked``: what was asked of lower nodes. ``broken``: raised instead of an answer."""

    asked: list[tuple[str, ...]] = field(default_factory=list)
    broken: Exception | None = None

    async def ask(self, node: str, camera_id: str, stream: str, viewer: str, reason: str) -> str:
        self.asked.append((node, camera_id, stream, viewer, reason))
        if self.broken is not None:
            raise self.broken
        return f"feed-of-{node}-{camera_id}"

    async def still(self, node: str, camera_id: str, viewer: str, reason: str) -> bytes:
        await self.ask(node, camera_id, "still", viewer, reason)
        return JPEG + b"below"


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
    reload: FakeReload
    devices: FakeDevices
    arming: Arming
    registrar: FakeRegistrar
    households: FakeHouseholds
    trials: Trials
    below: Subtree
    live: FakeLive
    uplinks: FakeUplinks
    diagnosis: FakeDiagnosis
    maintenance: MaintenanceBook
    outages: OutageDesk

    async def verdict(self, camera: str = "cam-street", fault: str = "covered", **changes: Any) -> Verdict:
        """One with its picture, kept as the desk keeps it."""
        sha256 = await self.media.put(JPEG, "image/jpeg")
        now, name = SystemClock().now(), uuid7()
        verdict = Verdict(name, f"run-{name}", camera, fault, False, now, 1.0, "boot", "k1", 0.5, {"blur": 1.5})
        ready = replace(verdict, evidence=EvidenceState.READY, sha256=sha256, width=640, height=360)
        return await self.ledger.write(lambda tx: tx.keep_verdict(replace(ready, **changes)))

    def bearer(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[role]}"}

    def handed_over(self, by: str = "li", areas: Sequence[str] = ()) -> int:
        """The id of a handover that nobody has taken."""
        now = SystemClock().now()
        book = Handovers(self.accounts.file, SystemClock().now)
        return book.give(by, "zhou", now - timedelta(hours=8), areas, "", {"counts": {}}).id

    async def planned_work(self, **words: Any) -> str:
        """The id of a maintenance window that runs."""
        now = SystemClock().now()
        told: dict[str, Any] = {"cameras": ("cam-street",), "reason": "端口坏", **words}
        work = PlannedWork(uuid7(), "换交换机", now - timedelta(hours=1), now + timedelta(hours=1), "li", now, **told)
        await self.maintenance.plan(work)
        return work.id

    async def past_test_run(self) -> str:
        """The id of a test run that has ended."""
        until = SystemClock().now() + timedelta(days=1)
        trial = await self.trials.start("二季度", (), until, "li", lambda area: True)
        assert await self.trials.end(trial.id)
        return trial.id

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

    async def clip_ready(self, alert_id: str, content: bytes = CLIP) -> str:
        sha256 = await self.media.put(content, "video/mp4")
        await self.act(
            alert_id,
            "clip",
            camera="cam-street",
            clip="k1",
            state="ready",
            from_ms=-30_250,
            to_ms=30_000,
            sha256=sha256,
            codec="h264",
        )
        return sha256


def cameras() -> list[Camera]:
    return [
        Camera(
            "cam-street", "十字口东", Scene.STREET, Place(107.2, 30.7, "十字口", NEAR), onvif=OnvifAddress("10.0.0.5")
        ),
        Camera("cam-far", "远山", Scene.RURAL, Place(None, None, None, FAR)),
        Camera("cam-home", "王家院子", Scene.HOUSEHOLD, Place(None, None, None, NEAR), onvif=OnvifAddress("10.0.0.6")),
    ]


def terminals() -> list[Terminal]:
    household = Household("王家", "13800000000", "三组7号")
    return [
        Terminal("tv-0001", household, Place(107.2, 30.7, "三组7号", NEAR), ("cam-street", "cam-home")),
        Terminal("tv-0002", replace(household, name="李家"), Place(None, None, None, FAR)),
    ]


NIGHTS = Window("夜间检修", Scope(areas=(FAR,)), since=datetime(2999, 1, 1, tzinfo=UTC), span=Span(0, 240))


def outage_desk(ledger: SqliteLedger, register: Register, video: FakeVideo, planned: MaintenanceBook) -> OutageDesk:
    """That counts from the start, and tells at once."""
    rules = OutageRules(after=0, window=0, start=0)
    absences = Absences(register, video, planned, rules.damping)
    return OutageDesk(ledger, absences, rules, SystemClock(), node=SourceRef("node", "zhuyang"), grades={})


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
    below = Subtree("zhuyang", SystemClock())
    media, video, register, faults = FakeMedia(tmp_path), FakeVideo(), Register(cameras(), terminals()), list[str]()
    forwarder = Forwarder(ledger, [], lambda *_: None, SystemClock())
    desk = DeliveryDesk(
        ledger,
        forwarder,
        Reconciler(ledger, [], SystemClock()),
        [SinkCard("county", "cascade", None, 512_000)],
        SystemClock(),
    )
    app = create_console(
        deliveries=desk,
        node=Node(),
        ledger=ledger,
        media=media,
        video=video,
        inventory=register,
        accounts=accounts,
        ready=lambda: list(faults),
        clock=SystemClock(),
        reload=(reload := FakeReload()),
        devices=(devices := FakeDevices()),
        arming=(arming := Arming(ledger, (), UTC)),
        registrar=(registrar := FakeRegistrar(register)),
        households=(households := FakeHouseholds(register)),
        trials=(trials := Trials(ledger, register, ["tv"], SystemClock())),
        below=below,
        taxonomy=CASES,
        node_key=NodeKey(tmp_path / "bundle-key.pem"),
        live=(live := FakeLive()),
        uplinks=(uplinks := FakeUplinks()),
        care=Care(
            diagnosis=cast("DiagnosisDesk", diagnosis := FakeDiagnosis()),
            figures=FigureBook(ledger, None, register, SystemClock(), UTC),
            retention=RetentionDesk(ledger, media, RetentionSettings(), SystemClock()),
            maintenance=(planned := MaintenanceBook(ledger, (NIGHTS,), UTC)),
            outages=(outages := outage_desk(ledger, register, video, planned)),
        ),
    )
    server = HttpServer(app, "127.0.0.1", 0)
    await server.start()
    running = asyncio.create_task(server.run())
    yield House(
        server.url,
        server,
        accounts,
        ledger,
        media,
        video,
        register,
        faults,
        tokens,
        reload,
        devices,
        arming,
        registrar,
        households,
        trials,
        below,
        live,
        uplinks,
        diagnosis,
        planned,
        outages,
    )
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
