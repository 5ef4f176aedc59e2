"""``gateway bench figures``: a year of figures made up, how much room it takes, how soon its report is there, and whether
presses wait for it."""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw

from gateway.ledger.connection import open_writer
from gateway.ledger.migrate import migrate, schema_steps
from gateway.ledger.sqlite import SqliteLedger
from gateway.ledger.transaction import SqliteTransaction
from gateway.model import Camera, CameraHealth, CameraState, DeviceHealth, Place, Scene, Terminal
from gateway.ports import AlertFigure, Outage, Tally, TerminalTest, WatchedCamera
from gateway.supervision.clock import SystemClock
from gateway.upkeep.recording import History
from gateway.upkeep.report import FigureBook, Wanted
from gateway.upkeep.spans import Days, number_of
from gateway.upkeep.tables import Tables
from gateway.upkeep.workbook import workbook

_NODE = "low"
_YEAR = Days(date(2025, 1, 1), date(2025, 12, 31))
_DAY_MS = 86_400_000
_KINDS = ("sos", "fire", "device_offline", "line_crossing")
_VENDORS = ("海康威视", "大华", "宇视", "")
_PRESSES = 200


def build(path: Path, cameras: int, alerts_a_day: int, losses: float) -> None:
    """A year: every camera every day, ``losses`` outages of a camera a day, with the writes that a node makes."""
    connection = open_writer(path)
    migrate(connection, schema_steps())
    connection.pragma("synchronous", "off")
    tx = SqliteTransaction(connection, _NODE, SystemClock(), None)
    chance = random.Random(7)
    names = [f"5117240000131{number:07}" for number in range(cameras)]
    began, _ = _YEAR.bounds(UTC)
    ended = began + timedelta(days=len(_YEAR))
    connection.execute("BEGIN")
    tx.keep_cameras([_watched(name, number, began, ended) for number, name in enumerate(names)])
    first = 0
    for number in range(len(_YEAR)):
        day, at = number_of(_YEAR.first + timedelta(days=number)), began + timedelta(days=number)
        outages = [_outage(names[each], at, chance) for each in _some(cameras, losses, chance)]
        down = {each.camera_id: each.down for each in outages}
        tx.add_tallies(day, {name: _tally(down.get(name, 0), chance) for name in names})
        tx.keep_outages(outages)
        alerts = range(first, first + alerts_a_day)
        tx.keep_alert_figures([_alert(each, at, chance) for each in alerts])
        first += alerts_a_day
    tests = [TerminalTest(f"tv-{number:05}", f"511724{number % 100:06}", None) for number in range(10 * cameras)]
    for quarter in range(20251, 20255):
        tx.keep_terminal_tests(quarter, tests, ())
    connection.execute("COMMIT")
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    connection.close()


def _watched(name: str, number: int, began: datetime, ended: datetime) -> WatchedCamera:
    area, vendor = f"511724{number % 100:06}", _VENDORS[number % len(_VENDORS)]
    return WatchedCamera(name, f"第 {number} 路", area, "street", vendor, began, ended)


def _some(cameras: int, losses: float, chance: random.Random) -> list[int]:
    whole, rest = divmod(losses, 1)
    return [each for each in range(cameras) for _ in range(int(whole) + (chance.random() < rest))]


