"""What a press and a page of the list cost a ledger of a million alerts, beside one of a thousand: pages, steps, seconds."""

# ruff: noqa: S608 – queries are put together from constants of this module; every value is bound

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import apsw

from gateway.alerts.duties import Duties
from gateway.alerts.evidence import boot_id
from gateway.alerts.lifecycle import fold
from gateway.alerts.reactions import Reactions
from gateway.errors import RunningError
from gateway.ledger import rows
from gateway.ledger.audit import canonical_entry
from gateway.ledger.connection import open_reader, open_writer
from gateway.ledger.migrate import migrate, schema_steps
from gateway.ledger.reader import SqliteReader
from gateway.ledger.sqlite import SqliteLedger
from gateway.ledger.transaction import SqliteTransaction
from gateway.model import Answer, Draft, Entry, Lane, ParcelDraft, PictureTask, Stage, rfc3339, utc_now, uuid7
from gateway.ports import AlertFilter, PressRecord, Reader

_NODE = "low"
_OPEN = ("new", "acknowledged", "dispatched", "on_scene")
_COLD_CACHE_KIB = 512
_FAR = datetime(2999, 1, 1, tzinfo=UTC)
_PAGE = 10  # so that even a thousand alerts fill a page of each list
_START_WITHIN = 60.0


