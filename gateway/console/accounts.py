"""Console users, bearer tokens and login sessions.

Secrets are kept as digests only: passwords as Argon2id (RFC 9106), tokens and sessions, which are 256 random bits, as
SHA-256. What a request needs to know who asks is held in memory and read again when the file has changed, so that a
revocation by the command line works at once and a request costs no disk access.
"""

import json
import re
import secrets
import sqlite3
import threading
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.canonical import sha256_hex
from gateway.console.account_file import LOCK_WAIT_S, AccountFile
from gateway.errors import GatewayError, UsageError
from gateway.model import Principal, utc_now

USER_ROLES = ("viewer", "operator", "maintainer", "admin")
TOKEN_ROLES = ("viewer", "operator", "node")
TOKEN_PREFIX = "gwt_"  # lets a secret scanner know what it found  # noqa: S105

_MIN_PASSWORD = 10
_MAX_PASSWORD = 1024  # Argon2 would hash a gigabyte as willingly
_NAME = re.compile(r"[^\s/\\,;:\"'<>\x00-\x1f\x7f]{1,64}")
_AREA = re.compile(r"[0-9A-Za-z]{1,32}")
_NODE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_RESERVED = frozenset({"gateway", "unknown"})  # actors of the alerts and of the audit

_FAILURES_TO_LOCK = 5
_FAILURE_WINDOW = timedelta(minutes=15)
_LOCK = timedelta(minutes=15)
_FAILURES_KEPT = 10_000  # an attacker who tries random names must not fill the disk
_SESSIONS_PER_USER = 20
_SEEN_STEP = timedelta(minutes=5)  # how coarse "last seen" is kept: an fsync for every request would wear the disk
_CLOCK_SLACK = timedelta(minutes=5)
_RELOAD_S = 2.0  # re-read at least this often, for two changes in one tick of the file's clock
_STALE_S = 60.0  # while the file cannot be read, what is known holds this long and no longer
_READ_WAIT_S = 0.05  # look-ups run on the event loop: a lock held longer is waited out with what is known


@dataclass(frozen=True, slots=True)
class User:
    name: str
    role: str
    areas: tuple[str, ...]
    disabled: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    name: str
    role: str
    node: str | None
    areas: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Session:
    """A login in force. ``digest`` names it without being able to use it."""

    digest: str
    principal: Principal
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class WrongPassword(GatewayError):
    """The user name or the password is wrong; which of them is not said."""


