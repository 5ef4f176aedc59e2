"""The hash chain: one link for every entry and every audit record, in commit order, over salted digests.

    digest = SHA-256(salt ‖ sealed bytes)            link = SHA-256(previous link ‖ "n kind ref" ‖ digest)

The sealed bytes of an entry are its canonical JSON behind a line that says when and by which way it came; those of an
audit record its canonical JSON. The first link follows 32 zero bytes. Because digests are salted, a text and its salt can be deleted as
the law demands and the chain stays whole without telling what the text was.

The chain shows every change within it. That its newest end was cut off whole shows only against a copy of a link that
was taken elsewhere before (a bundle, an upper node).
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from gateway.canonical import canonical_json
from gateway.codec import entry_json
from gateway.errors import UsageError
from gateway.ledger import rows
from gateway.ledger.connection import DISK_ERRORS, in_words, open_reader

GENESIS = bytes(32)
SALT_BYTES = 16
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Broken:
    """The first line of the chain that does not hold: its number, and why in words."""

    n: int
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check found: how many links hold, the last good link (hex), and the first broken line if any."""

    links: int
    newest: str
    broken: Broken | None = None


def sealed_entry(body: str, committed_at: int, via: str | None, sha256: str | None) -> bytes:
    return f"{json.dumps([committed_at, via, sha256])}\n{body}".encode()


def sealed_digest(salt: bytes, sealed: bytes) -> bytes:
    return hashlib.sha256(salt + sealed).digest()


def next_link(previous: bytes, n: int, kind: str, ref: int, digest: bytes) -> bytes:
    return hashlib.sha256(previous + f"{n} {kind} {ref}\n".encode() + digest).digest()


def verify_file(path: Path) -> Verdict:
    """Check a ledger file, also while its node runs. Raises UsageError where there is no readable ledger."""
    if not path.is_file():
        raise UsageError(f"{path}: there is no ledger here; check data_dir in the configuration")
    connection = open_reader(path)
    try:
        return verify(connection)
    except DISK_ERRORS as error:
        raise UsageError(f"{path}: {in_words(error)}") from error
    except apsw.SQLError as error:
        raise UsageError(f"{path}: this is not a gateway's ledger ({error})") from error
    finally:
        connection.close()


def verify(connection: apsw.Connection) -> Verdict:
    """Walk the chain from its first link, a batch at a time, so that no long read holds back a running node."""
    check = _Check()
    while True:
        with connection:
            lines = list(_lines(connection, check.n))
            fault = next(filter(None, map(check.line, lines)), None)
            if not fault and len(lines) < _BATCH:
                fault = check.end(connection)
        if fault or len(lines) < _BATCH:
            return Verdict(check.n, check.link.hex(), fault)


def _lines(connection: apsw.Connection, after: int) -> Iterator[tuple[Any, ...]]:
    query = """SELECT c.n, c.kind, c.ref, c.salt, c.digest, c.link, a.body,
            e.body, e.committed_at, e.via, e.sha256, e.id, e.alert_id, e.node, e.seq
        FROM chain c
        LEFT JOIN entry e ON c.kind = 'entry' AND e.position = c.ref
        LEFT JOIN audit a ON c.kind = 'audit' AND a.id = c.ref
        WHERE c.n > ? ORDER BY c.n LIMIT ?"""
    return connection.execute(query, (after, _BATCH))


class _Check:
    """How far the chain holds: ``n`` links up to ``link``."""

    def __init__(self) -> None:
        self.n = 0
        self.link = GENESIS
        self._newest = {"entry": 0, "audit": 0}

    def line(self, line: tuple[Any, ...]) -> Broken | None:
        n, kind, ref, salt, digest, link, record, body, *arrival = line
        at = self.n + 1
        if n != at:
            return Broken(at, "the line is missing")
        if kind not in self._newest:
            return Broken(at, "the line is of no known kind")
        if ref != self._newest[kind] + 1:
            return Broken(at, f"it should be of {kind} {self._newest[kind] + 1} and is of {kind} {ref}")
        text = body if kind == "entry" else record
        if text is None:
            return Broken(at, f"{kind} {ref} is missing")
        committed_at, via, sha256, *columns = arrival
        sealed = sealed_entry(text, committed_at, via, sha256) if kind == "entry" else text.encode()
        if sealed_digest(salt, sealed) != digest:
            return Broken(at, f"{kind} {ref} was changed")
        if next_link(self.link, n, kind, ref, digest) != link:
            return Broken(at, "the link to the line before does not hold")
        if kind == "entry" and columns != _columns(text):
            return Broken(at, f"the index columns of entry {ref} were changed")
        self.n, self.link = n, link
        self._newest[kind] = ref
        return None

    def end(self, connection: apsw.Connection) -> Broken | None:
        for table, key in (("entry", "position"), ("audit", "id")):
            (newest,) = next(connection.execute(f"SELECT max({key}) FROM {table}"))  # noqa: S608 – both names are ours
            if (newest or 0) != self._newest[table]:
                return Broken(self.n + 1, f"{table} {newest} has no line in the chain")
        return None


def _columns(body: str) -> list[Any]:
    try:
        entry = rows.entry_from_body(body)
    except ValueError:
        return []
    return [entry.id, entry.alert_id, entry.node, entry.seq]


def canonical_entry(entry: Any) -> str:
    """The text under which an entry is stored, sent and hashed. Raises ValueError for what JSON cannot carry."""
    return canonical_json(entry_json(entry)).decode()
