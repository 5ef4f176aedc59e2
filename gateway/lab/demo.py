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
from functools import partial
from pathlib import Path
from typing import Any

from gateway.errors import DeviceError, RunningError
from gateway.lab.brokers import start_embedded
from gateway.lab.children import Child, first_of, free_port, port_is_free
from gateway.lab.demo_park import DemoPark, Notice
from gateway.lab.mqtt_link import Login
from gateway.lab.nodes import NodePair, Plan
from gateway.lab.report import complain, say
from gateway.lab.terminals import PressTimes, Terminal
from gateway.lab.village import TAXONOMY, terminal_settings
from gateway.model import Kind, Stage

_TELEVISIONS = 4
_FIRST_PRESS = 5.0  # seconds after the start, so that the cameras already have pictures from before the press
_CAMERAS_WITHIN = 15.0
_REVIVED_AFTER = 20.0  # seconds a killed node stays away: longer than an upper node may take to confirm (15 s)
_LOOK_EVERY = 2.0
_BEFORE_NOTICES = (12.0, 20.0)
_BETWEEN_PRESSES = (20.0, 40.0)
_MARKS = {
    "undelivered": "not confirmed within 15 s by",
    "escalated_to": "nobody has accepted it in time; escalated to the",
}
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
        self._park = DemoPark(wishes.cameras, directory)
        self._nodes: NodePair | None = None
        self._televisions: list[Terminal] = []
        self._names: dict[str, str] = {}
        self.up = asyncio.Event()  # both nodes are ready and the console's address is told

    async def run(self) -> None:
        login = Login("127.0.0.1", free_port(), "township", secrets.token_urlsafe(18))
        _note("starting the broker and the cameras …")
        await asyncio.gather(start_embedded(self._broker, login), self._park.start())
        plan = Plan(
            self._directory,
            self._wishes.port,
            self._wishes.port + 1,
            login,
            "3.1.1",
            self._park.settings(),
            _side_by_side(self._park.with_presets(terminal_settings(_TELEVISIONS))),
            discovery=self._park.discovery(),
            password=secrets.token_urlsafe(9),
            township_role="admin",
            taxonomy=TAXONOMY,
        )
        self._nodes = NodePair(plan)
        _note("starting a county and a township …")
        await self._nodes.prepare()
        await self._nodes.start()
        self._greet(plan)
        self.up.set()
        nodes = self._nodes
        guards = (self._broker.guard(), self._park.guard(), nodes.revive(_tell_gone, _tell_back, _REVIVED_AFTER))
        await first_of(*guards, self._live(nodes, plan), self._follow(nodes), patience=2.0)

    async def close(self) -> None:
        await asyncio.gather(*(television.close() for television in self._televisions))
        if self._nodes is not None:
            await self._nodes.stop()
        await asyncio.gather(self._broker.stop(1.5), self._park.stop(1.5))

    def _greet(self, plan: Plan) -> None:
        console = f"http://127.0.0.1:{plan.county_port}/"
        say(f"console: {console}")
        say(f"user: {plan.user}")
        say(f"password: {plan.password}")
        say(f"township: http://127.0.0.1:{plan.township_port}/  (same user and password)")
        assert self._nodes is not None
        county, township = self._nodes.pids
        say(
            f"try it: leave a press alone for a minute; pull a plug with kill -9 {county} (county) or {township} (township)"
        )
        if (login := self._park.spare_login) is not None:
            say("one more camera to find and add on the township's page: user {}, password {}".format(*login))
        if self._wishes.browser and _has_display():
            webbrowser.open(console)

    async def _switch_on(self, plan: Plan) -> None:
        for settings in plan.terminals:
            terminal = str(settings["id"])
            self._names[terminal] = f"{settings['household']['name']}, {settings['household']['address']}"
            television = Terminal(
                plan.broker, terminal, on_stage=_tell_late_stages, on_neighbour=partial(self._tell_neighbour, terminal)
            )
            self._televisions.append(television)
            await television.connect()

    async def _live(self, nodes: NodePair, plan: Plan) -> None:
        """Switch the televisions on; press a button now and then, and let cameras notice something, for ever."""
        await self._switch_on(plan)
        await asyncio.gather(asyncio.sleep(_FIRST_PRESS), self._until_cameras_are_online(nodes))
        turn, notices = 0, self._park.notices()
        while True:
            kind, text = _WHAT_HAPPENS[turn % len(_WHAT_HAPPENS)]
            await self._press(self._televisions[turn % len(self._televisions)], kind, text)
            await asyncio.sleep(random.uniform(*_BEFORE_NOTICES))
            await self._notice(notices[turn % len(notices)])
            turn += 1
            await asyncio.sleep(random.uniform(*_BETWEEN_PRESSES))

    def _tell_neighbour(self, terminal: str, pressed: str, text: str) -> None:
        _tell(f"{terminal} ({self._names[terminal]}), next door to {pressed}, shows: {text}")

    async def _follow(self, nodes: NodePair) -> None:
        """Tell what nobody pressed for: an alert that waits for a receipt, or that nobody has accepted. Never returns."""
        told: set[tuple[str, str]] = set()
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                alerts = (await nodes.township.get("/api/v1/alerts?limit=20"))["items"]
            except RunningError:
                continue  # its plug was pulled; it comes back
            for alert in alerts:
                for mark, words in _MARKS.items():
                    names, key = alert["detail"].get(mark), (str(alert["id"]), mark)
                    if names and key not in told:
                        told.add(key)
                        _tell(f"alert {alert['id']}: {words} {', '.join(names)}")
                    elif not names and mark == "undelivered" and key in told:
                        told.discard(key)
                        _tell(f"alert {alert['id']}: the county has it after all")

    async def _until_cameras_are_online(self, nodes: NodePair) -> None:
        deadline = time.monotonic() + _CAMERAS_WITHIN
        while time.monotonic() < deadline:
            try:
                cameras = await nodes.township.list_all("/api/v1/cameras")
            except RunningError:
                cameras = []  # its plug was pulled; it comes back
            if cameras and all(camera["state"] == "online" for camera in cameras):
                return
            await asyncio.sleep(0.5)
        say("not all cameras are online yet; pressing all the same, the alert will say which pictures are missing")

    async def _notice(self, notice: Notice) -> None:
        _tell(notice.words)
        await self._park.notice(notice)

    async def _press(self, television: Terminal, kind: Kind, text: str | None) -> None:
        _tell(f"{television.id} ({self._names[television.id]}) presses {kind.value}")
        _tell(describe(await television.press(kind, text=text)))


def _side_by_side(terminals: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The households, each with the next one as its neighbour (十户联防)."""
    ids = [str(one["id"]) for one in terminals]
    return [one | {"neighbours": [ids[(number + 1) % len(ids)]]} for number, one in enumerate(terminals)]


def _tell_gone(name: str) -> None:
    others = "the township goes on taking presses" if "county" in name else "televisions repeat what they press"
    _tell(f"{name} is gone; {others}. It is started again in {_REVIVED_AFTER:.0f} s")


def _tell_back(name: str) -> None:
    _tell(f"{name} is back")


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
