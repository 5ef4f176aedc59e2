"""``gateway bench desk``: what an operator in front of a real browser waits for.

From a press to its row and its sound at the county, through a real broker and two real nodes; with ``--live`` from a click
to something to see and to moving pictures at the township.
"""

import asyncio
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.console import web
from gateway.errors import RunningError
from gateway.lab.bench.alarm_figures import spread
from gateway.lab.bench.desk_page import DeskPage, desk_page
from gateway.lab.bench.running import Result, run_bench
from gateway.lab.brokers import require_mosquitto
from gateway.lab.children import Child, free_port
from gateway.lab.nodes import NodePair, Plan
from gateway.lab.report import Steps, machine_line, print_table
from gateway.lab.terminals import Terminal
from gateway.lab.village import camera_id, camera_settings, terminal_settings
from gateway.model import Kind, Stage

_CAMERAS = 3
_TERMINALS = 200
# Slower than the desk's flood mode begins (30 a minute): there rows stand in groups and one tone in ten seconds is all.
_EVERY = 2.5
_SHOWN_WITHIN = 60.0
_ONLINE_WITHIN = 120.0
_SETTLE = 6.0  # seconds: pictures from before the first press, and a few GOPs
_FORGOTTEN_AFTER = 6.5  # seconds: a view that ended lingers for 5, with its GOP
_COLUMNS = ("p50", "p90", "p99", "max")


@dataclass(slots=True)
class _Measured:
    """Seconds from the publish, press by press."""

    rows: list[float] = field(default_factory=list)
    tones: list[float] = field(default_factory=list)
    unseen: int = 0
    unheard: int = 0

    def result(self) -> Result:
        return {
            "row_ms": spread(self.rows),
            "sound_ms": spread(self.tones),
            "unseen": self.unseen,
            "unheard": self.unheard,
        }


def run_bench_desk(as_json: bool = False, *, presses: int = 100, live: bool = False, views: int = 20) -> int:
    """Measure and print; the exit code. 1 also where a press was not seen or not heard."""

    async def measure(directory: Path, progress: Steps) -> Result:
        async with asyncio.timeout(600 + _SHOWN_WITHIN * presses + 60 * views):
            return await _Bench(directory, progress, presses=presses, live=live, views=views).measure()

    measured = run_bench("desk", measure, _print, as_json=as_json, on_disk=True)
    return 1 if measured is None or measured.get("unseen") or measured.get("unheard") else 0