def _outage(name: str, at: datetime, chance: random.Random) -> Outage:
    lasts = round(min(36_000_000, chance.lognormvariate(13.5, 1.3)))
    began = at + timedelta(milliseconds=chance.randrange(_DAY_MS // 2))
    return Outage(name, began, began + timedelta(milliseconds=lasts), lasts, 0, "no answer within 10 s")


def _tally(down: int, chance: random.Random) -> Tally:
    down = min(down, _DAY_MS)
    online = _DAY_MS - down
    return Tally(online, online - chance.randrange(600_000) if online > 600_000 else 0, 0, down, 0, 0, down > 0, down)


def _alert(first: int, at: datetime, chance: random.Random) -> AlertFigure:
    raised = at + timedelta(milliseconds=chance.randrange(_DAY_MS))
    took = {"acknowledge": chance.lognormvariate(1.8, 0.8), "dispatch": chance.lognormvariate(3.6, 0.8)}
    area = f"511724{chance.randrange(100):06}"
    finding = "false_alarm" if chance.random() < 0.2 else "real"
    limits = {"acknowledge": 10.0, "dispatch": 60.0}
    return AlertFigure(first, raised, _NODE, area, chance.choice(_KINDS), 1 + first % 4, True, finding, took, limits)


@dataclass
class _Cameras:
    """So many, all online."""

    every: Sequence[Camera]
    healths: dict[str, CameraHealth] = field(default_factory=dict)

    def cameras(self) -> Sequence[Camera]:
        return self.every

    def terminals(self) -> Sequence[Terminal]:
        return ()

    def terminal(self, terminal_id: str) -> Terminal | None:
        return None

    def presence(self, terminal_id: str) -> Any:
        raise AssertionError("there is no terminal")

    def health(self, camera_id: str) -> CameraHealth | None:
        return self.healths[camera_id]

    def device(self, camera_id: str) -> DeviceHealth | None:
        return None


def _fleet(cameras: int) -> _Cameras:
    every = [Camera(f"c{number}", "", Scene.STREET, Place()) for number in range(cameras)]
    now = SystemClock().now()
    return _Cameras(every, {each.id: CameraHealth(each.id, CameraState.ONLINE, now) for each in every})


async def _measure(path: Path, cameras: int) -> dict[str, Any]:
    ledger = await SqliteLedger.open(path, _NODE, SystemClock())
    fleet = _fleet(cameras)
    book = FigureBook(ledger, None, fleet, SystemClock(), UTC)
    november = Days(date(2025, 11, 1), date(2025, 11, 30))
    told: dict[str, Any] = {}
    sys.setswitchinterval(0.0005)  # as a node has it (app.py)
    told["press_ms"] = await _presses(ledger)
    for name, days in (("month", november), ("year", _YEAR)):
        began, busy = time.monotonic(), time.process_time()
        report = await book.report(Wanted(days))
        json.dumps(report.to_json("area"))
        told[f"{name}_s"] = round(time.monotonic() - began, 3)
        told[f"{name}_processor_s"] = round(time.process_time() - busy, 3)
    making = asyncio.create_task(_reports(book))
    told["press_ms_beside_reports"] = await _presses(ledger)
    making.cancel()
    await asyncio.gather(making, return_exceptions=True)
    began = time.monotonic()
    names = await book.names(Wanted(_YEAR))
    outages, _ = await book.outages(Wanted(_YEAR), names, None, 1_000)
    await book.outages(Wanted(november), names, None, 50)
    told["outages_s"] = round(time.monotonic() - began, 3)
    began = time.monotonic()
    tables = Tables(report, _NODE, "zh", UTC, outages, names, cut=True)
    told["workbook_bytes"] = len(await asyncio.to_thread(lambda: workbook(tables.sheets())))
    told["workbook_s"] = round(time.monotonic() - began, 3)
    told |= await _recording(ledger, fleet)
    await ledger.close()
    return told


async def _presses(ledger: SqliteLedger) -> list[float]:
    """The median and the 99th of a hundred of urgent commits, in ms."""
    taken = []
    for number in range(_PRESSES):
        began = time.monotonic()
        await ledger.write(lambda tx, number=number: tx.set_bookmark("bench", str(number)), urgent=True)  # type: ignore[misc]
        taken.append((time.monotonic() - began) * 1e3)
        await asyncio.sleep(0.01)
    taken.sort()
    return [round(taken[len(taken) // 2], 2), round(taken[len(taken) * 99 // 100], 2)]


async def _reports(book: FigureBook) -> None:
    while True:
        async with book.turn():
            await book.report(Wanted(_YEAR))


async def _recording(ledger: SqliteLedger, fleet: _Cameras) -> dict[str, Any]:
    """What a look at all cameras costs the loop, and what keeping them costs."""
    history = History(ledger, fleet, fleet, SystemClock(), UTC)
    await history.look()
    looks = []
    for _ in range(20):
        await asyncio.sleep(0.02)
        began = time.thread_time()
        await history.look()
        looks.append((time.thread_time() - began) * 1e3)
    began = time.monotonic()
    await history.keep()
    return {"look_ms": round(sorted(looks)[10], 2), "keep_s": round(time.monotonic() - began, 3)}


def run_bench_figures(as_json: bool, *, cameras: int, alerts: int, losses: float, folder: Path | None) -> int:
    """Print the room that a year takes, and what its reports cost."""
    with tempfile.TemporaryDirectory(prefix="gateway-bench-", dir=folder) as directory:
        path = Path(directory) / "ledger.db"
        began = time.monotonic()
        build(path, cameras, alerts, losses)
        size = path.stat().st_size
        sys.stderr.write(f"a year of {cameras} cameras: made up in {time.monotonic() - began:.0f} s\n")
        told = {"cameras": cameras, "alerts_a_day": alerts, "losses_a_day": losses, "ledger_mb": round(size / 1e6, 1)}
        told |= asyncio.run(_measure(path, cameras))
    if as_json:
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    else:
        sys.stdout.write("".join(f"{name:24} {value}\n" for name, value in told.items()))
    return 0