class LockedOut(GatewayError):
    """Too many wrong passwords for this name. ``seconds`` until it may be tried again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many wrong passwords: try again in {max(1, round(seconds / 60))} min")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class _Known:
    """What the file said when it was last read."""

    tokens: dict[str, Principal]
    sessions: dict[str, Session]
    signature: tuple[int, ...] | None
    read_at: float  # monotonic


class Accounts:
    """``path``: the database file, e.g. ``data_dir/accounts.db``; it is created when first needed.

    ``idle`` and ``absolute``: how long a login lasts unused, and at most. Every method may be called from any thread;
    ``holder`` and ``session`` are quick enough for the event loop, the others write to disk.
    """

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], datetime] = utc_now,
        idle: timedelta = timedelta(hours=8),
        absolute: timedelta = timedelta(hours=24),
        hasher: PasswordHasher | None = None,
    ) -> None:
        self._file = AccountFile(path)
        self._now = now
        self._idle = idle
        self._absolute = absolute
        self._hasher = hasher or PasswordHasher()
        self._decoy: str | None = None
        self._known: _Known | None = None
        self._lock = threading.Lock()

    # ------------------------------------------------------------------------------------------ users

    def add_user(self, name: str, role: str, password: str, areas: Sequence[str] = ()) -> None:
        """Raises UsageError: a name taken or not acceptable, an unknown role, a weak password."""
        name = _checked_name(name, "user")
        _check_role(role, USER_ROLES)
        checked_areas = _checked_areas(areas)
        _check_password(name, password)
        hashed = self._hasher.hash(password)
        with self._file.writing() as connection:
            _refuse_taken(connection, name)
            connection.execute(
                "INSERT INTO users (name, role, areas, password_hash, created_at) VALUES (?, ?, ?, ?, ?)",
                (name, role, json.dumps(checked_areas), hashed, self._now().timestamp()),
            )

    def set_password(self, name: str, password: str) -> None:
        """Give a new password; ends the user's sessions and lifts a lock-out. Raises UsageError."""
        name = _checked_name(name, "user")
        _check_password(name, password)
        hashed = self._hasher.hash(password)
        with self._file.writing() as connection:
            changed = connection.execute("UPDATE users SET password_hash = ? WHERE name = ?", (hashed, name))
            _require_one(changed, f"there is no user {name}: gateway user list shows them")
            connection.execute("DELETE FROM sessions WHERE user = ?", (name,))
            _forgive(connection, name)

    def disable_user(self, name: str) -> None:
        """Nobody can log in as this user any more; its sessions end. Raises UsageError for an unknown user."""
        name = _checked_name(name, "user")
        with self._file.writing() as connection:
            changed = connection.execute("UPDATE users SET disabled = 1 WHERE name = ?", (name,))
            _require_one(changed, f"there is no user {name}: gateway user list shows them")
            connection.execute("DELETE FROM sessions WHERE user = ?", (name,))

    def users(self) -> list[User]:
        with self._file.reading() as connection:
            rows = connection.execute("SELECT name, role, areas, disabled, created_at FROM users ORDER BY name")
            return [User(n, role, _areas(areas), bool(off), _time(made)) for n, role, areas, off, made in rows]

    # ------------------------------------------------------------------------------------------ tokens

    def add_token(self, name: str, role: str, *, node: str | None = None, areas: Sequence[str] = ()) -> str:
        """Make a bearer token and return it: the only time it is seen. Raises UsageError."""
        name = _checked_name(name, "token")
        _check_role(role, TOKEN_ROLES)
        checked_areas = _checked_areas(areas)
        if (role == "node") != (node is not None):
            raise UsageError("--node ID goes with --role node: it says which lower node holds the token")
        if node is not None and not _NODE_ID.fullmatch(node):
            raise UsageError(f"{node!r} is no node id: [A-Za-z0-9._-], 1 to 64 characters, is accepted")
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        with self._file.writing() as connection:
            _refuse_taken(connection, name)
            connection.execute(
                "INSERT INTO tokens (name, role, areas, node, digest, created_at) VALUES (?, ?, ?, ?, ?, ?)",
                (name, role, json.dumps(checked_areas), node, _digest(token), self._now().timestamp()),
            )
        return token

    def revoke_token(self, name: str) -> None:
        """Raises UsageError where no token of that name is in force."""
        with self._file.writing() as connection:
            changed = connection.execute(
                "UPDATE tokens SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL",
                (self._now().timestamp(), name),
            )
            _require_one(changed, f"there is no token {name} in force: gateway token list shows them")

    def tokens(self) -> list[Token]:
        """Revoked ones too, oldest first."""
        with self._file.reading() as connection:
            rows = connection.execute("SELECT name, role, node, areas, created_at, revoked_at FROM tokens ORDER BY id")
            return [
                Token(name, role, node, _areas(areas), _time(made), None if ended is None else _time(ended))
                for name, role, node, areas, made, ended in rows
            ]

    def holder(self, token: str) -> Principal | None:
        """Whose bearer token this is; None for a wrong or revoked one.

        The look-up is by digest, so its time says nothing about how much of a guess was right.
        """
        if not token.startswith(TOKEN_PREFIX) or not token.isascii():
            return None
        return self._current().tokens.get(_digest(token))

    def has_node_token(self, node: str) -> bool:
        """Whether a token in force is made out to this lower node. From any thread."""
        return any(holder.node == node for holder in self._current().tokens.values())

    # ------------------------------------------------------------------------------------------ logins

    def log_in(self, name: str, password: str) -> tuple[str, Session]:
        """Return the session's secret and the session. Raises WrongPassword | LockedOut.

        Call it from one thread at a time: then no burst of guesses passes before its failures are counted.
        """
        name = unicodedata.normalize("NFC", name)[:64]
        locked = self._locked_for(name)
        if locked > 0:
            raise LockedOut(locked)
        hashed, user = self._password_hash(name)
        if not self._verify(hashed, password) or user is None:
            self._count_failure(name)
            raise WrongPassword("the user name or the password is wrong")
        return self._open_session(user, password, hashed)

    def log_out(self, session: Session) -> None:
        with self._file.writing() as connection:
            connection.execute("DELETE FROM sessions WHERE digest = ?", (session.digest,))
        self._refresh(LOCK_WAIT_S)

    def session(self, secret: str) -> Session | None:
        """The login in force that this cookie value belongs to, or None."""
        found = self._current().sessions.get(_digest(secret)) if secret.isascii() else None
        return found if found is not None and self._in_force(found) else None

    def wants_touch(self, session: Session) -> bool:
        return self._now() - session.seen_at >= _SEEN_STEP

    def touch(self, session: Session) -> None:
        """Note that the session is in use."""
        with self._file.writing() as connection:
            connection.execute(
                "UPDATE sessions SET seen_at = ? WHERE digest = ?", (self._now().timestamp(), session.digest)
            )

    def knows(self, name: str) -> bool:
        with self._file.reading() as connection:
            return connection.execute("SELECT 1 FROM users WHERE name = ?", (name,)).fetchone() is not None

    # ------------------------------------------------------------------------------------------ inside

    def _current(self) -> _Known:
        known = self._known
        age = float("inf") if known is None else time.monotonic() - known.read_at
        try:
            if known is None or age > _RELOAD_S or self._file.signature() != known.signature:
                return self._refresh(_READ_WAIT_S)
        except UsageError:
            if known is None or age > _STALE_S:
                return _Known({}, {}, None, 0.0)
        return known

    def _refresh(self, wait: float) -> _Known:
        started = time.monotonic()
        known = self._read(self._file.signature(), started, wait)
        with self._lock:
            if self._known is None or self._known.read_at < started:
                self._known = known
        return known

    def _read(self, signature: tuple[int, ...] | None, started: float, wait: float) -> _Known:
        if signature is None:
            return _Known({}, {}, None, started)
        with self._file.reading(wait) as connection:
            tokens = {
                digest: Principal(name, role, _areas(areas), node)
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
        return _Known(tokens, sessions, signature, started)

    def _session(self, digest: str, name: str, role: str, areas: str, created: float, seen: float) -> Session:
        created_at = _time(created)
        return Session(
            digest, Principal(name, role, _areas(areas)), created_at, _time(seen), created_at + self._absolute
        )

    def _in_force(self, session: Session) -> bool:
        now = self._now()
        if session.created_at - now > _CLOCK_SLACK:  # the clock was set back: its age is unknown
            return False
        return now < session.expires_at and now - session.seen_at < self._idle

    def _locked_for(self, name: str) -> int:
        with self._file.reading() as connection:
            row = connection.execute("SELECT until FROM locks WHERE name = ?", (name,)).fetchone()
        left = 0.0 if row is None else row[0] - self._now().timestamp()
        # More than a full lock-out is left only if the clock was set back meanwhile: that must not lock for years.
        return int(left + 1) if 0 < left <= _LOCK.total_seconds() else 0

    def _password_hash(self, name: str) -> tuple[str, User | None]:
        """The user's hash, or one that nothing matches, so that an unknown user costs the same time."""
        if self._decoy is None:
            self._decoy = self._hasher.hash(secrets.token_urlsafe(32))
        with self._file.reading() as connection:
            row = connection.execute(
                "SELECT password_hash, role, areas, disabled, created_at FROM users WHERE name = ?", (name,)
            ).fetchone()
        if row is None:
            return self._decoy, None
        hashed, role, areas, disabled, created = row
        return hashed, None if disabled else User(name, role, _areas(areas), False, _time(created))

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password[: _MAX_PASSWORD + 1].encode("utf-8", "surrogatepass"))
        except (VerificationError, InvalidHashError):
            return False

    def _count_failure(self, name: str) -> None:
        now = self._now().timestamp()
        with self._file.writing() as connection:
            window = (now - _FAILURE_WINDOW.total_seconds(), now)
            connection.execute("DELETE FROM failures WHERE at NOT BETWEEN ? AND ?", window)
            connection.execute("DELETE FROM locks WHERE until NOT BETWEEN ? AND ?", (now, now + _LOCK.total_seconds()))
            connection.execute("INSERT INTO failures (name, at) VALUES (?, ?)", (name, now))
            connection.execute(
                "DELETE FROM failures WHERE rowid <= (SELECT max(rowid) FROM failures) - ?", (_FAILURES_KEPT,)
            )
            failures = connection.execute("SELECT count(*) FROM failures WHERE name = ?", (name,)).fetchone()[0]
            if failures >= _FAILURES_TO_LOCK:
                connection.execute("INSERT OR REPLACE INTO locks VALUES (?, ?)", (name, now + _LOCK.total_seconds()))
                connection.execute("DELETE FROM failures WHERE name = ?", (name,))

    def _open_session(self, user: User, password: str, hashed: str) -> tuple[str, Session]:
        now = self._now()
        secret = secrets.token_urlsafe(32)
        rehashed = self._hasher.hash(password) if self._hasher.check_needs_rehash(hashed) else hashed
        with self._file.writing() as connection:
            _forgive(connection, user.name)
            # The password may have been changed, or the user disabled, while Argon2 was at work.
            changed = connection.execute(
                "UPDATE users SET password_hash = ? WHERE name = ? AND password_hash = ? AND NOT disabled",
                (rehashed, user.name, hashed),
            )
            if changed.rowcount != 1:
                raise WrongPassword("the user name or the password is wrong")
            connection.execute(
                "DELETE FROM sessions WHERE created_at NOT BETWEEN ? AND ?",
                ((now - self._absolute).timestamp(), (now + _CLOCK_SLACK).timestamp()),
            )
            connection.execute(
                "DELETE FROM sessions WHERE digest IN (SELECT digest FROM sessions WHERE user = ?"
                " ORDER BY created_at DESC LIMIT -1 OFFSET ?)",
                (user.name, _SESSIONS_PER_USER - 1),
            )
            connection.execute(
                "INSERT INTO sessions (digest, user, created_at, seen_at) VALUES (?, ?, ?, ?)",
                (_digest(secret), user.name, now.timestamp(), now.timestamp()),
            )
        # Known before the answer goes out: a look-up that meets another's commit falls back to what is in memory.
        self._refresh(LOCK_WAIT_S)
        principal = Principal(user.name, user.role, user.areas)
        return secret, Session(_digest(secret), principal, now, now, now + self._absolute)