class _Now:
    def now(self) -> datetime:
        return utc_now()

    def mono(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one look-up took: pages not in the cache, steps of SQLite's machine, rows walked without an index, sorts."""

    pages: int
    steps: int
    scanned: int
    sorted: int


# ---------------------------------------------------------------------------------------------------- a ledger of any size


def build(path: Path, alerts: int, *, waiting: int = 20_000) -> None:
    """Write the rows of ``alerts`` alerts straight into a new ledger: the last 200 of them open, one of fifty a fire, a
    hundred areas, 20,000 terminals; ``waiting`` parcels in the outbox. Its chain is not one that could be verified."""
    connection = open_writer(path)
    migrate(connection, schema_steps())
    connection.pragma("synchronous", "off")
    began = rows.millis(utc_now()) - alerts * 1_000
    entry = _raised(rows.moment(began))
    alert = fold([entry])
    assert alert is not None
    values = {
        "n": alerts,
        "began": began,
        "entry": canonical_entry(entry),
        "fold": rows.alert_body(alert),
        "waiting": waiting,
        "id": entry.alert_id,
    }
    numbers = "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < :n)"
    connection.execute("BEGIN")
    for statement in _ROWS:
        connection.execute(f"{numbers} {statement}", values)
    connection.execute("COMMIT")
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    connection.close()


_ALERT_ID = "printf('a%09d', i)"
_ROWS = (
    f"""INSERT INTO entry (id, alert_id, node, seq, committed_at, body)
        SELECT printf('e%09d', i), {_ALERT_ID}, 'low', i, :began + i * 1000, replace(:entry, :id, {_ALERT_ID}) FROM s""",
    f"""INSERT INTO alert (first, id, version, feed, received_at, heads, missing, node, kind, severity, status, workflow,
            open, source_id, area_code, raised_at, words)
        SELECT i, {_ALERT_ID}, 1, i, :began + i * 1000, printf('["e%09d"]', i), '[]', 'low',
            iif(i % 50, 'sos', 'fire'), iif(i % 50, 1 + i % 4, 1), 'actual', iif(i > :n - 200, 'new', 'closed'),
            i > :n - 200, printf('tv-%d', i % 20000), printf('511724%06d', i % 100), :began + i * 1000, 'help'
        FROM s""",
    f"INSERT INTO fold (first, body) SELECT i, replace(:fold, :id, {_ALERT_ID}) FROM s",
    f"""INSERT INTO press (terminal, press_id, digest, alert_id, stage, received_at, source)
        SELECT printf('tv-%d', i % 20000), printf('p%d', i), printf('%064d', i), {_ALERT_ID}, 'closed',
            :began + i * 1000, 'tv' FROM s""",
    "INSERT INTO chain (n, kind, ref, salt, digest, link) SELECT i, 'entry', i, zeroblob(16), zeroblob(32), zeroblob(32) FROM s",
    """INSERT INTO receipt (sink, seq, entry_id, sha256, committed_at)
        SELECT 'county', i * 3, printf('e%09d', i), printf('%064d', i), :began + i * 1000 FROM s""",
    f"INSERT INTO forwarding (alert_id, sink, at, seq) SELECT {_ALERT_ID}, 'county', :began + i * 1000, i * 3 FROM s",
    """INSERT INTO parcel (sink, lane, rank, entry, created_at, due, parked)
        SELECT iif(i % 2, 'county', 'hub'), i % 3, i, i, :began, :began, i % 100 = 0 FROM s WHERE i <= :waiting""",
    "INSERT INTO timer (name, key, due, data) SELECT 'bench', printf('k%d', i), :began * 2 + i, '{}' FROM s WHERE i <= 20000",
    "INSERT OR REPLACE INTO counter (name, value) VALUES ('seq', :n)",
    "INSERT OR REPLACE INTO bookmark (name, value) VALUES ('node', 'low')",
)


def _raised(at: datetime) -> Entry:
    snapshots = [{"id": uuid7(), "wanted_ms": wanted, "press": 1} for wanted in (-5000, 0, 3000, 10000)]
    base = {
        "kind": "sos",
        "severity": 1,
        "status": "actual",
        "source": {"type": "terminal", "id": "tv-1", "name": "李家", "known": True},
        "place": {"lon": 107.2, "lat": 30.7, "address": "十字口 1", "area_code": "511724000001"},
        "title": "李家 求助",
        "device_time": None,
        "raised_at": rfc3339(at),
        "detail": {"press_ids": ["p1"], "household": {"name": "李家", "phone": "13800000000", "address": "十字口 1"}},
        "cameras": [{"id": f"c{n}", "name": "十字口", "distance_m": 35, "snapshots": snapshots} for n in (1, 2)],
    }
    return Entry(uuid7(), uuid7(), _NODE, 1, (), at, "terminal/tv-1", "raised", None, {"base": base})


# ---------------------------------------------------------------------------------------------------- what it costs


def press(tx: SqliteTransaction, terminal: str = "tv-77") -> None:
    """What intake and reactions write for a press that raises an alert, with eight pictures."""
    now = utc_now()
    press_id = uuid7()
    tx.press(terminal, press_id, now - timedelta(hours=24))
    tx.open_alert(terminal, "sos", "actual")
    entry = _raised(now)
    for number in range(8):
        tx.ask_picture(PictureTask(entry.alert_id, f"s{number}", "c1", 0, now, 1.0, boot_id()))
    tx.append(Draft(entry.alert_id, "raised", f"terminal/{terminal}", now, data=entry.data))
    tx.remember_press(PressRecord(terminal, press_id, entry.alert_id, Stage.RECEIVED, now, "tv"), "0" * 64)
    answer = Answer("tv", terminal, press_id, entry.alert_id, Stage.RECEIVED, _NODE, now, "ok")
    tx.post(ParcelDraft("tv", Lane.ALARM, answer=answer))
    tx.set_timer("r2", f"{entry.alert_id}|county", now + timedelta(seconds=15))


def looks(alerts: int, now: datetime) -> dict[str, Callable[[Reader], object]]:
    """Everything that a node looks up for every press, every page and every parcel."""
    hour = timedelta(hours=1)
    return {
        "list": lambda reader: reader.alerts(AlertFilter(), None, _PAGE),
        "list, new": lambda reader: reader.alerts(AlertFilter(workflow=("new",)), None, _PAGE),
        "list, open, an operator's areas": lambda reader: reader.alerts(
            AlertFilter(workflow=_OPEN, areas=("51172400000",)), None, 50
        ),
        "list, severity 1": lambda reader: reader.alerts(AlertFilter(severity=(1,)), None, _PAGE),
        "list, an area": lambda reader: reader.alerts(AlertFilter(area="511724000042"), None, _PAGE),
        "list, no such area": lambda reader: reader.alerts(AlertFilter(area="99"), None, _PAGE),
        "list, a kind": lambda reader: reader.alerts(AlertFilter(kind=("fire",)), None, _PAGE),
        "list, since": lambda reader: reader.alerts(AlertFilter(since=now - hour / 12), None, _PAGE),
        "list, second page": lambda reader: reader.alerts(AlertFilter(), str(alerts - _PAGE), _PAGE),
        "alert": lambda reader: reader.alert(f"a{alerts // 2:09}"),
        "entries of an alert": lambda reader: reader.entries(f"a{alerts // 2:09}"),
        "feed": lambda reader: reader.feed(alerts - _PAGE, _PAGE),
        "newest of the feed": lambda reader: reader.newest_feed(),
        "open counts": lambda reader: reader.open_counts(),
        "oldest unacknowledged": lambda reader: reader.oldest_unacknowledged(),
        "outbox of a lane": lambda reader: reader.parcels("county", Lane.ALARM, _PAGE, now),
        "next due of a lane": lambda reader: reader.next_due("county", Lane.ALARM),
        "outbox, listed": lambda reader: reader.outbox(None, None, _PAGE, parked=False),
        "outbox, parked of a sink": lambda reader: reader.outbox("hub", None, _PAGE, parked=True),
        "receipts of a span": lambda reader: reader.receipts("county", now - 2 * hour / 10, now - hour / 10, 0, _PAGE),
        "due timers": lambda reader: reader.due_timers(_FAR, _PAGE),
        "backlog": lambda reader: reader.backlog(),
    }


def costs(path: Path, alerts: int) -> dict[str, Cost]:
    """Of a press and of each look, each on a connection that has read nothing yet."""
    found = {"press": _press_cost(path)}
    for name, look in looks(alerts, utc_now()).items():
        connection = open_reader(path)
        connection.pragma("cache_size", -_COLD_CACHE_KIB)
        with _counted(connection) as counted:
            SqliteReader(connection, _Now()).at_one_moment(look)
        found[name] = counted()
        connection.close()
    return found


def _press_cost(path: Path) -> Cost:
    connection = open_writer(path)
    transaction = SqliteTransaction(connection, _NODE, _Now(), Duties(Reactions(_NODE, ["county"], _Now())).react)
    connection.execute("BEGIN IMMEDIATE")
    with _counted(connection) as counted:
        press(transaction)
    connection.execute("ROLLBACK")
    connection.close()
    return counted()


@contextmanager
def _counted(connection: apsw.Connection) -> Iterator[Callable[[], Cost]]:
    totals = {"VM_STEP": 0, "FULLSCAN_STEP": 0, "SORT": 0}

    def add(event: Any) -> None:
        for name in totals:
            totals[name] += event["stmt_status"][f"SQLITE_STMTSTATUS_{name}"]

    connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    before, _ = connection.status(apsw.SQLITE_DBSTATUS_CACHE_MISS)
    pages = before

    def cost() -> Cost:
        return Cost(pages - before, totals["VM_STEP"], totals["FULLSCAN_STEP"], totals["SORT"])

    connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, add)
    yield cost
    connection.trace_v2(0, None)
    pages, _ = connection.status(apsw.SQLITE_DBSTATUS_CACHE_MISS)


