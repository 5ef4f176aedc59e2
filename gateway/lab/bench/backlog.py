"""``gateway bench alarms --backlog N``: the end of an outage that left N alerts with pictures in the township's outbox.

The ledger is filled by the real intake and the real reactions, as three days of presses would have; then the link returns,
and what counts is when the newest alarm is above, how the rest drains, and whether memory stays flat.
"""

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.alerts.intake import Intake
from gateway.commands import read_config
from gateway.errors import RunningError
from gateway.lab.api import Api
from gateway.lab.bench.procfs import cost_of
from gateway.lab.bench.running import Result, run_bench
from gateway.lab.brokers import mosquitto_program, start_mosquitto
from gateway.lab.children import Child, free_port
from gateway.lab.nodes import NodePair, Plan
from gateway.lab.report import Steps, machine_line, print_table
from gateway.lab.village import terminal_settings
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft, Kind, Press, Signal, SourceRef, utc_now
from gateway.observability import logs
from gateway.policies import duties_of, intake_policy_of, register_of
from gateway.ports import Transaction
from gateway.supervision.clock import SystemClock
from gateway.video.media import FileMediaStore

_PICTURE_BYTES = 20_000
_AT_ONCE = 256
_TERMINALS = 1000
_DRAIN_WITHIN = 3600.0
_NEWEST_WITHIN = 120.0
_LOOK_EVERY = 1.0


def run_bench_backlog(as_json: bool = False, *, alerts: int, budget: str | None = None) -> int:
    """Measure and print; the exit code. 1 also where an alert or a picture did not arrive."""

    async def measure(directory: Path, progress: Steps) -> Result:
        return await _Backlog(directory, alerts, budget, progress).measure()

    result = run_bench("backlog", measure, _print, as_json=as_json, on_disk=True)
    return 1 if result is None or result["lost"] else 0


@dataclass(slots=True)
class _Memory:
    """MiB of the county's and the township's core, sampled while it drains."""

    samples: list[tuple[float, float]]

    def spread(self, of: int) -> dict[str, float]:
        sizes = [sample[of] for sample in self.samples]
        return {"first": sizes[0], "most": max(sizes), "last": sizes[-1]}


class _Backlog:
    def __init__(self, directory: Path, alerts: int, budget: str | None, progress: Steps) -> None:
        self._directory, self._alerts, self._budget, self._progress = directory, alerts, budget, progress
        self._broker = Child("the broker", directory / "broker.log")

    async def measure(self) -> dict[str, Any]:
        program = mosquitto_program()
        if program is None:
            raise RunningError("this bench needs Mosquitto on this machine")
        login = await start_mosquitto(self._broker, program, self._directory)
        plan = Plan(
            self._directory,
            free_port(),
            free_port(),
            login,
            terminals=terminal_settings(_TERMINALS),
            budget=self._budget,
            township_role="maintainer",
            password=secrets.token_urlsafe(12),
        )
        nodes = NodePair(plan)
        try:
            await nodes.prepare()
            filling = time.monotonic()
            newest = await self._fill(nodes.township_file)
            filled = time.monotonic() - filling
            self._progress.step("starting the township, cut off")
            await nodes.start_township()
            await asyncio.sleep(2.0)  # it has found nobody above by now
            return {"alerts": self._alerts, "budget": self._budget, "fill_s": round(filled, 1)} | await self._drain(
                nodes, newest
            )
        finally:
            await nodes.stop()
            await self._broker.stop(3)

    async def _fill(self, config: Path) -> str:
        """The township's ledger and media as an outage leaves them; the id of the newest alert."""
        settings, clock = read_config(config).settings, SystemClock()
        register = register_of(settings)
        duties = duties_of(settings, register, clock)
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        media = FileMediaStore(settings.data_dir / "media")
        ledger = await SqliteLedger.open(settings.data_dir / "ledger.db", settings.node.id, clock, duties.react)
        # A line for each of thousands of alerts is no progress, and standard output is the result's.
        logs.configure("WARNING")
        intake = Intake(ledger, register, intake_policy_of(settings), clock)
        try:
            newest = ""
            for first in range(0, self._alerts, _AT_ONCE):
                self._progress.step(f"filling the ledger with {self._alerts} alerts", first / self._alerts)
                numbers = range(first, min(first + _AT_ONCE, self._alerts))
                newest = (await asyncio.gather(*(_one(intake, ledger, media, number) for number in numbers)))[-1]
            return newest
        finally:
            await ledger.close()
            await media.close()

    async def _drain(self, nodes: NodePair, newest: str) -> dict[str, Any]:
        self._progress.step("the link returns")
        memory = _Memory([])
        await nodes.start_county()
        began = time.monotonic()
        await _until(lambda: _there(nodes.county, newest), _NEWEST_WITHIN, 0.05)
        newest_s = time.monotonic() - began
        waiting = self._alerts
        while waiting:
            memory.samples.append(_mib(nodes.pids))
            waiting = await _waiting(nodes.township)
            self._progress.step(f"draining, {waiting} parcels wait", 1 - min(1.0, waiting / (2 * self._alerts)))
            if time.monotonic() - began > _DRAIN_WITHIN:
                break
            await asyncio.sleep(_LOOK_EVERY)
        drained_s = time.monotonic() - began
        above = len({alert["id"] for alert in await nodes.county.list_all("/api/v1/alerts")})
        return {
            "newest_s": round(newest_s, 2),
            "drain_s": round(drained_s, 1),
            "picture_kbit_s": round(self._alerts * _PICTURE_BYTES * 8 / 1000 / drained_s),
            "lost": self._alerts - above,
            "still_waiting": waiting,
            "county_mib": memory.spread(0),
            "township_mib": memory.spread(1),
        }


