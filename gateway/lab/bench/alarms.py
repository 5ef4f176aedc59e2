"""``gateway bench alarms``: press → R1, R2 and the operator's screen, through two real nodes and a real broker.

Cameras are connected and pictures are taken meanwhile. The disk's own fsync is measured during the run, because no
receipt can be faster than it; what was lost or doubled is counted at the county.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import RunningError
from gateway.lab.api import Api
from gateway.lab.bench.alarm_figures import pictures_of, plot, press_ids, print_figures, result, times_of
from gateway.lab.bench.alarm_viewers import Viewers
from gateway.lab.bench.alarm_watch import Disk, Screen
from gateway.lab.bench.running import Result, run_bench
from gateway.lab.brokers import mosquitto_program, start_embedded, start_mosquitto
from gateway.lab.children import Child, free_port
from gateway.lab.mqtt_link import Login
from gateway.lab.nodes import NodePair, Plan
from gateway.lab.report import Steps
from gateway.lab.terminals import PressTimes, Terminal
from gateway.lab.village import camera_settings, terminal_settings
from gateway.model import Kind, Stage

_CAMERAS = 3
_TERMINALS = 100
_ONLINE_WITHIN = 120.0  # on a busy machine the cameras' first pictures take their time
_HEARD_WITHIN = 60.0  # seconds a terminal waits for R2
_PICTURES_WITHIN = 120.0  # the last picture is wanted 10 s after the last press
_WARM_UP = 6.0  # so that the cameras have pictures from before the first press
_STORM_CAMERAS = 200
_STORM_PRESSES = 2000
_STORM_RATE = 200.0
_STORM_TERMINALS = 1000


@dataclass(frozen=True, slots=True)
class Course:
    """What is pressed, and beside what. ``viewers``: live views at the township. ``plot``: where an SVG is written."""

    presses: int = 400
    rate: float = 20.0
    cameras: int = _CAMERAS
    terminals: int = _TERMINALS
    viewers: int = 0
    plot: Path | None = None


def run_bench_alarms(
    as_json: bool = False,
    *,
    presses: int = 400,
    rate: float = 20.0,
    storm: bool = False,
    viewers: int = 0,
    plot: Path | None = None,
) -> int:
    """Measure and print; the exit code. 1 also where a press was lost or doubled. ``storm``: 2,000 presses in ten seconds
    while 200 cameras run, whatever the others say."""
    course = (
        Course(_STORM_PRESSES, _STORM_RATE, _STORM_CAMERAS, _STORM_TERMINALS, viewers, plot)
        if storm
        else Course(presses, rate, viewers=viewers, plot=plot)
    )

    async def measure(directory: Path, progress: Steps) -> Result:
        return await _Bench(directory, course, progress).measure()

    measured = run_bench("alarms", measure, print_figures, as_json=as_json, on_disk=True)
    return 1 if measured is None or any(measured[fault] for fault in ("lost", "doubled", "unanswered")) else 0


class _Bench:
    def __init__(self, directory: Path, course: Course, progress: Steps) -> None:
        self._directory, self._course, self._progress = directory, course, progress
        self._presses, self._rate = course.presses, course.rate
        self._households = terminal_settings(min(course.terminals, course.presses))
        self._broker = Child("the broker", directory / "broker.log")
        self._park = Child("the simulated cameras", directory / "cameras.log")
        self._terminals: list[Terminal] = []
        self._viewers = Viewers(directory, course.viewers)

    async def measure(self) -> dict[str, Any]:
        nodes: NodePair | None = None
        try:
            self._progress.step("starting broker, cameras, county and township")
            broker_name, login = await self._start_broker()
            nodes = NodePair(await self._plan(login, "auto" if broker_name == "mosquitto" else "3.1.1"))
            await nodes.prepare()
            await nodes.start()
            await self._connect(login)
            await self._cameras_online(nodes.township)
            await self._viewers.start(nodes.township)
            result = await self._press_and_listen(nodes)
        finally:
            for terminal in self._terminals:
                await terminal.close()
            await self._viewers.stop()
            if nodes is not None:
                await nodes.stop()
            await asyncio.gather(self._broker.stop(3), self._park.stop(3))
        return {
            "broker": broker_name,
        } | result

    async def _start_broker(self) -> tuple[str, Login]:
        program = mosquitto_program()
        if program is not None:
            return "mosquitto", await start_mosquitto(self._broker, program, self._directory)
        login = Login("127.0.0.1", free_port(), "lab", secrets.token_urlsafe(12))
        await start_embedded(self._broker, login)
        return "amqtt (Mosquitto is not on this machine)", login

    async def _plan(self, login: Login, protocol: str) -> Plan:
        # clips, encoded beforehand: drawing and encoding live would take from the box what a real camera does not
        wanted = ("-m", "gateway.lab.cameras", "--clip", "--leashed", "--cameras", str(self._course.cameras))
        rtsp_port = (await self._park.start_leashed(*wanted, within=240))["port"]
        return Plan(
            self._directory,
            free_port(),
            free_port(),
            login,
            protocol,
            camera_settings(self._course.cameras, rtsp_port),
            self._households,
            password=secrets.token_urlsafe(12),
        )

    async def _connect(self, login: Login) -> None:
        for settings in self._households:
            terminal = Terminal(login, settings["id"])
            await terminal.connect()
            self._terminals.append(terminal)

    async def _cameras_online(self, township: Api) -> None:
        deadline = time.monotonic() + _ONLINE_WITHIN
        while any(camera["state"] != "online" for camera in await township.list_all("/api/v1/cameras")):
            if time.monotonic() > deadline:
                raise RunningError(
                    f"the simulated cameras did not come online within {_ONLINE_WITHIN:.0f} s; the bench needs their load"
                )
            await asyncio.sleep(0.5)
        await asyncio.sleep(_WARM_UP)

    async def _press_and_listen(self, nodes: NodePair) -> dict[str, Any]:
        screen, disk = Screen(nodes.county), Disk(self._directory / "fsync")
        watching = [
            asyncio.create_task(screen.watch()),
            asyncio.create_task(disk.probe()),
            asyncio.create_task(nodes.watch()),
        ]
        try:
            await screen.listening()
            began = time.monotonic()
            times = await self._press_all()
            took = time.monotonic() - began
            live = {"live": await self._viewers.told()} if self._course.viewers else {}
            self._progress.step("waiting for the last pictures", 1.0)
            alerts = await self._settled(nodes.county, times)
        finally:
            for task in watching:
                task.cancel()
            ends = await asyncio.gather(*watching, return_exceptions=True)
        died = next((end for end in ends if isinstance(end, RunningError)), None)
        if died is not None:
            raise died
        if self._course.plot is not None:
            seconds = times_of(times, screen.seen, screen.pictures, disk.seconds)
            self._course.plot.write_text(
                plot(f"{self._presses} presses at {self._rate:g}/s", seconds), encoding="utf-8"
            )
        course = {"presses": self._presses, "rate": self._rate, "cameras": self._course.cameras}
        return (
            course
            | {"seconds": round(took, 1)}
            | live
            | result(times, screen.seen, screen.pictures, disk.seconds, alerts)
        )

    async def _press_all(self) -> list[PressTimes]:
        start, presses = time.monotonic(), []
        terminals = itertools.cycle(self._terminals)
        for number in range(self._presses):
            await asyncio.sleep(max(0.0, start + number / self._rate - time.monotonic()))
            press = next(terminals).press(Kind.SOS, until=Stage.FORWARDED, within=_HEARD_WITHIN)
            presses.append(asyncio.create_task(press))
            self._progress.step(f"pressing {self._presses} times, {self._rate:g} a second", number / self._presses)
        return list(await asyncio.gather(*presses))

    async def _settled(self, county: Api, times: Sequence[PressTimes]) -> list[dict[str, Any]]:
        """The county's alerts, once every press is there and every picture is taken or has failed."""
        deadline = time.monotonic() + _PICTURES_WITHIN
        while True:
            alerts = await county.list_all("/api/v1/alerts")
            there = len(press_ids(alerts)) >= len(times)
            if (there and not pictures_of(alerts)["pending"]) or time.monotonic() > deadline:
                return alerts
            await asyncio.sleep(1.0)
