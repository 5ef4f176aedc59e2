"""``gateway bench recovery``: every camera loses its power for a minute and returns; presses go on meanwhile."""

import asyncio
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.errors import DeviceError
from gateway.lab.bench.rig import STREAMS, LoneNode, LoopLag, Park, spread_ms
from gateway.lab.bench.running import Result, run_bench
from gateway.lab.brokers import require_mosquitto
from gateway.lab.children import Child
from gateway.lab.mqtt_link import Login
from gateway.lab.report import Steps, machine_line, print_table
from gateway.lab.terminals import PressTimes, Terminal
from gateway.model import Kind, Stage

_TERMINALS = 50
_RATE = 5.0  # presses a second, all the while
_LONGEST = 180.0  # seconds to wait for the last camera
_STEADY = 20.0
_SHARES = (("half", 0.5), ("95 %", 0.95), ("all", 1.0))


def run_bench_recovery(
    as_json: bool = False, *, cameras: int = 1000, dark: float = 60.0, steady: float = _STEADY
) -> int:
    """Measure and print; the exit code, which is 1 where a press went unanswered or a camera stayed away."""

    async def measure(directory: Path, progress: Steps) -> Result:
        return await _Bench(directory, cameras, dark, progress, steady).measure()

    result = run_bench("recovery", measure, _print, as_json=as_json, on_disk=True)
    return 1 if result is None or result["back_s"]["all"] is None or result["unanswered"] else 0


class _Bench:
    def __init__(self, directory: Path, cameras: int, dark: float, progress: Steps, steady: float) -> None:
        self._directory, self._cameras, self._dark, self._progress = directory, cameras, dark, progress
        self._steady = steady
        self._park = Park(directory, cameras, STREAMS["sub"])
        self._broker = Child("the broker", directory / "broker.log")
        self._terminals: list[Terminal] = []

    async def measure(self) -> dict[str, Any]:
        node: LoneNode | None = None
        try:
            self._progress.step(f"starting {self._cameras} simulated cameras, a broker and a node")
            login = await require_mosquitto(self._broker, self._directory)
            await self._park.start()
            node = LoneNode(self._directory, self._settings(login))
            await node.start()
            await self._connect(login)
            first = await node.online(self._cameras)
            await asyncio.sleep(self._steady)
            result = {"first_connect_s": round(first, 1)} | await self._cut(node)
        finally:
            for terminal in self._terminals:
                with suppress(DeviceError):
                    await terminal.close()
            if node is not None:
                await node.stop()
            await asyncio.gather(self._park.stop(), self._broker.stop(3))
        return result

    async def _cut(self, node: LoneNode) -> dict[str, Any]:
        pressing = asyncio.create_task(self._press_on())
        try:
            before = await node.metrics()
            self._progress.step(f"the power is off for {self._dark:.0f} s")
            await self._park.tell(power="off", cameras="all")
            await asyncio.sleep(self._dark)
            gone = await node.states()
            await self._park.tell(figures="reset")
            await self._park.tell(power="on", cameras="all")
            returned_at, returned = datetime.now(UTC), time.monotonic()
            back = await self._wait(node, returned_at, returned)
            figures = await self._park.tell(figures=True)
            lag = LoopLag(before, await node.metrics())
        finally:
            pressing.cancel()
            with suppress(asyncio.CancelledError):
                await pressing
        return {
            "cameras": self._cameras,
            "dark_s": self._dark,
            "states_while_dark": gone,
            "back_s": back,
            "dials_at_once_at_most": figures["most_half_done_dials"],
            "core_loop_lag_p99_at_most_ms": round(1000 * lag.at_most(0.99), 1),
        } | self._presses()

    async def _wait(self, node: LoneNode, returned_at: datetime, returned: float) -> dict[str, float | None]:
        """Seconds until these shares of the cameras have sent a keyframe after the power came back."""
        back: dict[str, float | None] = {name: None for name, _ in _SHARES}
        while time.monotonic() - returned < _LONGEST:
            seen = sum(at > returned_at for at in await node.last_keyframes())
            self._progress.step("the power is back", seen / self._cameras)
            for name, share in _SHARES:
                if back[name] is None and seen >= share * self._cameras:
                    back[name] = round(time.monotonic() - returned, 1)
            if back["all"] is not None:
                break
            await asyncio.sleep(0.5)
        return back

    def _settings(self, login: Login) -> dict[str, Any]:
        return {
            "cameras_file": str(self._park.cameras_file),
            "sources": [{"kind": "mqtt", "id": "tv", "url": str(login)}],
        }

    async def _connect(self, login: Login) -> None:
        for number in range(_TERMINALS):
            terminal = Terminal(login, f"tv-{number + 1:04d}-{secrets.token_hex(2)}")
            await terminal.connect()
            self._terminals.append(terminal)
        self._heard: list[asyncio.Task[PressTimes]] = []

    async def _press_on(self) -> None:
        number, start = 0, time.monotonic()
        while True:
            press = self._terminals[number % _TERMINALS].press(Kind.SOS, until=Stage.RECEIVED, within=20)
            self._heard.append(asyncio.create_task(press))
            number += 1
            await asyncio.sleep(max(0.0, start + number / _RATE - time.monotonic()))

    def _presses(self) -> dict[str, Any]:
        done = [press.result() for press in self._heard if press.done() and not press.cancelled()]
        return {
            "presses": len(done),
            "r1_ms": spread_ms([one.r1 for one in done if one.r1 is not None]),
            "unanswered": sum(one.r1 is None for one in done),
        }


def _print(result: dict[str, Any]) -> None:
    title = f"{result['cameras']} cameras without power for {result['dark_s']:.0f} s\n{machine_line()}"
    back, r1 = result["back_s"], result["r1_ms"]
    rows = [
        ("first connect of all", f"{result['first_connect_s']} s"),
        *((f"back: {name}", f"{seconds} s") for name, seconds in back.items()),
        ("dials at once, at most", str(result["dials_at_once_at_most"])),
        ("core loop lag p99, at most", f"{result['core_loop_lag_p99_at_most_ms']} ms"),
        ("presses meanwhile, unanswered", f"{result['presses']}, {result['unanswered']}"),
        ("R1 p50, p99, longest", f"{r1.get('p50')}, {r1.get('p99')}, {r1.get('max')} ms"),
    ]
    print_table(title, ("", ""), rows)
