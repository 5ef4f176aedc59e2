"""Killed at any moment, the ledger has kept whatever it acknowledged, whole, and opens again without help."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import apsw
import pytest

from gateway.ledger.audit import verify_file
from gateway.ledger.connection import open_writer
from gateway.ledger.migrate import migrate, schema_steps
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft

ROOT = Path(__file__).parents[2]
WRITER = ROOT / "tests" / "peers" / "press_writer.py"


def run_and_kill(path: Path, seed: int) -> set[str]:
    """Let a writer go on for a random number of acknowledged presses, kill it, and return those presses."""
    wanted = random.Random(seed).randrange(1, 150)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(WRITER), str(path), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(wanted)]
        process.send_signal(signal.SIGKILL)
        acknowledged += process.stdout.read().split("\n")
        assert process.wait(60) == -signal.SIGKILL
    return {line for line in acknowledged if len(line) == 36}


def count(connection: apsw.Connection, query: str) -> int:
    return int(connection.execute(query).get)


async def test_no_acknowledged_press_is_lost(
    tmp_path: Path, open_ledger: Callable[..., Awaitable[SqliteLedger]]
) -> None:
    path = tmp_path / "ledger.db"
    acknowledged: set[str] = set()
    for seed in range(6):
        acknowledged |= run_and_kill(path, seed)
        assert verify_file(path).broken is None
    ledger = await open_ledger()
    feed = await ledger.read(lambda reader: reader.feed(0, 100_000))
    assert acknowledged <= {item.entry.alert_id for item in feed}
    assert [item.position for item in feed] == [item.entry.seq for item in feed] == list(range(1, len(feed) + 1))
    connection = open_writer(path)
    kept = len(feed)
    for table, each in {
        "alert": 1,
        "fold": 1,
        "press": 1,
        "picture_task": 1,
        "audit": 1,
        "parcel": 2,
        "chain": 2,
    }.items():
        assert count(connection, f"SELECT count(*) FROM {table}") == each * kept, table
    assert connection.execute("PRAGMA integrity_check").get == "ok"
    connection.close()


_MIGRATION = """
import os, signal, sys
from pathlib import Path
from gateway.ledger.connection import open_writer
from gateway.ledger.migrate import migrate, schema_steps
connection = open_writer(Path(sys.argv[1]))
connection.create_scalar_function("die", lambda: os.kill(os.getpid(), signal.SIGKILL))
steps = schema_steps()
migrate(connection, {**steps, max(steps) + 1: "CREATE TABLE halfway (x); SELECT die(); CREATE TABLE rest (x);"})
"""


@pytest.mark.parametrize("existing", [False, True])
def test_killed_in_a_schema_step_the_next_start_does_it_whole(tmp_path: Path, existing: bool) -> None:
    path = tmp_path / "ledger.db"
    if existing:
        connection = open_writer(path)
        migrate(connection, schema_steps())
        connection.execute("INSERT INTO bookmark VALUES ('kept', 'yes')")
        connection.close()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", _MIGRATION, str(path)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    newest = max(schema_steps())
    connection = open_writer(path)
    assert connection.pragma("user_version") == newest
    assert count(connection, "SELECT count(*) FROM sqlite_schema WHERE name = 'halfway'") == 0
    steps = {**schema_steps(), newest + 1: "CREATE TABLE halfway (x); CREATE TABLE rest (x);"}
    assert migrate(connection, steps) == migrate(connection, steps) == newest + 1
    assert count(connection, "SELECT count(*) FROM sqlite_schema WHERE name IN ('halfway', 'rest')") == 2
    assert connection.execute("SELECT value FROM bookmark").get == ("yes" if existing else None)
    connection.close()


_UPGRADE = """
import sys
from pathlib import Path
from gateway.ledger.connection import open_writer
from gateway.ledger.migrate import migrate, schema_steps
connection = open_writer(Path(sys.argv[1]))
migrate(connection, schema_steps())
connection.close()
"""
_CALLS = [f"{name}:when={n}" for name, most in (("pwrite64", 40), ("fdatasync", 4)) for n in range(1, most, most // 4)]


@pytest.mark.parametrize("call", _CALLS)
async def test_killed_at_a_system_call_of_an_upgrade_the_next_start_is_whole(
    tmp_path: Path, open_ledger: Callable[..., Awaitable[SqliteLedger]], draft: Callable[..., Draft], call: str
) -> None:
    """Of a ledger of the first schema, so that every step has something to do."""
    path = tmp_path / "ledger.db"
    connection = open_writer(path)
    migrate(connection, {1: schema_steps()[1]})
    connection.execute("BEGIN")
    rows = "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 500)"
    connection.execute(f"{rows} INSERT INTO press SELECT i, 'tv', 'p' || i, 'd', 'a', 'received', 0, 'tv', NULL FROM s")
    connection.execute(f"{rows} INSERT INTO parcel SELECT i, 's', 0, 0, NULL, '{{}}', 0, 0, 0, NULL, i % 2 FROM s")
    connection.execute("COMMIT")
    connection.close()
    name, when = call.split(":")
    inject = f"inject={name}:signal=SIGKILL:{when}"
    command = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={name}", "-e", inject, sys.executable, "-c", _UPGRADE]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([*command, str(path)], env=environment, check=False)
    ledger = await open_ledger()
    await ledger.write(lambda tx: tx.append(draft()))
    await ledger.close()
    connection = open_writer(path)
    assert connection.pragma("user_version") == max(schema_steps())
    assert connection.execute("PRAGMA integrity_check").get == "ok"
    assert count(connection, "SELECT count(*) FROM press") == count(connection, "SELECT count(*) FROM parcel") == 500
    connection.close()
