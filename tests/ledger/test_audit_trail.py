"""Looking into the audit, and an alert's lines with their links."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from gateway.errors import StoreFailed
from gateway.ledger import audit_trail
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft
from gateway.ports import AuditFilter, AuditRecord
from gateway.supervision.clock import SystemClock

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    one = await SqliteLedger.open(tmp_path / "ledger.db", "low", SystemClock(), lambda *_: None)
    yield one
    await one.close()


async def note(ledger: SqliteLedger, *lines: tuple[str, str, str, str | None]) -> None:
    for number, (actor, action, object_, reason) in enumerate(lines):
        record = AuditRecord(AT + timedelta(minutes=number), actor, action, object_, reason, {"detail": f"Nr {number}"})
        await ledger.write(lambda tx, record=record: tx.record(record))


async def found(ledger: SqliteLedger, limit: int = 50, **wanted: Any) -> list[int]:
    """Ids, over all pages."""
    ids: list[int] = []
    cursor: str | None = None
    while True:
        page, cursor = await ledger.read(lambda reader, at=cursor: reader.audit(at, limit, AuditFilter(**wanted)))
        ids += [line.id for line in page]
        if cursor is None:
            return ids


LINES = (
    ("li", "login", "session", None),
    ("li", "view_camera", "cameras/cam-1", "alert a1"),
    ("wang", "view_snapshot", "alerts/a1/snapshots/s1", None),
    ("wang", "view_clip", "alerts/a12/clips/k1", None),
    ("li", "export_bundle", "alerts/a1", "派出所 wants it"),
)


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"actor": "li"}, [5, 2, 1]),
        ({"action": ("login", "view_clip")}, [4, 1]),
        ({"object": "alerts/a1"}, [5, 3]),
        ({"object": "alerts"}, [5, 4, 3]),
        ({"since": AT + timedelta(minutes=1), "until": AT + timedelta(minutes=3)}, [3, 2]),
        ({"q": "派出所"}, [5]),
        ({"q": "NR 3"}, [4]),
        ({"actor": "li", "q": "a1"}, [5, 2]),
        ({"actor": "nobody"}, []),
        ({"q": "%"}, []),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_what_is_asked_for_newest_first(ledger: SqliteLedger, wanted: Any, ids: list[int], limit: int) -> None:
    await note(ledger, *LINES)
    assert await found(ledger, limit, **wanted) == ids


async def test_a_look_far_back_goes_in_pages_and_misses_nothing(ledger: SqliteLedger, monkeypatch: Any) -> None:
    monkeypatch.setattr(audit_trail, "LOOKED_AT", 2)
    await note(ledger, *LINES)
    page, cursor = await ledger.read(lambda reader: reader.audit(None, 50, AuditFilter(action=("login",))))
    assert page == []
    assert cursor is not None  # so far it was looked
    assert await found(ledger, action=("login",)) == [1]
    assert await found(ledger, actor="li") == [5, 2, 1]


async def test_an_alerts_lines_are_sealed_as_whoever_holds_them_can_reckon(ledger: SqliteLedger) -> None:
    await note(ledger, ("li", "login", "session", None))
    for alert_id in ("a1", "a2", "a1"):
        draft = Draft(alert_id, "note", "li", AT, "x", {})
        await ledger.write(lambda tx, draft=draft: tx.append(draft))
        await note(ledger, ("wang", "view_snapshot", f"alerts/{alert_id}/snapshots/s1", None), LINES[0])
    entries, audit = await ledger.read(lambda reader: reader.sealed("a1"))
    assert [(line.kind, line.ref) for line in entries + audit] == [
        ("entry", 1),
        ("entry", 3),
        ("audit", 2),
        ("audit", 6),
    ]
    for line in entries + audit:
        digest = hashlib.sha256(bytes.fromhex(line.salt) + line.text.encode()).digest()
        assert digest.hex() == line.digest
        head = bytes.fromhex(line.previous) + f"{line.n} {line.kind} {line.ref}\n".encode()
        assert hashlib.sha256(head + digest).hexdigest() == line.link
    n, link = await ledger.read(lambda reader: reader.newest_link())
    assert (n, (await ledger.verify(30)).newest) == (10, link)
    assert await ledger.read(lambda reader: reader.sealed("none")) == ([], [])


async def test_the_chain_is_walked_and_its_first_broken_line_told(ledger: SqliteLedger, tmp_path: Path) -> None:
    await note(ledger, *LINES)
    whole = await ledger.verify(30)
    assert (whole.checked, whole.first_broken) == (5, None)
    connection = apsw.Connection(str(tmp_path / "ledger.db"))
    connection.execute("UPDATE audit SET body = replace(body, 'wang', 'zhou') WHERE id = 4")
    connection.close()
    broken = await ledger.verify(30)
    assert (broken.checked, broken.first_broken) == (3, (4, "audit 4 was changed"))


async def test_a_walk_that_takes_too_long_is_given_up(ledger: SqliteLedger, monkeypatch: Any) -> None:
    monkeypatch.setattr("gateway.ledger.audit._BATCH", 1)
    await note(ledger, *LINES)
    with pytest.raises(StoreFailed, match="gateway audit verify"):
        await ledger.verify(-1)
