"""Who may call, as the accounts' file said when it was last read: a request costs no disk access."""

import threading
import time
from dataclasses import dataclass
from datetime import timedelta

from gateway.console.account_file import AccountFile, AccountsBusy
from gateway.console.account_records import Session, areas_of, time_of
from gateway.errors import UsageError
from gateway.model import Principal
from gateway.observability import events

_RELOAD_S = 2.0  # re-read at least this often, whatever the file's stamps say
_STALE_S = 60.0  # while the file cannot be read, what is known holds this long and no longer
_READ_WAIT_S = 0.05  # look-ups run on the event loop: a lock held longer is waited out with what is known


@dataclass(frozen=True, slots=True)
class Known:
    """What the file said when it was last read. Tokens and sessions by their digests."""

    tokens: dict[str, Principal]
    sessions: dict[str, Session]
    signature: tuple[int, ...] | None
    read_at: float  # monotonic


class AccountMemory:
    """Read again when the file has changed, so that a revocation by the command line works at once. ``absolute``: how long a
    login lasts at most. Every method may be called from any thread."""

    def __init__(self, file: AccountFile, absolute: timedelta) -> None:
        self._file = file
        self._absolute = absolute
        self.known: Known | None = None
        self._fault: str | None = None
        self._lock = threading.Lock()

    def current(self) -> Known:
        known = self.known
        age = float("inf") if known is None else time.monotonic() - known.read_at
        try:
            if known is None or age > _RELOAD_S or self._file.signature() != known.signature:
                found = self.refresh(_READ_WAIT_S)
                self._tell(None)
                return found
        except UsageError as error:
            if not isinstance(error, AccountsBusy):
                self._tell(str(error))
            if known is None or age > _STALE_S:
                return Known({}, {}, None, 0.0)
        return known

    def fault(self) -> str | None:
        """Why the accounts cannot be read, in words without a full stop; None while they can."""
        self.current()
        return self._fault

    def _tell(self, fault: str | None) -> None:
        """In the log once, and once when it is over: a request is only told that it is not let in."""
        if (fault is None) != (self._fault is None):
            (events.accounts_unreadable if fault else events.accounts_readable)(fault or "")
        self._fault = fault

    def refresh(self, wait: float) -> Known:
        started = time.monotonic()
        known = self._read(self._file.signature(), started, wait)
        with self._lock:
            if self.known is None or self.known.read_at < started:
                self.known = known
        return known

    def _read(self, signature: tuple[int, ...] | None, started: float, wait: float) -> Known:
        if signature is None:
            return Known({}, {}, None, started)
        with self._file.reading(wait) as connection:
            tokens = {
                digest: Principal(name, role, areas_of(areas), node)
                for digest, name, role, areas, node in connection.execute(
                    "SELECT digest, name, role, areas, node FROM tokens WHERE revoked_at IS NULL"
                )
            }
            sessions = {
                row[0]: self._session(*row)
                for row in connection.execute(
                    "SELECT digest, name, role, areas, sessions.created_at, seen_at"
                    " FROM sessions JOIN users ON users.name = sessions.user WHERE NOT disabled"
                )
            }
        return Known(tokens, sessions, signature, started)

    def _session(self, digest: str, name: str, role: str, areas: str, created: float, seen: float) -> Session:
        created_at = time_of(created)
        return Session(
            digest, Principal(name, role, areas_of(areas)), created_at, time_of(seen), created_at + self._absolute
        )