def _forgive(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("DELETE FROM failures WHERE name = ?", (name,))
    connection.execute("DELETE FROM locks WHERE name = ?", (name,))


def _checked_name(name: str, what: str) -> str:
    name = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(name) or not name.isprintable() or name in _RESERVED:
        raise UsageError(
            f"{name!r} cannot be the name of a {what}: 1 to 64 printable characters without spaces, quotes or any of"
            " / \\ , ; : < > are accepted"
        )
    return name


def _check_role(role: str, accepted: tuple[str, ...]) -> None:
    if role not in accepted:
        raise UsageError(f"{role!r} is no role here: {', '.join(accepted)} are accepted")


def _checked_areas(areas: Sequence[str]) -> list[str]:
    for area in areas:
        if not _AREA.fullmatch(area):
            raise UsageError(f"{area!r} is no area code: digits and letters, up to 32, are accepted")
    return sorted(set(areas))


def _check_password(name: str, password: str) -> None:
    if len(password) < _MIN_PASSWORD:
        raise UsageError(f"the password is too short: at least {_MIN_PASSWORD} characters are accepted")
    if len(password) > _MAX_PASSWORD:
        raise UsageError(f"the password is too long: at most {_MAX_PASSWORD} characters are accepted")
    if password.casefold() == name.casefold():
        raise UsageError("the password is the user name: choose another")


def _refuse_taken(connection: sqlite3.Connection, name: str) -> None:
    """Users and tokens share their names, so that an actor in the audit is one of them and no other."""
    if connection.execute("SELECT 1 FROM users WHERE name = ?", (name,)).fetchone():
        raise UsageError(f"there is a user {name} already: choose another name")
    if connection.execute("SELECT 1 FROM tokens WHERE name = ? AND revoked_at IS NULL", (name,)).fetchone():
        raise UsageError(f"there is a token {name} already: choose another name, or revoke it first")


def _require_one(cursor: sqlite3.Cursor, otherwise: str) -> None:
    if cursor.rowcount != 1:
        raise UsageError(otherwise)


def _digest(secret: str) -> str:
    return sha256_hex(secret.encode())


def _areas(stored: str) -> tuple[str, ...]:
    return tuple(json.loads(stored))


def _time(stored: float) -> datetime:
    return datetime.fromtimestamp(stored, UTC)
