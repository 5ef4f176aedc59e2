"""What real devices answered, through a whole listener over real sockets: client, subscription, topics, states."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from adapters.onvif.client import SoapClient
from adapters.onvif.events.listener import EventListener, Heard, Leftover, Timing
from adapters.onvif.faults import NotPermitted
from adapters.onvif.services import Services
from gateway.errors import AuthFailed, DeviceError, NotSpoken
from gateway.model import Kind

WITHIN_S = 60
QUICK = Timing(after_empty=0.0, after_some=0.0, anew=0.0, tick=0.02)


class Memory:
    def __init__(self) -> None:
        self.kept: dict[str, Leftover] = {}

    def remember(self, device: str, subscription: Leftover) -> None:
        self.kept[device] = subscription

    def forget(self, device: str) -> None:
        self.kept.pop(device, None)

    def left(self, device: str) -> Leftover | None:
        return self.kept.get(device)


class Replay:
    """A device that gives recorded answers: to each pull the next, and none when they have run out. ``seconds``: the time
    by which its listener goes, that of the record."""

    def __init__(self, device: Any, connect: Callable[..., SoapClient]) -> None:
        self.device, self.client = device, connect()
        self.seconds = 0.0
        self.pulls: Iterator[tuple[float, bytes]] = iter(())
        self.ended = asyncio.Event()
        self.heard: list[Heard] = []
        self.memory = Memory()
        device.wants = ""
        device.answers["PullMessages"] = self.pull

    async def pull(self, request: web.Request) -> web.Response:
        found = next(self.pulls, None)
        if found is None:
            self.ended.set()
            await asyncio.Event().wait()
        assert found is not None
        self.seconds, answer = found
        return web.Response(body=answer)

    async def listen(self, vendor: str = "") -> None:
        services = Services(events=f"http://127.0.0.1:{self.device.port}/onvif/event_service")
        listener = EventListener(
            self.client, services, self.heard.append,
            remembered=self.memory, timing=QUICK, mono=lambda: self.seconds, vendor=vendor,
        )  # fmt: skip
        await listener.run(lambda: None)

    @asynccontextmanager
    async def to_the_end(self, vendor: str = "") -> AsyncIterator[None]:
        listening, ended = asyncio.create_task(self.listen(vendor)), asyncio.create_task(self.ended.wait())
        try:
            await asyncio.wait([listening, ended], timeout=WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
            if listening.done():
                listening.result()
            assert ended.done()
            yield
        finally:
            for task in (listening, ended):
                task.cancel()
            await asyncio.wait([listening, ended])

    @property
    def told(self) -> list[tuple[Kind, bool | None, str | None, str]]:
        return [(one.kind, one.active, one.source, one.what) for one in (heard.occurrence for heard in self.heard)]


@pytest.fixture
def replay(device: Any, connect: Callable[..., SoapClient]) -> Replay:
    return Replay(device, connect)


TOLD = {
    "_malformed/PullMessages.bad-times.xml": [(Kind.MOTION, True, "000", "person")],
    "ajax/PullMessages.LineCrossing-ElementItem.xml": [
        (Kind.LINE_CROSSING, None, "00005e005301-0", "00005e005301-0-dk2t3c")
    ],
    "ajax/PullMessages.ObjectDetection-two-classes.xml": [(Kind.MOTION, True, "00005e005301-0", "person, vehicle")],
    "dahua/PullMessages.HumanShapeDetect.xml": [(Kind.MOTION, True, None, "person")],
    "dahua/PullMessages.motion.xml": [(Kind.MOTION, True, None, "")],
    "hikvision_2025/PullMessages.AlarmIn.xml": [(Kind.DIGITAL_INPUT, True, None, "AlarmIn_1")],
    "hikvision_compatible/PullMessages.FieldDetector.xml": [(Kind.INTRUSION, True, None, "Vehicle")],
    "pelco/PullMessages.xml": [(Kind.MOTION, True, None, "")],
    "reolink/PullMessages.Package.xml": [(Kind.MOTION, True, "000", "package")],
    "reolink/PullMessages.PeopleDetect.xml": [(Kind.MOTION, True, "000", "person")],
    "tapo/PullMessages.LineCross.xml": [(Kind.LINE_CROSSING, True, None, "MyLineCrossDetectorRule")],
    "tapo/PullMessages.People.xml": [(Kind.MOTION, True, None, "person")],
    "tapo/PullMessages.TPSmartEvent-vehicle.xml": [(Kind.MOTION, True, None, "vehicle")],
    "tapo/PullMessages.TpSmartEvent-othercase.xml": [(Kind.MOTION, True, None, "vehicle")],
}
"""Kind, state, source and what, of those recordings in which something happened or stands; in the others all is quiet."""


@pytest.mark.parametrize(
    ("session", "kind", "count"), [("cell_motion", Kind.MOTION, 19), ("hikvision_compatible", Kind.INTRUSION, 21)]
)
async def test_each_recorded_session_comes_to_its_signals_once_each(
    replay: Replay, recordings: Path, session: str, kind: Kind, count: int
) -> None:
    records = [
        json.loads(line) for line in (recordings / f"_sessions/{session}_pullpoint.jsonl").read_text().splitlines()
    ]
    for operation in ("CreatePullPointSubscription", "Renew"):
        first = next((one["response"].encode() for one in records if one["op"] == operation), None)
        if first is not None:
            replay.device.answers[operation] = first
    replay.pulls = iter([(one["t"], one["response"].encode()) for one in records if one["op"] == "PullMessages"])
    async with replay.to_the_end():
        assert [(one, active) for one, active, _, _ in replay.told] == [(kind, True), (kind, False)] * count
        assert not any(one.occurrence.initial for one in replay.heard)
        times = [one.notification.at for one in replay.heard if one.notification is not None]
        assert len(times) == len(replay.heard), "each by what the device said, none by a timer"
        assert replay.memory.kept
    operations = replay.device.operations
    assert operations.count("CreatePullPointSubscription") == operations.count("Unsubscribe") == 1
    assert operations.count("Renew") >= replay.seconds // 600, "within each lease"
    assert replay.memory.kept == {}


async def test_every_recorded_pull_is_heard_as_what_it_is(
    device: Any, connect: Callable[..., SoapClient], recordings: Path
) -> None:
    found: dict[str, list[tuple[Kind, bool | None, str | None, str]]] = {}
    for path in sorted(recordings.glob("*/PullMessages*.xml")):
        replay = Replay(device, connect)
        created = path.parent / "CreatePullPointSubscription.xml"
        usual = recordings / "reolink/CreatePullPointSubscription.xml"
        device.answers["CreatePullPointSubscription"] = (created if created.exists() else usual).read_bytes()
        replay.pulls = iter([(1.0, path.read_bytes())])
        async with replay.to_the_end(path.parent.name):
            found[f"{path.parent.name}/{path.name}"] = replay.told
    assert found == {name: [] for name in found} | TOLD
    assert len(found) >= len(TOLD)


async def test_every_recorded_subscription_can_be_pulled(
    device: Any, connect: Callable[..., SoapClient], recordings: Path
) -> None:
    """Whatever host, port and prefixes a device named it with: it is managed where the device answered."""
    count = 0
    for path in sorted(recordings.glob("*/CreatePullPointSubscription*.xml")):
        if "Fault" in path.name:
            continue
        replay = Replay(device, connect)
        device.answers["CreatePullPointSubscription"] = path.read_bytes()
        async with replay.to_the_end():
            count += 1
            assert replay.memory.kept[f"http://127.0.0.1:{device.port}/onvif/device_service"].url.startswith(
                f"http://127.0.0.1:{device.port}/"
            ), path
    assert count >= 7


@pytest.mark.parametrize(
    ("file", "login", "verdict"),
    [
        ("hikvision/CreatePullPointSubscription.Fault-NotAuthorized.xml", True, NotPermitted),
        ("hikvision/CreatePullPointSubscription.Fault-NotAuthorized.xml", False, AuthFailed),
        ("thingino/CreatePullPointSubscription.html-404.html", True, NotSpoken),
        ("unknown/CreatePullPointSubscription.html-404-with-http-200.html", True, NotSpoken),
    ],
)
async def test_every_recorded_refusal_is_a_verdict_in_words(
    replay: Replay, recorded: Callable[[str], bytes], file: str, login: bool, verdict: type[DeviceError]
) -> None:
    async def refuse(request: web.Request) -> web.Response:
        status = {"hikvision": 400, "thingino": 404}.get(file.partition("/")[0], 200)
        return web.Response(body=recorded(file), status=status)

    replay.device.wants = "token" if login else ""  # a login that was proven elsewhere lacks only the right
    replay.device.answers["CreatePullPointSubscription"] = refuse
    if login:
        await replay.client.call(replay.client.device_url, "", b"<GetScopes/>", operation="GetScopes")
    with pytest.raises(verdict, match=r"127.0.0.1:.*CreatePullPointSubscription"):
        await asyncio.wait_for(replay.listen(), WITHIN_S)
    assert (replay.heard, replay.memory.kept) == ([], {})
