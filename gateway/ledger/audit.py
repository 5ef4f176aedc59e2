"""The hash chain: one link for every entry and every audit record, in commit order, over salted digests.

    digest = SHA-256(salt ‖ sealed bytes)            link = SHA-256(previous link ‖ "n kind ref" ‖ digest)

The sealed bytes of an entry are its canonical JSON behind a line that says when and by which way it came; those of an
audit record its canonical JSON. The first link follows 32 zero bytes. Because digests are salted, a text and its salt can be deleted as
the law demands and the chain stays whole without telling what the text was. Each deletion is sealed by a record that names
the digests of what went: a text that is missing without one is a broken line.

The chain shows every change within it. That its newest end was cut off whole shows only against a copy of a link that
was taken elsewhere before (a bundle, an upper node).
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
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
DELETED = "deleted"
"""The action of the gateway's own records that seal what was taken out (erasure.py)."""
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


def erased_digest(lines: Sequence[tuple[int, bytes]]) -> str:
    """Of what a deletion took out of the chain: a line ``{number} {digest in hex}`` for each, in the order of their numbers."""
    return hashlib.sha256(b"".join(_erased_line(n, digest) for n, digest in sorted(lines))).hexdigest()


def _erased_line(n: int, digest: bytes) -> bytes:
    return f"{n} {digest.hex()}\n".encode()


def sealed_entry(body: str, committed_at: int, via: str | None, sha256: str | None) -> bytes:
    return f"{json.dumps([committed_at, via, sha256])}\n{body}".encode()


def sealed_digest(salt: bytes, sealed: bytes) -> bytes:
    return hashlib.sha256(salt + sealed).digest()


def next_link(previous: bytes, n: int, kind: str, ref: int, digest: bytes) -> bytes:
    return hashlib.sha256(previous + f"{n} {kind} {ref}\n".encode() + digest).digest()


Rest = Callable[[float], None]
"""Called after each batch with the seconds that it took; may wait, and what it raises ends the check."""


def verify_file(path: Path, rest: Rest = lambda _: None) -> Verdict:
    """Check a ledger file, also while its node runs. Raises UsageError where there is no readable ledger."""
    if not path.is_file():
        raise UsageError(f"{path}: there is no ledger here; check data_dir in the configuration")
    connection = open_reader(path)
    try:
        return verify(connection, rest)
    except DISK_ERRORS as error:
        raise UsageError(f"{path}: {in_words(error)}") from error
    except apsw.SQLError as error:
        raise UsageError(f"{path}: this is not a gateway's ledger ({error})") from error
    finally:
        connection.close()


def verify(connection: apsw.Connection, rest: Rest = lambda _: None) -> Verdict:
    """Walk the chain from its first link, a batch at a time, so that no long read holds back a running node."""
    check = _Check()
    while True:
        began = time.monotonic()
        with connection:
            lines = list(_lines(connection, check.n))
            fault = next(filter(None, map(check.line, lines)), None)
            if not fault and len(lines) < _BATCH:
                fault = check.end(connection)
        if fault or len(lines) < _BATCH:
            return Verdict(check.n, check.link.hex(), fault)
        rest(time.monotonic() - began)


def _lines(connection: apsw.Connection, after: int) -> Iterator[tuple[Any, ...]]:
    query = """SELECT c.n, c.kind, c.ref, c.salt, c.digest, c.link, c.erased, a.body,
            e.body, e.committed_at, e.via, e.sha256, e.id, e.alert_id, e.node, e.seq
        FROM chain c
        LEFT JOIN entry e ON c.kind = 'entry' AND e.position = c.ref
        LEFT JOIN audit a ON c.kind = 'audit' AND a.id = c.ref
        WHERE c.n > ? ORDER BY c.n LIMIT ?"""
    return connection.execute(query, (after, _BATCH))


