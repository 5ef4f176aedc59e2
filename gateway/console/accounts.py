"""Console users, bearer tokens and login sessions.

Secrets are kept as digests only: passwords as Argon2id (RFC 9106), tokens and sessions, which are 256 random bits, as
SHA-256. What a request needs to know who asks is held in memory (``account_memory``).
"""

import json
import secrets
import sqlite3
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.canonical import sha256_hex
from gateway.console.account_file import LOCK_WAIT_S, AccountFile
from gateway.console.account_memory import AccountMemory
from gateway.console.account_records import LockedOut, Session, Token, User, WrongPassword, areas_of, time_of
from gateway.console.account_rules import (
    LONGEST_PASSWORD,
    TOKEN_ROLES,
    USER_ROLES,
    check_node,
    check_password,
    check_role,
    checked_areas,
    checked_name,
)
from gateway.console.login_failures import LoginFailures, forgive
from gateway.errors import UsageError
from gateway.model import Principal, utc_now

TOKEN_PREFIX = "gwt_"  # lets a secret scanner know what it found  # noqa: S105

_SESSIONS_PER_USER = 20
_SEEN_STEP = timedelta(minutes=5)  # how coarse "last seen" is kept: an fsync for every request would wear the disk
_CLOCK_SLACK = timedelta(minutes=5)


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
        self._memory = AccountMemory(self._file, absolute)
        self._failures = LoginFailures(self._file, now)
        self._idle = idle
        self._absolute = absolute
        self._hasher = hasher or PasswordHasher()
        self._decoy: str | None = None

    @property
    def file(self) -> AccountFile:
        """Where what users keep for themselves lies too."""
        return self._file

    # ------------------------------------------------------------------------------------------ users

    def add_user(self, name: str, role: str, password: str, areas: Sequence[str] = ()) -> None:
        """Raises UsageError: a name taken or not acceptable, an unknown role, a weak password."""
        name = checked_name(name, "user")
        check_role(role, USER_ROLES)
        codes = checked_areas(areas)
        check_password(name, password)
        hashed = self._hasher.hash(password)
        with self._file.writing() as connection:
            _refuse_taken(connection, name)
            connection.execute(
                "INSERT INTO users (name, role, areas, password_hash, created_at) VALUES (?, ?, ?, ?, ?)",
                (name, role, json.dumps(codes), hashed, self._now().timestamp()),
            )

    def set_password(self, name: str, password: str) -> None:
        """Give a new password; ends the user's sessions and lifts a lock-out. Raises UsageError."""
        name = checked_name(name, "user")
        check_password(name, password)
        hashed = self._hasher.hash(password)
        with self._file.writing() as connection:
            changed = connection.execute("UPDATE users SET password_hash = ? WHERE name = ?", (hashed, name))
            _require_one(changed, f"there is no user {name}: gateway user list shows them")
            connection.execute("DELETE FROM sessions WHERE user = ?", (name,))
            forgive(connection, name)

    def disable_user(self, name: str) -> None:
        """Nobody can log in as this user any more; its sessions end. Raises UsageError for an unknown user."""
        name = checked_name(name, "user")
        with self._file.writing() as connection:
            changed = connection.execute("UPDATE users SET disabled = 1 WHERE name = ?", (name,))
            _require_one(changed, f"there is no user {name}: gateway user list shows them")
            connection.execute("DELETE FROM sessions WHERE user = ?", (name,))

    def change_user(
        self,
        name: str,
        *,
        role: str | None = None,
        areas: Sequence[str] | None = None,
        disabled: bool | None = None,
    ) -> None:
        """None leaves a thing as it is. A disabled user's sessions end. Raises UsageError, also where nobody would be left
        who administers the whole node."""
        name = checked_name(name, "user")
        if role is not None:
            check_role(role, USER_ROLES)
        codes = None if areas is None else json.dumps(checked_areas(areas))
        with self._file.writing() as connection:
            before = _administrators(connection)
            changed = connection.execute(
                "UPDATE users SET role = coalesce(?, role), areas = coalesce(?, areas), disabled = coalesce(?, disabled)"
                " WHERE name = ?",
                (role, codes, disabled, name),
            )
            _require_one(changed, f"there is no user {name}: gateway user list shows them")
            if before and not _administrators(connection):
                raise UsageError(f"{name} is the last administrator of all areas: make another one first")
            if disabled:
                connection.execute("DELETE FROM sessions WHERE user = ?", (name,))
        self._memory.refresh(LOCK_WAIT_S)  # the next request is judged by it

    def users(self) -> list[User]:
        with self._file.reading() as connection:
            rows = connection.execute("SELECT name, role, areas, disabled, created_at FROM users ORDER BY name")
            return [User(n, role, areas_of(areas), bool(off), time_of(made)) for n, role, areas, off, made in rows]

    # ------------------------------------------------------------------------------------------ tokens

    def add_token(self, name: str, role: str, *, node: str | None = None, areas: Sequence[str] = ()) -> str:
        """Make a bearer token and return it: the only time it is seen. Raises UsageError."""
        name = checked_name(name, "token")
        check_role(role, TOKEN_ROLES)
        codes = checked_areas(areas)
        if (role == "node") != (node is not None):
            raise UsageError("--node ID goes with --role node: it says which lower node holds the token")
        if node is not None:
            check_node(node)
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        with self._file.writing() as connection:
            _refuse_taken(connection, name)
            connection.execute(
                "INSERT INTO tokens (name, role, areas, node, digest, created_at) VALUES (?, ?, ?, ?, ?, ?)",
                (name, role, json.dumps(codes), node, _digest(token), self._now().timestamp()),
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
                Token(name, role, node, areas_of(areas), time_of(made), None if ended is None else time_of(ended))
                for name, role, node, areas, made, ended in rows
            ]

    def holder(self, token: str) -> Principal | None:
        """Whose bearer token this is; None for a wrong or revoked one.

        The look-up is by digest, so its time says nothing about how much of a guess was right.
        """
        if not token.startswith(TOKEN_PREFIX) or not token.isascii():
            return None
        return self._memory.current().tokens.get(_digest(token))

    def has_node_token(self, node: str) -> bool:
        """Whether a token in force is made out to this lower node. From any thread."""
        return any(holder.node == node for holder in self._memory.current().tokens.values())

    def lower_nodes(self) -> frozenset[str] | None:
        """The lower nodes that tokens in force are made out to; None where the accounts cannot be read just now."""
        known = self._memory.current()
        if known.signature is None:
            return None
        return frozenset(holder.node for holder in known.tokens.values() if holder.node is not None)

    # ------------------------------------------------------------------------------------------ logins

    def log_in(self, name: str, password: str, address: str = "") -> tuple[str, Session]:
        """Return the session's secret and the session. ``address``: where the request came from. Raises WrongPassword |
        LockedOut.

        Call it from one thread at a time: then no burst of guesses passes before its failures are counted.
        """
        name = unicodedata.normalize("NFC", name)[:64]
        locked = self._failures.locked_for(name, address)
        if locked > 0:
            raise LockedOut(locked)
        hashed, user = self._password_hash(name)
        if not self._verify(hashed, password) or user is None:
            self._failures.count(name, address)
            raise WrongPassword("the user name or the password is wrong")
        return self._open_session(user, password, hashed, address)

    def log_out(self, session: Session) -> None:
        with self._file.writing() as connection:
            connection.execute("DELETE FROM sessions WHERE digest = ?", (session.digest,))
        self._memory.refresh(LOCK_WAIT_S)

    def sessions(self) -> list[Session]:
        """Every login in force, newest use first."""
        found = [each for each in self._memory.current().sessions.values() if self._in_force(each)]
        return sorted(found, key=lambda each: each.seen_at, reverse=True)

    def session(self, secret: str) -> Session | None:
        """The login in force that this cookie value belongs to, or None."""
        found = self._memory.current().sessions.get(_digest(secret)) if secret.isascii() else None
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

    def fault(self) -> str | None:
        """Why the accounts cannot be read, in words without a full stop; None while they can."""
        return self._memory.fault()

    # ------------------------------------------------------------------------------------------ inside

    def _in_force(self, session: Session) -> bool:
        now = self._now()
        if session.created_at - now > _CLOCK_SLACK:  # the clock was set back: its age is unknown
            return False
        return now < session.expires_at and now - session.seen_at < self._idle

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
        return hashed, None if disabled else User(name, role, areas_of(areas), False, time_of(created))

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password[: LONGEST_PASSWORD + 1].encode("utf-8", "surrogatepass"))
        except (VerificationError, InvalidHashError):
            return False

    def _open_session(self, user: User, password: str, hashed: str, address: str) -> tuple[str, Session]:
        now = self._now()
        secret = secrets.token_urlsafe(32)
        rehashed = self._hasher.hash(password) if self._hasher.check_needs_rehash(hashed) else hashed
        with self._file.writing() as connection:
            forgive(connection, user.name, address)
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
        self._memory.refresh(LOCK_WAIT_S)
        principal = Principal(user.name, user.role, user.areas)
        return secret, Session(_digest(secret), principal, now, now, now + self._absolute)


def _refuse_taken(connection: sqlite3.Connection, name: str) -> None:
    """Users and tokens share their names, so that an actor in the audit is one of them and no other."""
    if connection.execute("SELECT 1 FROM users WHERE name = ?", (name,)).fetchone():
        raise UsageError(f"there is a user {name} already: choose another name")
    if connection.execute("SELECT 1 FROM tokens WHERE name = ? AND revoked_at IS NULL", (name,)).fetchone():
        raise UsageError(f"there is a token {name} already: choose another name, or revoke it first")


def _administrators(connection: sqlite3.Connection) -> int:
    """How many can log in who may give everybody every right."""
    found = connection.execute("SELECT count(*) FROM users WHERE role = 'admin' AND NOT disabled AND areas = '[]'")
    count: int = found.fetchone()[0]
    return count


def _require_one(cursor: sqlite3.Cursor, otherwise: str) -> None:
    if cursor.rowcount != 1:
        raise UsageError(otherwise)


def _digest(secret: str) -> str:
    return sha256_hex(secret.encode())