class _Bench:
    def __init__(self, directory: Path, progress: Steps, *, presses: int, live: bool, views: int) -> None:
        self._directory, self._progress = directory, progress
        self._presses, self._live, self._views = presses, live, views
        self._broker = Child("the broker", directory / "broker.log")
        self._park = Child("the simulated cameras", directory / "cameras.log")
        self._terminals: list[Terminal] = []

    async def measure(self) -> Result:
        if not (Path(web.__file__).parent / "dist" / "index.html").is_file():
            raise RunningError("the console's pages are not built yet; python -m gateway.console.web.build builds them")
        nodes: NodePair | None = None
        try:
            self._progress.step("starting broker, cameras, county and township")
            nodes = NodePair(await self._plan())
            await nodes.prepare()
            await nodes.start()
            await self._cameras_online(nodes)
            begun = os.getloadavg()[0]
            measured = await (self._watch_live(nodes) if self._live else self._press_and_watch(nodes))
        finally:
            for terminal in self._terminals:
                await terminal.close()
            if nodes is not None:
                await nodes.stop()
            await asyncio.gather(self._broker.stop(3), self._park.stop(3))
        return {"load_average_before": round(begun, 2)} | measured

    async def _plan(self) -> Plan:
        broker = await require_mosquitto(self._broker, self._directory)
        wanted = ("-m", "gateway.lab.cameras", "--clip", "--leashed", "--cameras", str(_CAMERAS))
        rtsp_port = (await self._park.start_leashed(*wanted, "--profile", "sub", within=240))["port"]
        cameras = camera_settings(_CAMERAS, rtsp_port)
        # Of --live: the first camera's GOP is kept (it is asked for clips), the second one's is not.
        kept = [one | {"clip": number == 0} for number, one in enumerate(cameras)] if self._live else cameras
        households = [] if self._live else terminal_settings(min(_TERMINALS, self._presses))
        ports = (free_port(), free_port())
        return Plan(self._directory, *ports, broker, cameras=kept, terminals=households, password=secrets.token_hex(12))

    async def _cameras_online(self, nodes: NodePair) -> None:
        deadline = time.monotonic() + _ONLINE_WITHIN
        while any(camera["state"] != "online" for camera in await nodes.township.list_all("/api/v1/cameras")):
            if time.monotonic() > deadline:
                raise RunningError(f"the simulated cameras did not come online within {_ONLINE_WITHIN:.0f} s")
            await asyncio.sleep(0.5)
        await asyncio.sleep(_SETTLE)

    async def _press_and_watch(self, nodes: NodePair) -> Result:
        for household in nodes.plan.terminals:
            terminal = Terminal(nodes.plan.broker, household["id"])
            await terminal.connect()
            self._terminals.append(terminal)
        measured = _Measured()
        async with desk_page(f"http://127.0.0.1:{nodes.plan.county_port}") as page:
            await page.log_in(nodes.plan.user, nodes.plan.password)
            await page.go_on_duty()
            apart = [await page.clock_apart_ms()]
            start = time.monotonic()
            for number in range(self._presses):
                self._progress.step(f"{self._presses} presses", number / self._presses)
                await asyncio.sleep(max(0.0, start + number * _EVERY - time.monotonic()))
                await self._one_press(nodes, page, self._terminals[number % len(self._terminals)], measured)
            apart.append(await page.clock_apart_ms())
        return {"presses": self._presses, "every_s": _EVERY, "clocks_apart_ms": max(apart)} | measured.result()

    async def _one_press(self, nodes: NodePair, page: DeskPage, terminal: Terminal, measured: _Measured) -> None:
        """The operator takes it as soon as it is seen and heard, so that the desk is quiet before the next."""
        await page.quiet()
        # The terminal counts by the monotonic clock, the page by the wall's.
        wall_ahead = time.time() - time.monotonic()
        times = await terminal.press(Kind.SOS, until=Stage.RECEIVED, within=_SHOWN_WITHIN)
        if times.alert_id is None:
            raise RunningError(f"press {times.press_id} got no receipt within {_SHOWN_WITHIN:.0f} s")
        pressed = 1000 * (times.started + wall_ahead)
        shown = await page.shown(times.alert_id, pressed, _SHOWN_WITHIN)
        if shown.row is None:
            measured.unseen += 1
        else:
            measured.rows.append((shown.row - pressed) / 1000)
        if shown.tone is None:
            measured.unheard += 1
        else:
            measured.tones.append((shown.tone - pressed) / 1000)
        if shown.row is not None:
            path = f"/api/v1/alerts/{times.alert_id}/actions"
            await nodes.county.call("POST", path, {"action": "acknowledge"})

    async def _watch_live(self, nodes: NodePair) -> Result:
        found: Result = {"views": self._views}
        async with desk_page(f"http://127.0.0.1:{nodes.plan.township_port}") as page:
            await page.log_in(nodes.plan.user, nodes.plan.password)
            for number, name in ((1, "kept"), (2, "not_kept")):
                wall = {"name": "", "size": 4, "cameras": [camera_id(number)], "carousel": 0}
                kept = {"items": [wall], "current": 0, "press": True}
                await nodes.township.call("PUT", "/api/v1/preferences/walls", kept)
                await page.show_wall()
                await page.view()  # the first of all starts the live process
                times = []
                for turn in range(self._views):
                    self._progress.step(f"views, GOP {name.replace('_', ' ')}", turn / self._views)
                    await asyncio.sleep(
                        _FORGOTTEN_AFTER + 0.37 * (turn % 5)
                    )  # anywhere within a GOP, not in step with it
                    times.append(await page.view())
                found[f"gop_{name}"] = {
                    "picture_ms": spread([picture / 1000 for picture, _ in times]),
                    "moving_ms": spread([moving / 1000 for _, moving in times]),
                }
        return found


def _print(result: Result) -> None:
    if "presses" in result:
        title = (
            f"{result['presses']} presses, one each {result['every_s']} s; clocks {result['clocks_apart_ms']} ms apart"
        )
        figures = [("press → row painted", result["row_ms"]), ("press → sound begins", result["sound_ms"])]
    else:
        title = f"{result['views']} views of a 512 kbit/s stream, keyframes 2 s apart"
        figures = [
            (f"GOP {kept}: click → {what}", result[f"gop_{key}"][f"{measure}_ms"])
            for kept, key in (("kept", "kept"), ("not kept", "not_kept"))
            for what, measure in (("something to see", "picture"), ("moving pictures", "moving"))
        ]
    rows = [(name, str(one["measured"]), *(_ms(one, share) for share in _COLUMNS)) for name, one in figures]
    load = f"load {result['load_average_before']:.1f} → {result['load_average']:.1f}"
    print_table(f"{title}\n{machine_line()}, {load}", ("", "measured", *_COLUMNS), rows)


def _ms(figures: dict[str, Any], share: str) -> str:
    return f"{figures.get(share, float('nan')):.1f} ms"