# ---------------------------------------------------------------------------------------------------- the bench


def run_bench_ledger(as_json: bool, *, alerts: int, folder: Path | None) -> int:
    """Print what a press and each look cost with a thousand alerts and with ``alerts``, and how soon a node accepts presses."""
    with tempfile.TemporaryDirectory(prefix="gateway-bench-", dir=folder) as directory:
        small, large = Path(directory) / "small", Path(directory) / "large"
        told: dict[str, Any] = {"alerts": [1_000, alerts]}
        found = []
        for place, size in ((small, 1_000), (large, alerts)):
            place.mkdir(mode=0o700)
            began = time.monotonic()
            build(place / "ledger.db", size)
            taken, size_mb = time.monotonic() - began, (place / "ledger.db").stat().st_size / 1e6
            _say(f"a ledger of {size} alerts: built in {taken:.1f} s, {size_mb:.0f} MB")
            found.append(costs(place / "ledger.db", size))
        told["costs"] = {name: [asdict(cost[name]) for cost in found] for name in found[0]}
        told["press_ms"] = [_press_ms(place / "ledger.db") for place in (small, large)]
        told["ledger_open_s"] = [asyncio.run(_opened(place / "ledger.db")) for place in (small, large)]
        told["accepting_after_s"] = [_accepting(place) for place in (small, large)]
    sys.stdout.write(json.dumps(told, indent=2) + "\n" if as_json else _table(told))
    return 0


