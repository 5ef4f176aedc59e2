"""A backup in the ledger's place: nothing is numbered twice, and a kill leaves the old ledger or the new one."""

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from gateway.errors import RunningError, UsageError
from gateway.ledger.audit import verify_file
from gateway.ledger.backup import back_up
from gateway.ledger.restore import finish_restore, restore
from gateway.ledger.soundness import first_fault
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft
from gateway.ports import FeedEntry

ROOT = Path(__file__).parents[2]
Drafts = Callable[..., Draft]
Opener = Callable[..., Awaitable[SqliteLedger]]


async def feed(ledger: SqliteLedger) -> list[FeedEntry]:
    return await ledger.read(lambda reader: reader.feed(0, 100))


@pytest.fixture
async def kept(open_ledger: Opener, draft: Drafts, tmp_path: Path) -> Path:
    """A backup of two alerts, of a ledger that has gone on to four since and is closed."""
    ledger = await open_ledger()
    await ledger.write(lambda tx: tx.set_bookmark("node", "low"))
    for n in range(4):
        await ledger.write(lambda tx, n=n: tx.append(draft(f"a{n}")))
        if n == 1:
            back_up(tmp_path / "ledger.db", tmp_path / "copy.db")
    await ledger.close()
    return tmp_path / "copy.db"


async def test_what_others_have_seen_is_never_given_out_again(
    kept: Path, open_ledger: Opener, draft: Drafts, clock: Any, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.db"
    seen: set[tuple[int, int]] = set()
    for times in range(1, 4):
        clock.at = clock.at.replace(year=1970)  # whatever the clock says
        aside = restore(path, kept, "low", clock)
        assert aside.name.startswith("ledger.db.before-")
        ledger = await open_ledger()
        assert [item.entry.alert_id for item in await feed(ledger)] == ["a0", "a1"]
        for n in range(3):
            await ledger.write(lambda tx, n=n, times=times: tx.append(draft(f"b{times}{n}")))
        fresh = {(item.position, item.entry.seq) for item in await feed(ledger)} - {(1, 1), (2, 2)}
        assert len(fresh) == 3
        assert min(min(each) for each in fresh) > 1_000_000
        assert not {number for each in fresh for number in each} & {number for each in seen for number in each}
        seen |= fresh
        (record,), _ = await ledger.read(lambda reader: reader.audit(None, 9))
        assert (record.action, record.object, record.detail["backup"]) == ("restored", "ledger", "copy.db")
        await ledger.close()
        assert verify_file(path).broken is None
        assert first_fault(path) is None
        assert first_fault(aside) is None


async def test_with_a_good_clock_not_even_what_a_lost_ledger_gave_out(
    kept: Path, open_ledger: Opener, draft: Drafts, clock: Any, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.db"
    path.unlink()
    restore(path, kept, "low", clock)
    ledger = await open_ledger()
    entry = await ledger.write(lambda tx: tx.append(draft("b")))
    assert entry.seq > clock.at.timestamp() * 1000


async def test_refuses_what_is_not_whole_and_what_is_another_nodes(kept: Path, clock: Any, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    before = path.read_bytes()
    with pytest.raises(UsageError, match="a backup of node low, and this is high"):
        restore(path, kept, "high", clock)
    content = bytearray(kept.read_bytes())
    content[-100:] = b"\xff" * 100
    kept.write_bytes(content)
    with pytest.raises(RunningError, match="nothing was restored"):
        restore(path, kept, "low", clock)
    kept.write_bytes(b"not a database at all" * 300)
    with pytest.raises(RunningError, match="is damaged"):
        restore(path, kept, "low", clock)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("ledger.rest*"))


_PROGRAM = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from gateway.ledger.restore import restore
class Standing:
    def now(self): return datetime(2026, 3, 1, tzinfo=UTC)
restore(Path(sys.argv[1]), Path(sys.argv[2]), "low", Standing())
"""
_STEPS = [f"rename:when={n}" for n in range(1, 6)] + [
    "fsync:when=1",
    "fsync:when=3",
    "fsync:when=5",
    "fdatasync:when=1",
]


@pytest.mark.parametrize("step", _STEPS)
async def test_killed_at_a_step_the_next_start_is_whole_without_help(
    kept: Path, open_ledger: Opener, draft: Drafts, tmp_path: Path, step: str
) -> None:
    path = tmp_path / "ledger.db"
    (tmp_path / "ledger.db-wal").touch()  # as after a node that was killed
    name, when = step.split(":")
    inject = f"inject={name}:signal=SIGKILL:{when}"
    command = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={name}", "-e", inject, sys.executable, "-c", _PROGRAM]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([*command, str(path), str(kept)], env=environment, check=False)
    ledger = await open_ledger()
    alerts = [item.entry.alert_id for item in await feed(ledger)]
    assert alerts in (["a0", "a1", "a2", "a3"], ["a0", "a1"])
    await ledger.write(lambda tx: tx.append(draft("b")))
    await ledger.close()
    assert first_fault(path) is None
    if len(alerts) == 2:
        (aside,) = [file for file in tmp_path.glob("ledger.db.before-*") if file.suffix[-4:] not in ("-wal", "-shm")]
        assert first_fault(aside) is None
    assert finish_restore(path) is None


class TestSoundness:
    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ("DELETE FROM fold WHERE first = 2", "alert a1 and its fold are not both there"),
            ("DELETE FROM alert WHERE id = 'a1'", "belongs to an alert that is not there"),
            ("UPDATE alert SET feed = 1 WHERE id = 'a1'", "alert a1 does not know its newest entry"),
            ("UPDATE alert SET first = 9 WHERE id = 'a1'", "alert a1 does not begin with an entry of its own"),
            ("UPDATE counter SET value = 1", "its counter has forgotten it"),
            ("INSERT INTO fold VALUES (77, '{}')", "the fold at position 77 is of no alert"),
            ("INSERT INTO parcel (sink, lane, rank, entry, created_at, due) VALUES ('x', 0, 0, 9, 0, 0)", "parcel 1"),
            ("DELETE FROM chain WHERE n = 2", "the audit chain is broken at line 2"),
            ("PRAGMA user_version = 0", "not a gateway's ledger"),
            ("DROP TABLE press", "not a gateway's ledger"),
        ],
    )
    def test_names_the_first_fault(self, kept: Path, change: str, sentence: str) -> None:
        connection = apsw.Connection(str(kept))
        connection.execute(change)
        connection.close()
        assert sentence in (first_fault(kept) or "")

    def test_a_newer_gateways_and_no_file(self, kept: Path, tmp_path: Path) -> None:
        connection = apsw.Connection(str(kept))
        connection.pragma("user_version", 99)
        connection.close()
        with pytest.raises(UsageError, match="a newer gateway has written this"):
            first_fault(kept)
        with pytest.raises(UsageError, match="there is no ledger here"):
            first_fault(tmp_path / "none.db")


async def test_a_second_restore_at_once_keeps_what_the_first_put_aside(kept: Path, clock: Any, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    asides = [restore(path, kept, "low", clock) for _ in range(3)]
    assert len(set(asides)) == 3
    assert all(aside.is_file() for aside in asides)
