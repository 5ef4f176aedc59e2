"""``gateway bench alarms``: press → R1, R2 and the operator's screen, through two real nodes and a real broker.

Cameras are connected and pictures are taken meanwhile. The disk's own fsync is measured during the run, because no
receipt can be faster than it; what was lost or doubled is counted at the county.
"""

import asyncio
import contextlib
import itertools
import json
import os
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.errors import DeviceError, RunningError
from gateway.lab.api import Api
from gateway.lab.brokers import mosquitto_program, start_embedded, start_mosquitto
from gateway.lab.children import Child, free_port, until_sigterm
from gateway.lab.mqtt_link import Login
from gateway.lab.nodes import NodePair, Plan
from gateway.lab.report import Steps, complain, machine, machine_line, print_json, print_table, quantile, steps
from gateway.lab.terminals import PressTimes, Terminal
from gateway.lab.village import camera_settings, terminal_settings
from gateway.model import Kind, Stage

_CAMERAS = 3
_TERMINALS = 100
_HEARD_WITHIN = 30.0  # seconds a terminal waits for R2
_PICTURES_WITHIN = 40.0  # the last picture is wanted 10 s after the last press
_WARM_UP = 6.0  # so that the cameras have pictures from before the first press
_FSYNC_EVERY = 0.05
_SHARES = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))


def run_bench_alarms(as_json: bool = False, *, presses: int = 400, rate: float = 20.0) -> int:
    """Measure and print; the exit code. 1 also where a press was lost or doubled."""
    try:
        with (
            tempfile.TemporaryDirectory(prefix="gateway-bench-", dir=_disk(), ignore_cleanup_errors=True) as directory,
            steps() as progress,
        ):
            result = asyncio.run(until_sigterm(_Bench(Path(directory), presses, rate, progress).measure()))
    except (KeyboardInterrupt, asyncio.CancelledError):
        complain("stopped; nothing was measured to its end")
        return 1
    except (RunningError, DeviceError) as error:
        complain(str(error))
        return 1
    if as_json:
        print_json(result)
    else:
        _print(result)
    return 0 if result["lost"] == result["doubled"] == result["unanswered"] == 0 else 1


def _disk() -> str | None:
    """A directory on a disk: /tmp often is memory, whose fsync costs nothing."""
    return "/var/tmp" if os.access("/var/tmp", os.W_OK) else None  # noqa: S108 - mkdtemp makes it private


