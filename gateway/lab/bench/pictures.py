"""``gateway bench pictures``: a picture on demand, and the pictures of ten alerts at once with four cameras each."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.errors import DeviceError, RunningError
from gateway.lab.api import Api
from gateway.lab.bench.rig import STREAMS, Park, spread_ms
from gateway.lab.bench.running import Result, run_bench
from gateway.lab.brokers import require_mosquitto
from gateway.lab.children import Child, free_port
from gateway.lab.mqtt_link import Login
from gateway.lab.nodes import NodePair, Plan
from gateway.lab.report import Steps, machine_line, print_table
from gateway.lab.terminals import Terminal
from gateway.lab.village import terminal_settings
from gateway.model import Kind, Stage

_ALERTS, _EACH = 10, 4
_WARM_UP = 15.0  # so that −5 s is well inside the ring
_WITHIN = 120.0
_PAUSE = 75.0  # the merge window has passed: the next presses raise alerts of their own


def run_bench_pictures(
    as_json: bool = False, *, looks: int = 200, rounds: int = 3, stream: str = "main", warm_up: float = _WARM_UP
) -> int:
    """Measure and print; the exit code, which is 1 where a picture of before the press did not come."""

    async def measure(directory: Path, progress: Steps) -> Result:
        return await _Bench(directory, looks, rounds, stream, progress, warm_up).measure()

    result = run_bench("pictures", measure, _print, as_json=as_json, on_disk=True)
    return 1 if result is None or any(storm["failed"] for storm in result["storms"]) else 0


class _Bench:
    def __init__(self, directory: Path, looks: int, rounds: int, stream: str, progress: Steps, warm_up: float) -> None:
        self._directory, self._looks, self._rounds, self._progress = directory, looks, rounds, progress
        self._warm_up = warm_up
        self._park = Park(directory, _ALERTS * _EACH, STREAMS[stream])
        self._broker = Child("the broker", directory / "broker.log")
        self._terminals: list[Terminal] = []

    async def measure(self) -> dict[str, Any]:
        nodes: NodePair | None = None
        try:
            self._progress.step("starting broker, cameras, county and township")
            login = await require_mosquitto(self._broker, self._directory)
            await self._park.start()
            nodes = NodePair(self._plan(login))
            await nodes.prepare()
            await nodes.start()
            await self._connect(login)
            cameras = await self._all_online(nodes.township)
            await asyncio.sleep(self._warm_up)
            looks = await self._look(nodes.township, cameras)
            storms = [await self._storm(nodes.county, number) for number in range(self._rounds)]
        finally:
            for terminal in self._terminals:
                with suppress(DeviceError):
                    await terminal.close()
            if nodes is not None:
                await nodes.stop()
            await asyncio.gather(self._park.stop(), self._broker.stop(3))
        return {
            "stream": self._park.stream.name,
            "snapshot_ms": spread_ms(looks),
            "storms": storms,
        }

    async def _look(self, township: Api, cameras: Sequence[str]) -> list[float]:
        """Seconds for a picture of each camera in turn: asked of the API, decoded for it, read whole."""
        took: list[float] = []
        for number in range(self._looks):
            self._progress.step(f"{self._looks} pictures on demand", number / self._looks)
            began = time.monotonic()
            jpeg = await township.content(f"/api/v1/cameras/{cameras[number % len(cameras)]}/snapshot.jpg?reason=bench")
            took.append(time.monotonic() - began)
            if not jpeg.startswith(b"\xff\xd8"):
                raise RunningError("a snapshot was no JPEG")
            await asyncio.sleep(0.05)  # forty cameras take more than a GOP: no keyframe is asked for twice
        return took

    async def _storm(self, county: Api, number: int) -> dict[str, Any]:
        """Ten terminals press at once; when does the last −5 s and 0 s picture stand at the county, readable?"""
        if number:
            self._progress.step("waiting until the next presses raise alerts of their own")
            await asyncio.sleep(_PAUSE)
        self._progress.step(f"storm {number + 1} of {self._rounds}")
        began = time.monotonic()
        presses = [terminal.press(Kind.SOS, until=Stage.FORWARDED, within=_WITHIN) for terminal in self._terminals]
        alerts = [press.alert_id for press in await asyncio.gather(*presses)]
        if None in alerts:
            raise RunningError("a press was not received")
        ready: dict[str, float] = {}
        failed: dict[str, str] = {}
        while len(ready) + len(failed) < _ALERTS * _EACH * 2:
            if time.monotonic() - began > _WITHIN:
                break
            for alert_id in alerts:
                await self._readable(county, str(alert_id), ready, failed, began)
            await asyncio.sleep(0.05)
        return {
            "pictures": len(ready),
            "failed": len(failed) + _ALERTS * _EACH * 2 - len(ready) - len(failed),
            "reasons": sorted(set(failed.values())),
            "at_the_county_ms": spread_ms(list(ready.values())),
        }

    async def _readable(
        self, county: Api, alert_id: str, ready: dict[str, float], failed: dict[str, str], began: float
    ) -> None:
        alert = await county.get(f"/api/v1/alerts/{alert_id}")
        for camera in alert["cameras"]:
            for shot in camera["snapshots"]:
                if shot["wanted_ms"] > 0 or shot["id"] in ready or shot["id"] in failed:
                    continue
                if shot["state"] == "failed":
                    failed[shot["id"]] = shot["reason"]
                elif shot["state"] == "ready" and (await county.content(shot["url"])).startswith(b"\xff\xd8"):
                    ready[shot["id"]] = time.monotonic() - began

    def _plan(self, login: Login) -> Plan:
        rows = self._park.camera_rows()
        terminals = terminal_settings(_ALERTS)
        for number, terminal in enumerate(terminals):
            terminal["cameras"] = [row["id"] for row in rows[number * _EACH : (number + 1) * _EACH]]
        county, township = free_port(), free_port()
        password = secrets.token_urlsafe(12)
        return Plan(self._directory, county, township, login, cameras=rows, terminals=terminals, password=password)

    async def _connect(self, login: Login) -> None:
        for settings in terminal_settings(_ALERTS):
            terminal = Terminal(login, settings["id"])
            await terminal.connect()
            self._terminals.append(terminal)

    async def _all_online(self, township: Api) -> list[str]:
        deadline = time.monotonic() + _WITHIN
        while True:
            found = await township.list_all("/api/v1/cameras")
            if all(camera["state"] == "online" for camera in found):
                return [str(camera["id"]) for camera in found]
            if time.monotonic() > deadline:
                raise RunningError(f"the simulated cameras did not come online within {_WITHIN:.0f} s")
            await asyncio.sleep(0.5)


def _print(result: dict[str, Any]) -> None:
    look = result["snapshot_ms"]
    rows = [("snapshot on demand", str(look["measured"]), *(f"{look[share]} ms" for share in ("p50", "p99", "max")))]
    for number, storm in enumerate(result["storms"]):
        at = storm["at_the_county_ms"]
        name = f"storm {number + 1}: −5 s and 0 s pictures at the county, {storm['failed']} failed"
        rows.append((name, str(at["measured"]), *(f"{at.get(share)} ms" for share in ("p50", "p99", "max"))))
    title = f"{result['stream']}; ten alerts at once, four cameras each\n{machine_line()}"
    print_table(title, ("", "measured", "p50", "p99", "max"), rows)