def _press_ms(path: Path, presses: int = 300) -> float:
    """Of the processor, without the fsync: the median of raising one press after another."""
    connection = open_writer(path)
    transaction = SqliteTransaction(connection, _NODE, _Now(), Duties(Reactions(_NODE, ["county"], _Now())).react)
    taken = []
    for number in range(presses):
        began = time.thread_time()
        connection.execute("BEGIN IMMEDIATE")
        transaction.begin()
        press(transaction, f"tv-new-{number}")
        connection.execute("COMMIT")
        taken.append(time.thread_time() - began)
    connection.close()
    return round(sorted(taken)[presses // 2] * 1e3, 3)


async def _opened(path: Path) -> float:
    """Seconds from opening the ledger, none of it in the page cache, until its first commit is on disk."""
    _forget(path)
    began = time.monotonic()
    ledger = await SqliteLedger.open(path, _NODE, _Now())
    await ledger.write(lambda tx: tx.set_bookmark("bench", "opened"))
    taken = time.monotonic() - began
    await ledger.close()
    return round(taken, 3)


def _forget(path: Path) -> None:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _accepting(data_dir: Path) -> float:
    """Seconds from the start of ``gateway run`` on that ledger, none of it in the page cache, until it is ready."""
    _forget(data_dir / "ledger.db")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = data_dir.parent / f"{data_dir.name}.yaml"
    config.write_text(
        f'node: {{id: {_NODE}, name: bench, level: township, area_code: "511724001"}}\n'
        f"data_dir: {data_dir}\nhttp: {{listen: 127.0.0.1:{port}}}\n"
    )
    began = time.monotonic()
    command = [sys.executable, "-m", "gateway", "run", "-c", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as node:  # noqa: S603 – our own
        try:
            while not _ready(port):
                if node.poll() is not None or time.monotonic() - began > _START_WITHIN:
                    raise RunningError(f"the node did not become ready on {data_dir}")
                time.sleep(0.02)
            return round(time.monotonic() - began, 2)
        finally:
            node.terminate()


def _ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _table(told: dict[str, Any]) -> str:
    small, large = told["alerts"]
    lines = [f"{'':34} {'pages read':>17} {'steps':>19} {'walked':>13}", f"{'alerts':34} {small:>8} {large:>8}"]
    for name, (few, many) in told["costs"].items():
        figures = (few["pages"], many["pages"], few["steps"], many["steps"], few["scanned"], many["scanned"])
        lines.append("{:34} {:>8} {:>8} {:>10} {:>8} {:>6} {:>6}".format(name, *figures))
    lines.append(f"a press, processor: {told['press_ms'][0]} ms and {told['press_ms'][1]} ms")
    lines.append(f"ledger opened and first commit: {told['ledger_open_s'][0]} s and {told['ledger_open_s'][1]} s")
    lines.append(f"start to ready: {told['accepting_after_s'][0]} s and {told['accepting_after_s'][1]} s")
    return "\n".join(lines) + "\n"


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