class _Bench:
    def __init__(self, directory: Path, presses: int, rate: float, progress: Steps) -> None:
        self._directory, self._presses, self._rate, self._progress = directory, presses, rate, progress
        self._broker = Child("the broker", directory / "broker.log")
        self._park = Child("the simulated cameras", directory / "cameras.log")
        self._terminals: list[Terminal] = []

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
            result = await self._press_and_listen(nodes)
        finally:
            for terminal in self._terminals:
                await terminal.close()
            if nodes is not None:
                await nodes.stop()
            await asyncio.gather(self._broker.stop(3), self._park.stop(3))
        return {
            "bench": "alarms",
            "machine": machine(),
            "load_average": os.getloadavg()[0],
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
        wanted = ("-m", "gateway.lab.cameras", "--clip", "--leashed", "--cameras", str(_CAMERAS))
        rtsp_port = (await self._park.start_leashed(*wanted))["port"]
        households = terminal_settings(min(_TERMINALS, self._presses))
        return Plan(
            self._directory,
            free_port(),
            free_port(),
            login,
            protocol,
            camera_settings(_CAMERAS, rtsp_port),
            households,
            password=secrets.token_urlsafe(12),
        )

    async def _connect(self, login: Login) -> None:
        for settings in terminal_settings(min(_TERMINALS, self._presses)):
            terminal = Terminal(login, settings["id"])
            await terminal.connect()
            self._terminals.append(terminal)

    async def _cameras_online(self, township: Api) -> None:
        deadline = time.monotonic() + 30
        while any(camera["state"] != "online" for camera in await township.list_all("/api/v1/cameras")):
            if time.monotonic() > deadline:
                raise RunningError("the simulated cameras did not come online within 30 s; the bench needs their load")
            await asyncio.sleep(0.5)
        await asyncio.sleep(_WARM_UP)

    async def _press_and_listen(self, nodes: NodePair) -> dict[str, Any]:
        screen, disk = _Screen(nodes.county), _Disk(self._directory / "fsync")
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
            self._progress.step("waiting for the last pictures", 1.0)
            alerts = await self._settled(nodes.county, times)
        finally:
            for task in watching:
                task.cancel()
            ends = await asyncio.gather(*watching, return_exceptions=True)
        died = next((end for end in ends if isinstance(end, RunningError)), None)
        if died is not None:
            raise died
        return {"presses": self._presses, "rate": self._rate, "seconds": round(took, 1)} | _result(
            times, screen.seen, disk.seconds, alerts
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
            there = len(_press_ids(alerts)) >= len(times)
            if (there and not _pictures(alerts)["pending"]) or time.monotonic() > deadline:
                return alerts
            await asyncio.sleep(1.0)


class _Screen:
    """What an operator's screen at the county hears: the first moment each press shows in the stream of events."""

    def __init__(self, county: Api) -> None:
        self._county = county
        self._connected = asyncio.Event()
        self.seen: dict[str, float] = {}

    async def listening(self) -> None:
        async with asyncio.timeout(10):
            await self._connected.wait()

    async def watch(self) -> None:
        """Read the stream for ever. HTTP/1.0, so that the answer comes without chunks between the lines."""
        reader, writer = await asyncio.open_connection(self._county.host, self._county.port, limit=1 << 20)
        try:
            head = f"GET /api/v1/stream HTTP/1.0\r\nCookie: {self._county.cookie}\r\nAccept: text/event-stream\r\n\r\n"
            writer.write(head.encode())
            async for line in reader:
                self._connected.set()
                if line.startswith(b"data:") and b"press_ids" in line:
                    self._note(line[5:])
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _note(self, data: bytes) -> None:
        now = time.monotonic()
        for press_id in json.loads(data).get("detail", {}).get("press_ids", []):
            self.seen.setdefault(press_id, now)


class _Disk:
    """The disk's own time for what every receipt needs: append 1 KiB and fdatasync, in the same file system."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seconds: list[float] = []

    async def probe(self) -> None:
        descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        try:
            while True:
                self.seconds.append(await asyncio.to_thread(_append_and_sync, descriptor))
                await asyncio.sleep(_FSYNC_EVERY)
        finally:
            os.close(descriptor)


def _append_and_sync(descriptor: int) -> float:
    began = time.monotonic()
    os.write(descriptor, bytes(1024))
    os.fdatasync(descriptor)
    return time.monotonic() - began


def _press_ids(alerts: Sequence[dict[str, Any]]) -> Counter[str]:
    return Counter(press_id for alert in alerts for press_id in alert["detail"].get("press_ids", []))


def _pictures(alerts: Sequence[dict[str, Any]]) -> Counter[str]:
    states = [shot["state"] for alert in alerts for camera in alert["cameras"] for shot in camera["snapshots"]]
    return Counter({"ready": 0, "failed": 0, "pending": 0}) + Counter(states)


def _result(
    times: Sequence[PressTimes], seen: dict[str, float], fsyncs: Sequence[float], alerts: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    there, pictures = _press_ids(alerts), _pictures(alerts)
    on_screen = [seen[one.press_id] - one.started for one in times if one.press_id in seen]
    return {
        "r1_ms": _spread([one.r1 for one in times if one.r1 is not None]),
        "r2_ms": _spread([one.r2 for one in times if one.r2 is not None]),
        "screen_ms": _spread(on_screen),
        "fsync_ms": _spread(fsyncs),
        "unanswered": sum(one.r1 is None for one in times),
        "without_r2": sum(one.r2 is None for one in times),
        "repeated_by_terminals": sum(one.sent - 1 for one in times),
        "lost": sum(one.r1 is not None and one.press_id not in there for one in times),
        "doubled": sum(count - 1 for count in there.values()),
        "alerts": len(alerts),
        "pictures": {state: pictures[state] for state in ("ready", "failed", "pending")},
    }


def _spread(seconds: Sequence[float]) -> dict[str, float | int]:
    """Milliseconds at the shares that are told, and how many were measured."""
    figures: dict[str, float | int] = {"measured": len(seconds)}
    if seconds:
        figures |= {name: round(1000 * quantile(seconds, share), 1) for name, share in _SHARES}
    return figures


def _print(result: dict[str, Any]) -> None:
    names = {
        "r1_ms": "press to R1, received",
        "r2_ms": "press to R2, at the county",
        "screen_ms": "press to a county screen",
        "fsync_ms": "append 1 KiB + fdatasync",
    }
    rows = [
        (
            name,
            str(result[key]["measured"]),
            *(f"{result[key].get(share, float('nan')):.1f} ms" for share, _ in _SHARES),
        )
        for key, name in names.items()
    ]
    pictures = result["pictures"]
    title = (
        f"{result['presses']} presses at {result['rate']:g}/s through {result['broker']}\n{machine_line()}\n"
        f"lost {result['lost']}, doubled {result['doubled']}, unanswered {result['unanswered']}; "
        f"{result['alerts']} alerts; pictures: {pictures['ready']} ready, {pictures['failed']} failed, "
        f"{pictures['pending']} pending"
    )
    print_table(title, ("", "measured", "p50", "p99", "max"), rows)