async def _one(intake: Intake, ledger: SqliteLedger, media: FileMediaStore, number: int) -> str:
    """A press of a household of its own, so that none joins another, and a picture of it."""
    jpeg = b"\xff\xd8\xff\xe0" + os.urandom(_PICTURE_BYTES - 6) + b"\xff\xd9"
    terminal, press_id = f"outage-{number:06d}", secrets.token_hex(8)
    signal = Signal(
        source=SourceRef("terminal", terminal),
        via="tv",
        kind=Kind.SOS,
        received_at=utc_now(),
        received_mono=time.monotonic(),
        press=Press(press_id, None, press_id),
    )
    accepted = await intake.emit(signal)
    data = {"camera": "c1", "snapshot": f"s{number}", "state": "ready", "sha256": await media.put(jpeg, "image/jpeg")}

    def append(tx: Transaction) -> None:
        tx.append(Draft(accepted.alert_id, "picture", "gateway", utc_now(), data=data))

    await ledger.write(append)
    return accepted.alert_id


async def _there(api: Api, alert: str) -> bool:
    return await api.status(f"/api/v1/alerts/{alert}") == 200


async def _waiting(township: Api) -> int:
    """Parcels for the county that wait or were refused."""
    sinks = (await township.get("/api/v1/sinks"))["items"]
    return sum(lane["waiting"] + lane["parked"] for sink in sinks if sink["id"] == "county" for lane in sink["lanes"])


async def _until(holds: Callable[[], Awaitable[bool]], within: float, every: float) -> None:
    deadline = time.monotonic() + within
    while not await holds():
        if time.monotonic() > deadline:
            raise RunningError(f"the newest alarm was not above within {within:.0f} s")
        await asyncio.sleep(every)


def _mib(pids: tuple[int, int]) -> tuple[float, float]:
    county, township = (round(cost_of(pid, alone=True).memory / 2**20, 1) for pid in pids)
    return county, township


def _print(result: dict[str, Any]) -> None:
    county, township = result["county_mib"], result["township_mib"]
    rows = [
        ("newest alarm above after", f"{result['newest_s']:.2f} s"),
        ("everything above after", f"{result['drain_s']:.1f} s"),
        ("pictures", f"{result['picture_kbit_s']} kbit/s"),
        ("county's memory, first / most / last", f"{county['first']} / {county['most']} / {county['last']} MiB"),
        (
            "township's memory, first / most / last",
            f"{township['first']} / {township['most']} / {township['last']} MiB",
        ),
        ("lost", str(result["lost"])),
    ]
    budget = result["budget"] or "no budget"
    print_table(
        f"{result['alerts']} alerts with a picture each after an outage, {budget}\n{machine_line()}",
        ("", "measured"),
        rows,
    )
