"""The hash chain: whole when nobody touched it, and pointing at the first line that somebody did."""

import json
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import UsageError
from gateway.ledger import audit
from gateway.ledger.audit import Verdict, verify_file
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft, Entry
from gateway.ports import AuditRecord, Transaction

AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
async def whole(
    open_ledger: Callable[..., Awaitable[SqliteLedger]], draft: Callable[..., Draft], tmp_path: Path
) -> Path:
    """A closed ledger of ten links: entries 1–7, own and others', and audit records 1–3."""
    ledger = await open_ledger()

    def work(tx: Transaction) -> None:
        for n, id in enumerate(("red", "green", "blue")):  # no two of them are one byte apart
            tx.append(draft(f"a{n}"))
            tx.admit(Entry(id, f"a{n}", "village", n + 1, (), AT, "wang", "note"), "village", "ab" * 32)
            tx.record(AuditRecord(AT, "wang", "viewed", "cameras/c1", "why", {}))
        tx.append(draft("a1", "acknowledge"))

    await ledger.write(work)
    await ledger.close()
    return tmp_path / "ledger.db"


def change(path: Path, statement: str, *values: Any) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(statement, values)
    changed = connection.changes()
    connection.close()
    assert changed == 1


class TestWhole:
    def test_holds(self, whole: Path) -> None:
        verdict = verify_file(whole)
        assert (verdict.links, verdict.broken) == (10, None)
        assert len(verdict.newest) == 64

    async def test_an_empty_one_holds(self, ledger: SqliteLedger, tmp_path: Path) -> None:
        assert verify_file(tmp_path / "ledger.db") == Verdict(0, audit.GENESIS.hex(), None)

    async def test_while_the_node_runs_and_over_batches(
        self, ledger: SqliteLedger, draft: Callable[..., Draft], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(audit, "_BATCH", 4)
        for n in range(8):
            await ledger.write(lambda tx: tx.append(draft()))
            assert verify_file(tmp_path / "ledger.db").links == n + 1
        program = "import sys; from gateway.ledger.audit import *; print(verify_file(Path(sys.argv[1])).links)"
        command = [sys.executable, "-c", program, str(tmp_path / "ledger.db")]
        assert subprocess.run(command, capture_output=True, check=True, cwd=Path(__file__).parents[2]).stdout == b"8\n"

    def test_digests_are_salted(self, whole: Path) -> None:
        """The same content twice has two digests: who holds a digest cannot try out what it may stand for."""
        connection = apsw.Connection(str(whole))
        digests = [row[0] for row in connection.execute("SELECT digest FROM chain WHERE kind = 'audit'")]
        bodies = {row[0] for row in connection.execute("SELECT body FROM audit")}
        connection.close()
        assert len(bodies) == 1 and len(set(digests)) == 3


# Which line of the chain speaks of each row, by table and key; and what can be changed in a row.
LINES = {("entry", p): n for p, n in enumerate((1, 2, 4, 5, 7, 8, 10), 1)} | {("audit", i): 3 * i for i in (1, 2, 3)}
COLUMNS = {
    "entry": ("id", "alert_id", "node", "seq", "committed_at", "via", "sha256", "body"),
    "audit": ("body",),
    "chain": ("kind", "ref", "salt", "digest", "link"),
}


class TestTampered:
    @settings(
        max_examples=120,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(st.data())
    def test_every_changed_byte_is_found(self, whole: Path, data: st.DataObject) -> None:
        table = data.draw(st.sampled_from(["entry", "audit", "chain"]))
        row = data.draw(st.integers(1, {"entry": 7, "audit": 3, "chain": 10}[table]))
        column = data.draw(st.sampled_from(COLUMNS[table]))
        key = {"entry": "position", "audit": "id", "chain": "n"}[table]
        path = whole.with_name("tampered.db")
        shutil.copy(whole, path)
        connection = apsw.Connection(str(path))
        before = connection.execute(f"SELECT {column} FROM {table} WHERE {key} = ?", (row,)).get
        connection.close()
        after = self.altered(before, data)
        change(path, f"UPDATE {table} SET {column} = ? WHERE {key} = ?", after, row)
        broken = verify_file(path).broken
        assert broken is not None
        assert broken.n == (row if table == "chain" else LINES[table, row])
        assert broken.reason

    def altered(self, value: Any, data: st.DataObject) -> Any:
        """The same value but for one byte, or one step up."""
        if isinstance(value, int):
            return value + data.draw(st.integers(1, 255))
        if value is None:
            return data.draw(st.sampled_from(["", "x"]))
        raw = bytearray(value if isinstance(value, bytes) else value.encode())
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] ^= data.draw(st.integers(1, 255)) if isinstance(value, bytes) else 1
        return bytes(raw) if isinstance(value, bytes) else raw.decode()

    @pytest.mark.parametrize("n", [1, 5, 9])
    def test_a_line_taken_out(self, whole: Path, n: int) -> None:
        change(whole, "DELETE FROM chain WHERE n = ?", n)
        broken = verify_file(whole).broken
        assert broken is not None and (broken.n, broken.reason) == (n, "the line is missing")

    def test_an_entry_taken_out(self, whole: Path) -> None:
        change(whole, "DELETE FROM entry WHERE position = 4")
        broken = verify_file(whole).broken
        assert broken is not None and (broken.n, broken.reason) == (5, "entry 4 is missing")

    def test_an_entry_slipped_in(self, whole: Path) -> None:
        body = json.dumps({"id": "forged"})
        change(whole, f"INSERT INTO entry VALUES (8, 'forged', 'a1', 'low', 9, 0, NULL, NULL, '{body}')")
        broken = verify_file(whole).broken
        assert broken is not None and (broken.n, broken.reason) == (11, "entry 8 has no line in the chain")

    def test_the_last_line_taken_out(self, whole: Path) -> None:
        change(whole, "DELETE FROM chain WHERE n = 10")
        broken = verify_file(whole).broken
        assert broken is not None and (broken.n, broken.reason) == (10, "entry 7 has no line in the chain")

    def test_two_like_records_exchanged(self, whole: Path) -> None:
        change(whole, "UPDATE chain SET ref = 2 WHERE n = 3")
        broken = verify_file(whole).broken
        assert broken is not None and broken.n == 3

    @pytest.mark.parametrize("body", ["", "{", "[]", '{"id":1}'])
    def test_a_body_that_is_no_entry(self, whole: Path, body: str) -> None:
        change(whole, "UPDATE entry SET body = ? WHERE position = 2", body)
        assert verify_file(whole).broken == audit.Broken(2, "entry 2 was changed")


class TestNoLedger:
    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="there is no ledger here"):
            verify_file(tmp_path / "nothing.db")

    def test_another_database(self, tmp_path: Path) -> None:
        connection = apsw.Connection(str(tmp_path / "other.db"))
        connection.execute("CREATE TABLE x (y)")
        connection.close()
        with pytest.raises(UsageError, match="not a gateway's ledger"):
            verify_file(tmp_path / "other.db")

    def test_no_database(self, tmp_path: Path) -> None:
        (tmp_path / "text.db").write_text("hello" * 500)
        with pytest.raises(UsageError, match="damaged"):
            verify_file(tmp_path / "text.db")
