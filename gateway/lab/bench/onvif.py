"""``gateway bench onvif``: what hearing hundreds of ONVIF devices costs a video worker, beside the usual libraries.

Real sockets, a real worker process and a core's part played by the bench, which takes the signals off it. The worker
already knows what its devices offer, so that what is measured is hearing them. The simulated devices run in a process of
their own, whose cost is told apart. Pulls end when something happens, so events at a steady rate make the pulls; they are
of several kinds in turn, because what switches too often counts as flapping and is held back.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.errors import RunningError
from gateway.lab.bench.onvif_rig import LoneWorker, Village, What, camera_id
from gateway.lab.bench.procfs import cost_of
from gateway.lab.bench.rig import spread_ms
from gateway.lab.bench.running import Result, run_bench
from gateway.lab.children import Child
from gateway.lab.report import Steps, machine_line, median, print_table, say

_DELIVERED_WITHIN = 60.0
_PULL_S = 30.0
_PEERS = {"async": 20, "blocking": 5}
_OLD = "onvif-zeep==0.2.12"
_GET_WITHIN = 120.0
_IMPORTS = {
    "the worker": "import gateway.video.worker",
    "the worker and onvif-zeep-async": "import gateway.video.worker, onvif",
}


def run_bench_onvif(
    as_json: bool = False,
    *,
    devices: int = 500,
    rate: float = 100.0,
    seconds: float = 20.0,
    rounds: int = 3,
    peers: Sequence[str] = ("async", "blocking"),
) -> int:
    """Measure and print; the exit code. ``rate``: events a second of all devices together. ``peers``: which libraries
    beside ours; blocking is the old one, which has to be got from a package index."""

    async def measure(directory: Path, progress: Steps) -> Result:
        return await _Bench(directory, devices, rate, seconds, rounds, progress).measure(peers)

    result = run_bench("onvif", measure, _print, as_json=as_json)
    return 1 if result is None else 0


@dataclass(frozen=True, slots=True)
class Turn:
    """One measurement of one way. ``cpu`` in cores, ``base`` and ``memory`` in bytes: without devices, and with them."""

    devices: int
    seconds: float
    cpu: float
    pulls: int
    base: int
    memory: int
    served: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


class _Bench:
    def __init__(
        self, directory: Path, devices: int, rate: float, seconds: float, rounds: int, progress: Steps
    ) -> None:
        self._directory, self._devices, self._rate = directory, devices, rate
        self._seconds, self._rounds, self._progress = seconds, rounds, progress

    async def measure(self, peers: Sequence[str]) -> dict[str, Any]:
        self._progress.step("measuring imports")
        imports = {name: await _import_ms(code) for name, code in _IMPORTS.items()}
        left_out: dict[str, str] = {}
        ways = {"async": ""} if "async" in peers else {}
        if "blocking" in peers:
            self._progress.step(f"getting {_OLD}")
            try:
                ways["blocking"] = str(await _get_old(self._directory))
            except RunningError as error:
                left_out["onvif-zeep 0.2.12"] = str(error)
        ours: list[Turn] = []
        theirs: dict[str, list[Turn]] = defaultdict(list)
        for number in range(self._rounds):
            place = self._directory / f"round-{number}"
            place.mkdir(mode=0o700)
            self._progress.step(f"round {number + 1} of {self._rounds}: a worker", number / self._rounds)
            ours.append(await self._our_turn(place))
            for library, path in ways.items():
                self._progress.step(f"round {number + 1} of {self._rounds}: {_NAMES[library]}", number / self._rounds)
                theirs[library].append(await self._their_turn(place, library, path))
        return {
            "devices": self._devices,
            "events_per_second": self._rate,
            "seconds": self._seconds,
            "rounds": self._rounds,
            "import_ms": imports,
            "ways": [_way("a worker of the gateway", ours)]
            + [_way(_NAMES[library], turns) for library, turns in theirs.items()],
            "left_out": left_out,
        }

    async def _our_turn(self, place: Path) -> Turn:
        village = Village(place, self._devices)
        worker = LoneWorker(place / "worker", village, self._devices)
        taking: asyncio.Task[None] | None = None
        try:
            await village.start()
            await worker.start()
            await asyncio.sleep(2)
            base = worker.cost
            listening_after = await worker.listen()
            taking = asyncio.create_task(worker.take_signals())
            await village.tell(traffic=self._rate)
            await asyncio.sleep(self._settle)
            before, served, seen, began = worker.cost, village.cost, await village.seen(), time.monotonic()
            await asyncio.sleep(self._seconds)
            after, after_served, after_seen = worker.cost, village.cost, await village.seen()
            took = time.monotonic() - began
            await village.tell(traffic=0)
            fired = await village.fired()
            facts = await _delivery(worker, fired)
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
            await worker.stop()
            left = await village.seen()
            facts |= {
                "all_listening_after_s": round(listening_after, 1),
                "subscriptions_made": left["created"],
                "left_over": left["subscriptions"],
                "failed_logins": left["failed_logins"],
            }
        finally:
            if taking is not None:
                taking.cancel()
            await worker.stop()
            await village.stop()
        return Turn(
            self._devices,
            took,
            (after.cpu_s - before.cpu_s) / took,
            after_seen["pulls"] - seen["pulls"],
            base.memory,
            after.memory,
            (after_served.cpu_s - served.cpu_s) / took,
            facts,
        )

    async def _their_turn(self, place: Path, library: str, path: str) -> Turn:
        devices = min(self._devices, _PEERS[library])
        here = place / library
        here.mkdir(mode=0o700)
        village = Village(here, devices)
        peer = Child(_NAMES[library], here / "peer.log")
        try:
            await village.start()
            wanted = {
                "library": library,
                "devices": [[one.host, one.port] for one in map(village.address, range(1, devices + 1))],
                "username": village.credential.username,
                "password": village.credential.password,
                "seconds": _PULL_S,
            }
            program = str(Path(__file__).with_name("onvif_peer.py"))
            environment = {"PYTHONPATH": path} if path else {}
            arguments = ("-P", program)  # not beside onvif.py, which is this bench
            await peer.start_leashed(*arguments, greeting=json.dumps(wanted), environment=environment)
            base = cost_of(peer.pid).memory
            await peer.ask({}, within=120)
            await village.tell(traffic=self._rate * devices / self._devices)
            await asyncio.sleep(min(self._settle, 4))
            before, began, count = cost_of(peer.pid), time.monotonic(), await peer.ask({})
            await asyncio.sleep(self._seconds)
            counted, after, took = await peer.ask({}), cost_of(peer.pid), time.monotonic() - began
        finally:
            await peer.stop(5)
            await village.stop()
        return Turn(
            devices - 1,  # beside the one that the base holds already
            took,
            (after.cpu_s - before.cpu_s) / took,
            counted["pulls"] - count["pulls"],
            base,
            after.memory,
        )

    @property
    def _settle(self) -> float:
        """Until every device was heard once."""
        return min(30.0, 2 + self._devices / self._rate)


_NAMES = {"async": "onvif-zeep-async", "blocking": "onvif-zeep 0.2.12"}


async def _delivery(worker: LoneWorker, fired: Sequence[tuple[int, What, float]]) -> dict[str, Any]:
    """What became of the events: each is to come once, in its order."""
    await worker.delivered.reach(len(fired), _DELIVERED_WITHIN)
    await asyncio.sleep(0.5)  # for what would come twice
    wanted: dict[str, list[tuple[What, float]]] = defaultdict(list)
    for number, what, at in fired:
        wanted[camera_id(number)].append((what, at))
    late, wrong = [], 0
    for camera, events in wanted.items():
        told = worker.delivered.signals[camera]
        if [what for what, _ in told] == [what for what, _ in events]:
            late += [mono - at for (_, mono), (_, at) in zip(told, events, strict=True)]
        else:
            wrong += 1
    return {
        "events": len(fired),
        "delivered": worker.delivered.count,
        "devices_with_lost_doubled_or_disordered_events": wrong,
        "delivery_ms": spread_ms(late),
    }


async def _import_ms(code: str) -> float:
    """Milliseconds that a fresh interpreter takes to run this; the median of five."""
    timed = f"import time; began = time.perf_counter(); {code}; print(1000 * (time.perf_counter() - began))"
    taken = []
    for _ in range(5):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", timed, stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
        )
        output, _ = await process.communicate()
        if process.returncode != 0:
            raise RunningError(f"{code!r} failed")
        taken.append(float(output))
    return round(median(taken), 1)


async def _get_old(directory: Path) -> Path:
    """The dead library beside, and before, the maintained one of the same import name. Raises RunningError."""
    prefix, pip = directory / "onvif-zeep", Child("pip", directory / "pip.log")
    alone = ("--ignore-installed", "--no-deps")  # zeep it shares with the other; into our own packages nothing goes
    await pip.start("-m", "pip", "install", "--quiet", *alone, "--prefix", str(prefix), _OLD)
    try:
        await pip.wait(_GET_WITHIN)
    finally:
        await pip.stop(2)
    found = next(prefix.glob("lib/*/site-packages"), None)
    if found is None:
        raise RunningError(f"{_OLD} cannot be got: {pip.tail() or 'pip said nothing'}")
    return found


def _way(name: str, turns: Sequence[Turn]) -> dict[str, Any]:
    cpu = [100 * one.cpu for one in turns]
    per_pull = [1e6 * one.cpu * one.seconds / one.pulls for one in turns if one.pulls]
    if not per_pull:
        raise RunningError(f"{name} made no pull; nothing was measured")
    return {
        "way": name,
        "devices": turns[0].devices,
        "cpu_percent": round(median(cpu), 2),
        "cpu_percent_rounds": [round(one, 2) for one in cpu],
        "pulls_per_second": round(median([one.pulls / one.seconds for one in turns]), 1),
        "cpu_us_per_pull": round(median(per_pull)),
        "base_mib": round(median([one.base for one in turns]) / 2**20, 1),
        "memory_mib": round(median([one.memory for one in turns]) / 2**20, 1),
        "kb_per_device": round(median([(one.memory - one.base) / one.devices for one in turns]) / 1000, 1),
        "lab_cpu_percent": round(100 * median([one.served for one in turns]), 1),
        "facts": [one.facts for one in turns],
    }


def _print(result: dict[str, Any]) -> None:
    rows = [
        (
            way["way"],
            str(way["devices"]),
            f"{way['pulls_per_second']:.1f}",
            f"{way['cpu_percent']:.1f} %",
            f"{way['cpu_us_per_pull']} µs",
            f"{way['base_mib']:.0f} MiB",
            f"{way['kb_per_device']:.0f} kB",
        )
        for way in result["ways"]
    ]
    columns = ("way", "devices", "pulls a second", "CPU of one core", "each pull", "base", "each device beyond it")
    title = (
        f"{result['devices']} ONVIF devices, {result['events_per_second']:g} events a second, {result['seconds']:.0f} s"
    )
    print_table(f"{title}, median of {result['rounds']} rounds\n{machine_line()}", columns, rows)
    for number, facts in enumerate(result["ways"][0]["facts"], 1):
        say(f"round {number}: " + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items()))
    for name, took in result["import_ms"].items():
        say(f"importing {name}: {took:.0f} ms")
    for name, why in result["left_out"].items():
        say(f"left out: {name}: {why}")
