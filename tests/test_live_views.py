"""What an upper node may see, by this node's own rules."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.alerts.register import Register
from gateway.errors import DeviceError, NotAllowed
from gateway.ledger.sqlite import SqliteLedger
from gateway.live_views import Registers, ShownAbove
from gateway.model import Camera, Consent, Place, Scene, ViewFromAbove
from gateway.ports import Report
from gateway.reporting.subtree import Subtree
from gateway.supervision.clock import SystemClock

STREET = Camera("cam-1", "东", Scene.STREET, Place())
HOME = Camera("cam-2", "王家", Scene.HOUSEHOLD, Place())


class Views:
    def __init__(self) -> None:
        self.open = 0

    async def units(self, camera_id: str, stream: str) -> AsyncIterator[bytes]:
        self.open += 1
        try:
            while True:
                yield f"{camera_id} {stream}".encode()
        finally:
            self.open -= 1

    async def still(self, camera_id: str) -> bytes:
        return camera_id.encode()


class Lower:
    """The way to the nodes below: remembers what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    async def units(self, *asked: str) -> AsyncIterator[bytes]:
        self.asked.append(asked)
        yield b"from below"

    async def still(self, *asked: str) -> bytes:
        self.asked.append(asked)
        return b"still from below"


class Township:
    def __init__(self, ledger: SqliteLedger) -> None:
        self.ledger = ledger
        self.register = Register([STREET, HOME], [])
        self.below = Subtree("zhuyang", SystemClock())
        self.views = Views()
        self.above = ShownAbove(Registers(self.register, ledger, SystemClock()), self.below, self.views, look_every=0.0)

    async def audit(self) -> list[tuple[str, str, str | None, object]]:
        lines, _ = await self.ledger.read(lambda reader: reader.audit(None, 50))
        return [(line.actor, line.object, line.reason, line.detail.get("detail")) for line in lines]


@pytest.fixture
async def scene(tmp_path) -> AsyncIterator[Township]:
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "zhuyang", SystemClock())
    yield Township(ledger)
    await ledger.close()


def wanted(camera: str, viewer: str = "wang", stream: str = "sub", reason: str = "alert a1") -> ViewFromAbove:
    return ViewFromAbove(camera, stream, "county", viewer, reason)


async def test_each_viewer_above_is_named_in_the_audit_once(scene) -> None:
    for viewer in ("wang", "wang", "li"):
        await scene.above.admit(wanted("cam-1", viewer))
    assert sorted(await scene.audit()) == [
        ("county/li", "cameras/cam-1", "alert a1", "from county"),
        ("county/wang", "cameras/cam-1", "alert a1", "from county"),
    ]
    async with contextlib.aclosing(scene.above.units(wanted("cam-1", stream="main"))) as units:
        assert [await anext(units) for _ in range(3)] == [b"cam-1 main"] * 3
    assert scene.views.open == 0
    assert await scene.above.still(wanted("cam-1")) == b"cam-1"


async def test_nobody_above_looks_without_a_reason(scene) -> None:
    with pytest.raises(NotAllowed, match="says why"):
        await scene.above.admit(wanted("cam-1", reason=""))
    assert await scene.audit() == []


async def test_what_is_not_here_is_said(scene) -> None:
    for camera in ("cam-9", "village:cam-1"):
        with pytest.raises(DeviceError, match=f"there is no camera {camera}"):
            await scene.above.admit(wanted(camera))
    assert await scene.audit() == []


async def test_a_households_camera_opens_by_this_nodes_rules_and_closes_by_them(scene) -> None:
    with pytest.raises(NotAllowed, match="household"):
        await scene.above.admit(wanted("cam-2"))
    assert await scene.audit() == []
    today = SystemClock().now().astimezone().date()
    agreed = replace(HOME, consent=Consent("王大娘", today - timedelta(days=1), None))
    scene.register.replace(Register([STREET, agreed], []))
    await scene.above.admit(wanted("cam-2"))
    assert await scene.audit() == [("county/wang", "cameras/cam-2", "alert a1", "from county; consent of 王大娘")]
    async with contextlib.aclosing(scene.above.units(wanted("cam-2"))) as units:
        await anext(units)
        scene.register.replace(Register([STREET, HOME], []))
        with pytest.raises(NotAllowed, match="household"):
            await anext(units)
    assert scene.views.open == 0


async def test_what_is_further_below_is_asked_of_there(scene) -> None:
    told = {"node": "village", "cameras": [{"id": "c1", "name": "村口"}], "terminals": []}
    scene.below.take(Report("r1", "gateway.inventory.v1", "village", "", 1, told), "village")
    view = wanted("village:c1")
    await scene.above.admit(view)
    assert await scene.audit() == [("county/wang", "cameras/village:c1", "alert a1", "from county")]
    with pytest.raises(DeviceError, match="no way to the nodes below"):
        await scene.above.still(view)
    scene.above.lower = lower = Lower()
    assert [unit async for unit in scene.above.units(view)] == [b"from below"]
    assert await scene.above.still(view) == b"still from below"
    assert lower.asked == [
        ("village", "c1", "sub", "county/wang", "alert a1"),
        ("village", "c1", "county/wang", "alert a1"),
    ]
