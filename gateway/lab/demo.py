"""``gateway demo``: a county, a township, cameras, televisions and a broker on loopback, with the real code paths."""

import asyncio
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
import webbrowser
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gateway.errors import DeviceError, RunningError
from gateway.lab.brokers import start_embedded
from gateway.lab.children import Child, first_of, free_port, port_is_free
from gateway.lab.mqtt_link import Login
from gateway.lab.nodes import NodePair, Plan
from gateway.lab.report import complain, say
from gateway.lab.terminals import PressTimes, Terminal
from gateway.lab.village import camera_settings, terminal_settings
from gateway.model import Kind, Stage

_TELEVISIONS = 4
_FIRST_PRESS = 5.0  # seconds after the start, so that the cameras already have pictures from before the press
_CAMERAS_WITHIN = 15.0
_BETWEEN_PRESSES = (30.0, 60.0)
_WHAT_HAPPENS = (
    (Kind.SOS, "需要帮助"),
    (Kind.MEDICAL, "老人摔倒了"),
    (Kind.FIRE, "厨房冒烟"),
    (Kind.INTRUSION, "有陌生人进院子"),
    (Kind.SOS, None),
)


@dataclass(frozen=True, slots=True)
class _Wishes:
    cameras: int
    port: int
    browser: bool


def run_demo(cameras: int = 3, duration: float | None = None, port: int = 8080, browser: bool = True) -> int:
    """Run the demo until SIGINT or SIGTERM, or for ``duration`` seconds once it is up; the exit code.

    Nothing is left behind: no process, no file.
    """
    for wanted in (port, port + 1):
        if not port_is_free(wanted):
            complain(f"port {wanted} of 127.0.0.1 is in use; choose another with --port (the demo needs two in a row)")
            return 1
    try:
        asyncio.run(_until_told(_Wishes(cameras, port, browser), duration))
    except (RunningError, DeviceError) as error:
        complain(str(error))
        return 1
    return 0


async def _until_told(wishes: _Wishes, duration: float | None) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    directory = Path(tempfile.mkdtemp(prefix="gateway-demo-"))  # 0700
    demo = _Demo(wishes, directory)
    ends = [asyncio.create_task(demo.run()), asyncio.create_task(_wait(stop))]
    if duration is not None:
        ends.append(asyncio.create_task(_wait(demo.up, duration)))
    try:
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in ends:
            task.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        await demo.close()
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


async def _wait(event: asyncio.Event, longer: float = 0.0) -> None:
    await event.wait()
    await asyncio.sleep(longer)


class _Demo:
    """Everything of one demo. ``run`` never returns by itself; ``close`` ends whatever was started."""

    def __init__(self, wishes: _Wishes, directory: Path) -> None:
        self._wishes, self._directory = wishes, directory
        self._broker = Child("the broker", directory / "broker.log")
        self._park = Child("the simulated cameras", directory / "cameras.log")
        self._nodes: NodePair | None = None
        self._televisions: list[Terminal] = []
        self._names: dict[str, str] = {}
        self.up = asyncio.Event()  # both nodes are ready and the console's address is told

    async def run(self) -> None:
        login = Login("127.0.0.1", free_port(), "township", secrets.token_urlsafe(18))
        _note("starting the broker and the cameras …")
        _, rtsp_port = await asyncio.gather(start_embedded(self._broker, login), self._start_cameras())
        plan = Plan(
            self._directory,
            self._wishes.port,
            self._wishes.port + 1,
            login,
            "3.1.1",
            camera_settings(self._wishes.cameras, rtsp_port),
            terminal_settings(_TELEVISIONS),
            password=secrets.token_urlsafe(9),
        )
        self._nodes = NodePair(plan)
        _note("starting a county and a township …")
        await self._nodes.prepare()
        await self._nodes.start()
        self._greet(plan)
        self.up.set()
        await first_of(self._broker.guard(), self._park.guard(), self._nodes.watch(), self._live(self._nodes, plan))

    async def close(self) -> None:
        await asyncio.gather(*(television.close() for television in self._televisions))
        if self._nodes is not None:
            await self._nodes.stop()
        await asyncio.gather(self._broker.stop(1.5), self._park.stop(1.5))

    async def _start_cameras(self) -> int:
        wanted = ("-m", "gateway.lab.cameras", "--leashed", "--cameras", str(self._wishes.cameras))
        port: int = (await self._park.start_leashed(*wanted))["port"]
        return port

    def _greet(self, plan: Plan) -> None:
        console = f"http://127.0.0.1:{plan.county_port}/"
        say(f"console: {console}")
        say(f"user: {plan.user}")
        say(f"password: {plan.password}")
        say(f"township: http://127.0.0.1:{plan.township_port}/  (same user and password)")
        if self._wishes.browser and _has_display():
            webbrowser.open(console)

    async def _switch_on(self, plan: Plan) -> None:
        for settings in plan.terminals:
            terminal = str(settings["id"])
            self._names[terminal] = f"{settings['household']['name']}, {settings['household']['address']}"
            television = Terminal(plan.broker, terminal, on_stage=_tell_late_stages)
            self._televisions.append(television)
            await television.connect()

    async def _live(self, nodes: NodePair, plan: Plan) -> None:
        """Switch the televisions on and press a button now and then, for ever."""
        await self._switch_on(plan)
        await asyncio.gather(asyncio.sleep(_FIRST_PRESS), self._until_cameras_are_online(nodes))
        turn = 0
        while True:
            kind, text = _WHAT_HAPPENS[turn % len(_WHAT_HAPPENS)]
            await self._press(self._televisions[turn % len(self._televisions)], kind, text)
            turn += 1
            await asyncio.sleep(random.uniform(*_BETWEEN_PRESSES))

    async def _until_cameras_are_online(self, nodes: NodePair) -> None:
        deadline = time.monotonic() + _CAMERAS_WITHIN
        while time.monotonic() < deadline:
            cameras = await nodes.township.list_all("/api/v1/cameras")
            if cameras and all(camera["state"] == "online" for camera in cameras):
                return
            await asyncio.sleep(0.5)
        say("not all cameras are online yet; pressing all the same, the alert will say which pictures are missing")

    async def _press(self, television: Terminal, kind: Kind, text: str | None) -> None:
        _tell(f"{television.id} ({self._names[television.id]}) presses {kind.value}")
        _tell(describe(await television.press(kind, text=text)))


def describe(times: PressTimes) -> str:
    """One line on how far a press came, and when."""
    if times.r1 is None:
        return f"press {times.press_id}: nobody has received it yet, after {times.sent} tries"
    forwarded = "not yet at the county" if times.r2 is None else f"R2 at the county after {times.r2 * 1000:.0f} ms"
    return f"press {times.press_id}: R1 received after {times.r1 * 1000:.0f} ms, {forwarded} (alert {times.alert_id})"


def _tell_late_stages(times: PressTimes, stage: Stage) -> None:
    if stage is Stage.ACCEPTED:
        _tell(f"press {times.press_id}: R3 an operator accepted it after {times.heard[stage]:.1f} s")
    elif stage is Stage.CLOSED:
        _tell(f"press {times.press_id}: closed after {times.heard[stage]:.1f} s")


def _tell(line: str) -> None:
    say(f"{datetime.now():%H:%M:%S} {line}")


def _note(line: str) -> None:
    sys.stderr.write(line + "\n")


def _has_display() -> bool:
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
