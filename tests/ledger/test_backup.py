"""A copy of a running ledger is whole or is not there; what was there before stays until then."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from gateway.errors import RunningError, UsageError
from gateway.ledger.backup import back_up
from gateway.ledger.media_copy import copy_missing
from gateway.ledger.soundness import first_fault
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft, Lane, ParcelDraft
from gateway.ports import AuditRecord, Transaction

ROOT = Path(__file__).parents[2]
Drafts = Callable[..., Draft]
Opener = Callable[..., Awaitable[SqliteLedger]]


def fill(draft: Drafts, clock: Any, alerts: int, size: int = 2_000) -> Callable[[Transaction], None]:
    def work(tx: Transaction) -> None:
        for _ in range(alerts):
            entry = tx.append(draft(title="x" * 900, detail={"note": "y" * size}))
            tx.post(ParcelDraft("county", Lane.ALARM, entry_id=entry.id))
            tx.record(AuditRecord(clock.at, "wang", "looked", "alerts"))

    return work


def count(path: Path, table: str) -> int:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {table}").get)
    finally:
        connection.close()


async def test_a_copy_of_a_ledger_that_is_being_written_is_of_one_moment(
    open_ledger: Opener, draft: Drafts, clock: Any, tmp_path: Path
) -> None:
    ledger = await open_ledger()
    await ledger.write(fill(draft, clock, 800))
    ended, parts = threading.Event(), list[float]()
    target = tmp_path / "copy.db"

    async def write_on() -> int:
        written = 0
        while not ended.is_set():
            await ledger.write(fill(draft, clock, 1))
            written += 1
        return written

    def copy() -> int:
        try:
            return back_up(tmp_path / "ledger.db", target, lambda what, part: parts.append(part))
        finally:
            ended.set()

    size, written = await asyncio.gather(asyncio.to_thread(copy), write_on())
    assert written > 0
    assert size == target.stat().st_size > 3_000_000
    assert 800 <= count(target, "entry") < 800 + written
    assert count(target, "entry") == count(target, "audit") == count(target, "parcel")
    assert first_fault(target) is None
    assert parts == [*sorted(parts[:-1]), 0.0]  # the copy's progress, then the check
    assert target.stat().st_mode & 0o777 == 0o600
    assert target.read_bytes()[18:20] == b"\x01\x01"  # no write-ahead log belongs to it
    assert sorted(file.name for file in tmp_path.iterdir() if "copy" in file.name) == ["copy.db"]


async def test_what_is_not_whole_does_not_replace_the_copy_that_is(
    open_ledger: Opener, draft: Drafts, clock: Any, tmp_path: Path
) -> None:
    path, target = tmp_path / "ledger.db", tmp_path / "copy.db"
    ledger = await open_ledger()
    await ledger.write(fill(draft, clock, 3))
    back_up(path, target)
    good = target.read_bytes()
    await ledger.write(fill(draft, clock, 3))
    await ledger.close()
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE entry SET body = replace(body, 'yy', 'zz') WHERE position = 2")
    connection.close()
    with pytest.raises(
        RunningError, match=r"audit chain is broken at line 3: entry 2 was changed; the copy was thrown"
    ):
        back_up(path, target)
    assert target.read_bytes() == good
    assert not (tmp_path / ".copy.db.part").exists()


async def test_refuses_what_cannot_be_meant(ledger: SqliteLedger, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with pytest.raises(UsageError, match="is the ledger itself"):
        back_up(path, path)
    with pytest.raises(UsageError, match="there is no directory"):
        back_up(path, tmp_path / "no" / "copy.db")
    with pytest.raises(UsageError, match="run the node first"):
        back_up(tmp_path / "none.db", tmp_path / "copy.db")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunningError, match="cannot be written: Is a directory"):
        back_up(path, tmp_path / "folder")


_PROGRAM = """
import itertools, os, signal, sys
from pathlib import Path
from gateway.ledger.backup import back_up
steps, last = itertools.count(1), int(sys.argv[3])
back_up(Path(sys.argv[1]), Path(sys.argv[2]), lambda what, part: next(steps) == last and os.kill(os.getpid(), signal.SIGKILL))
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


async def test_killed_at_any_of_its_steps_it_leaves_the_copy_that_was_there(
    open_ledger: Opener, draft: Drafts, clock: Any, tmp_path: Path
) -> None:
    path, target = tmp_path / "ledger.db", tmp_path / "copy.db"
    ledger = await open_ledger()
    await ledger.write(fill(draft, clock, 10))
    back_up(path, target)
    good = target.read_bytes()
    await ledger.write(fill(draft, clock, 150, 40_000))
    steps: list[str] = []
    back_up(path, tmp_path / "other.db", lambda what, part: steps.append(what))
    assert len(steps) > 8 and steps[-1] == "checking"
    for last in (1, 4, 7, len(steps)):  # by its own hand: from outside a slow kill finds it done
        command = [sys.executable, "-c", _PROGRAM, str(path), str(target), str(last)]
        assert subprocess.run(command, env=environment(), check=False).returncode == -signal.SIGKILL
        assert target.read_bytes() == good
    back_up(path, target)
    assert count(target, "entry") == 160
    assert not (tmp_path / ".copy.db.part").exists()


@pytest.mark.parametrize("call", ["rename", "fsync:when=1", "fsync:when=2", "fdatasync:when=1", "pwrite64:when=50"])
async def test_killed_at_a_step_it_leaves_the_old_copy_or_the_new_one(
    open_ledger: Opener, draft: Drafts, clock: Any, tmp_path: Path, call: str
) -> None:
    path, target = tmp_path / "ledger.db", tmp_path / "copy.db"
    ledger = await open_ledger()
    await ledger.write(fill(draft, clock, 10))
    back_up(path, target)
    await ledger.write(fill(draft, clock, 150, 40_000))
    await ledger.close()
    name, _, when = call.partition(":")
    inject = f"inject={name}:signal=SIGKILL" + (f":{when}" if when else "")
    command = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={name}", "-e", inject, sys.executable, "-c", _PROGRAM]
    command += [str(path), str(target), "0"]
    killed = subprocess.run(command, env=environment(), capture_output=True, check=False)
    assert killed.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), killed.stderr
    assert first_fault(target) is None
    assert count(target, "entry") in (10, 160)
    back_up(path, target)
    assert count(target, "entry") == 160


def test_pictures_are_copied_once_and_a_half_copied_one_anew(tmp_path: Path) -> None:
    source, target = tmp_path / "media", tmp_path / "kept"
    for name in ("aa11.jpg", "aa22.jpg", "bb11.mp4"):
        (source / name[:2]).mkdir(parents=True, exist_ok=True)
        (source / name[:2] / name).write_bytes(name.encode() * 9)
    (source / "drafts").mkdir()
    (source / "drafts" / "half.jpg").write_bytes(b"x")
    assert copy_missing(source, target) == (3, 3 * 72)
    assert copy_missing(source, target) == (0, 0)
    (target / "aa" / "aa22.jpg").write_bytes(b"half")
    assert copy_missing(source, target) == (1, 72)
    assert sorted(str(file.relative_to(target)) for file in target.rglob("*.*")) == [
        "aa/aa11.jpg",
        "aa/aa22.jpg",
        "bb/bb11.mp4",
    ]
    assert copy_missing(tmp_path / "nothing", target) == (0, 0)
