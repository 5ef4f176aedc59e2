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
        assert process.wait(30) == -signal.SIGKILL
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
migrate(connection, {**schema_steps(), 2: "CREATE TABLE halfway (x); SELECT die(); CREATE TABLE rest (x);"})
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
    connection = open_writer(path)
    assert connection.pragma("user_version") == 1
    assert count(connection, "SELECT count(*) FROM sqlite_schema WHERE name = 'halfway'") == 0
    steps = {**schema_steps(), 2: "CREATE TABLE halfway (x); CREATE TABLE rest (x);"}
    assert migrate(connection, steps) == migrate(connection, steps) == 2
    assert count(connection, "SELECT count(*) FROM sqlite_schema WHERE name IN ('halfway', 'rest')") == 2
    assert connection.execute("SELECT value FROM bookmark").get == ("yes" if existing else None)
    connection.close()