class _Missing:
    """What is missing for one record, as ``erased_digest`` sums it up: lines come in the order of their numbers, and of years of
    them none is kept."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.count = 0
        self.total = hashlib.sha256()

    def add(self, n: int, digest: bytes) -> None:
        self.count += 1
        self.total.update(_erased_line(n, digest))


class _Check:
    """How far the chain holds: ``n`` links up to ``link``."""

    def __init__(self) -> None:
        self.n = 0
        self.link = GENESIS
        self._newest = {"entry": 0, "audit": 0}
        self._restored_to = 0
        self._erased: dict[int, _Missing] = {}  # what was taken out, by the record that seals it

    def line(self, line: tuple[Any, ...]) -> Broken | None:
        n, kind, ref, salt, digest, _, erased, record, body, *arrival = line
        at = self.n + 1
        if n != at:
            return Broken(at, "the line is missing")
        if kind not in self._newest:
            return Broken(at, "the line is of no known kind")
        due = 1 + (max(self._newest[kind], self._restored_to) if kind == "entry" else self._newest[kind])
        if ref != due:
            return Broken(at, f"it should be of {kind} {due} and is of {kind} {ref}")
        text = body if kind == "entry" else record
        if text is None and erased is None:
            return Broken(at, f"{kind} {ref} is missing")
        if not text and erased is not None:
            self._erased.setdefault(erased, _Missing(n)).add(n, digest)
            return self._linked(line)
        committed_at, via, sha256, *columns = arrival
        sealed = sealed_entry(text, committed_at, via, sha256) if kind == "entry" else text.encode()
        if sealed_digest(salt, sealed) != digest:
            return Broken(at, f"{kind} {ref} was changed")
        if kind == "entry" and columns != _columns(text):
            return self._linked(line) or Broken(at, f"the index columns of entry {ref} were changed")
        if kind == "audit" and not self._seals(ref, text):
            return Broken(at, f"audit {ref} seals a deletion, and what is missing is not what it names")
        fault = self._linked(line)
        if fault is None and kind == "audit":
            self._restored_to = max(self._restored_to, _restored_to(text))
        return fault

    def _linked(self, line: tuple[Any, ...]) -> Broken | None:
        n, kind, ref, _, digest, link, *_ = line
        if next_link(self.link, n, kind, ref, digest) != link:
            return Broken(n, "the link to the line before does not hold")
        self.n, self.link = n, link
        self._newest[kind] = ref
        return None

    def _seals(self, ref: int, text: str) -> bool:
        """Whether what is missing for this record is what it says; a record that seals no deletion has nothing missing."""
        record, missing = json.loads(text), self._erased.pop(ref, None)
        seals = record["action"] == DELETED and record["actor"] == "gateway"
        count = record["detail"].get("lines", 0) if seals else 0
        if missing is None:
            return bool(count == 0)
        return bool(count == missing.count and record["detail"].get("digest") == missing.total.hexdigest())

    def end(self, connection: apsw.Connection) -> Broken | None:
        if self._erased:
            unsealed = min(missing.first for missing in self._erased.values())
            return Broken(unsealed, "what it is of was taken out, and no sealed deletion says so")
        for table, key in (("entry", "position"), ("audit", "id")):
            (newest,) = next(connection.execute(f"SELECT max({key}) FROM {table}"))  # noqa: S608 – both names are ours
            if (newest or 0) != self._newest[table]:
                return Broken(self.n + 1, f"{table} {newest} has no line in the chain")
        return None


def _restored_to(body: str) -> int:
    """The position after which entries go on once a backup was restored (restore.py); 0 for any other record."""
    record = json.loads(body)
    if record["action"] != "restored" or record["actor"] != "gateway":
        return 0
    _, position = record["detail"].get("position", (0, 0))
    return int(position)


def _columns(body: str) -> list[Any]:
    try:
        entry = rows.entry_from_body(body)
    except ValueError:
        return []
    return [entry.id, entry.alert_id, entry.node, entry.seq]


def canonical_entry(entry: Any) -> str:
    """The text under which an entry is stored, sent and hashed. Raises ValueError for what JSON cannot carry."""
    return canonical_json(entry_json(entry)).decode()
