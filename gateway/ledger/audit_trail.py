"""Look-ups in the audit and in the hash chain: what is asked for of the audit, and an alert's lines as they are sealed."""

# ruff: noqa: S608 – queries are put together from constants of this module; every value is bound

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw

from gateway.errors import UsageError
from gateway.ledger import rows
from gateway.ledger.audit import GENESIS, sealed_entry
from gateway.ledger.connection import DISK_ERRORS, in_words, open_reader
from gateway.model import rfc3339
from gateway.ports import AuditFilter, AuditRecord, SealedLine

LOOKED_AT = 50_000
"""Lines of the audit that one page looks at: about 0.1 s. Who wants to look further back asks for the next page."""
MOST_OF_AN_ALERT = 2_000
"""Lines of the audit about one alert."""


def page_of(
    connection: apsw.Connection, before: int, limit: int, wanted: AuditFilter
) -> tuple[list[AuditRecord], str | None]:
    """Newest first. The page may be short, or empty, though there is a next one: so far was looked."""
    conditions, values = _conditions(wanted)
    newest = connection.execute("SELECT max(id) FROM audit WHERE id < ?", (before,)).get or 0
    floor = max(0, newest - LOOKED_AT)
    where = " AND ".join(["id < ?", "id > ?", *conditions])
    query = f"SELECT id, body FROM audit WHERE {where} ORDER BY id DESC LIMIT ?"
    found = [rows.audit_record(row) for row in connection.execute(query, (before, floor, *values, limit + 1))]
    if len(found) > limit:
        return found[:limit], str(found[limit - 1].id)
    return found, str(floor + 1) if floor else None


def _conditions(wanted: AuditFilter) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []
    if wanted.actor is not None:
        conditions.append("json_extract(body, '$.actor') = ?")
        values.append(wanted.actor)
    if wanted.action:
        conditions.append(f"json_extract(body, '$.action') IN ({', '.join('?' * len(wanted.action))})")
        values += wanted.action
    if wanted.object is not None:  # or what lies within it: an alert's pictures
        conditions.append("substr(json_extract(body, '$.object') || '/', 1, ?) = ?")
        values += (len(wanted.object) + 1, f"{wanted.object}/")
    if wanted.since is not None:
        conditions.append("json_extract(body, '$.at') >= ?")
        values.append(rfc3339(wanted.since))
    if wanted.until is not None:
        conditions.append("json_extract(body, '$.at') < ?")
        values.append(rfc3339(wanted.until))
    if wanted.q:
        texts = " || ' ' || ".join(
            f"coalesce(json_extract(body, '$.{key}'), '')" for key in ("actor", "object", "reason", "detail")
        )
        conditions.append(f"instr(lower({texts}), lower(?)) > 0")
        values.append(wanted.q)
    return conditions, values


def sealed(connection: apsw.Connection, alert_id: str) -> tuple[list[SealedLine], list[SealedLine]]:
    """An alert's entries, and the newest lines of the audit that name it, each with its link of the chain."""
    query = """SELECT position, committed_at, via, sha256, body FROM entry
        WHERE alert_id = ? AND body <> '' ORDER BY position"""
    entries = [
        _line(connection, "entry", position, sealed_entry(body, committed_at, via, sha256).decode())
        for position, committed_at, via, sha256, body in _rows(connection, query, alert_id)
    ]
    if not entries:
        return [], []
    after = connection.execute(
        "SELECT ref FROM chain WHERE n > ? AND kind = 'audit' ORDER BY n LIMIT 1", (entries[0].n,)
    ).get
    if after is None:
        return entries, []
    query = "SELECT id, body FROM audit WHERE id >= ? AND instr(body, ?) > 0 ORDER BY id DESC LIMIT ?"
    about = list(_rows(connection, query, after, alert_id, MOST_OF_AN_ALERT))
    return entries, [_line(connection, "audit", id_, body) for id_, body in reversed(about)]


def newest_link(connection: apsw.Connection) -> tuple[int, str]:
    """The chain's newest end: its number and its link (hex)."""
    row = connection.execute("SELECT n, link FROM chain ORDER BY n DESC LIMIT 1").fetchone()
    return (0, GENESIS.hex()) if row is None else (row[0], row[1].hex())


def links_of(path: Path, numbers: Sequence[int]) -> dict[int, str]:
    """The links (hex) that stand at these numbers of a ledger file, also while its node runs. Raises UsageError."""
    try:
        connection = open_reader(path)
        try:
            return _links(connection, numbers)
        finally:
            connection.close()
    except DISK_ERRORS as error:
        raise UsageError(f"{path}: {in_words(error)}") from error
    except apsw.SQLError as error:
        raise UsageError(f"{path}: this is not a gateway's ledger ({error})") from error


def _links(connection: apsw.Connection, numbers: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for n in numbers:
        for (link,) in _rows(connection, "SELECT link FROM chain WHERE n = ?", n):
            found[n] = link.hex()
    return found


def _rows(connection: apsw.Connection, query: str, *values: Any) -> list[tuple[Any, ...]]:
    return list(connection.execute(query, values))


def _line(connection: apsw.Connection, kind: str, ref: int, text: str) -> SealedLine:
    n = number_of(connection, kind, ref)
    query = "SELECT salt, digest, link FROM chain WHERE n = ?"
    salt, digest, link = connection.execute(query, (n,)).fetchone() or (b"", b"", b"")
    before = connection.execute("SELECT link FROM chain WHERE n = ?", (n - 1,)).get
    return SealedLine(n, kind, ref, text, salt.hex(), digest.hex(), link.hex(), (before or GENESIS).hex())


def number_of(connection: apsw.Connection, kind: str, ref: int) -> int:
    """Where in the chain a record stands: of each kind they stand in their order. 0 where it does not."""
    low, high = 1, connection.execute("SELECT max(n) FROM chain").get or 0
    query = "SELECT n, ref FROM chain WHERE n >= ? AND kind = ? ORDER BY n LIMIT 1"
    while low <= high:
        middle = (low + high) // 2
        row = connection.execute(query, (middle, kind)).fetchone()
        if row is None or row[1] > ref:
            high = middle - 1
        elif row[1] == ref:
            return int(row[0])
        else:
            low = row[0] + 1
    return 0
