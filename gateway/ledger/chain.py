"""The newest end of the hash chain, and the counters: in memory, because the one writer alone moves them."""

import secrets

import apsw

from gateway.ledger import audit


class Chain:
    """Seals entries and audit records on the writer's connection. ``forget`` after every rollback.

    Should another program have written all the same, the next link's number is taken: that work fails, nothing is overwritten.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.forget()

    def forget(self) -> None:
        """What was in memory may be of a transaction that has not happened."""
        self._end: tuple[int, bytes] | None = None
        self._seq: int | None = None

    def seal(self, kind: str, ref: int, sealed: bytes) -> None:
        n, previous = self._end or self._newest()
        salt = secrets.token_bytes(audit.SALT_BYTES)
        digest = audit.sealed_digest(salt, sealed)
        link = audit.next_link(previous, n + 1, kind, ref, digest)
        query = "INSERT INTO chain (n, kind, ref, salt, digest, link) VALUES (?, ?, ?, ?, ?, ?)"
        self._connection.execute(query, (n + 1, kind, ref, salt, digest, link))
        self._end = n + 1, link

    def next_seq(self) -> int:
        """The number of this node's next entry."""
        if self._seq is None:
            self._seq = self._connection.execute("SELECT value FROM counter WHERE name = 'seq'").get or 0
        self._seq += 1
        self._connection.execute("INSERT OR REPLACE INTO counter (name, value) VALUES ('seq', ?)", (self._seq,))
        return self._seq

    def _newest(self) -> tuple[int, bytes]:
        row = self._connection.execute("SELECT n, link FROM chain ORDER BY n DESC LIMIT 1").fetchone()
        return (0, audit.GENESIS) if row is None else (row[0], row[1])
