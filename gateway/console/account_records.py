"""Who there is: users, tokens, logins in force; and why a login is refused."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.errors import GatewayError
from gateway.model import Principal


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


def areas_of(stored: str) -> tuple[str, ...]:
    """As the accounts' file keeps them: a JSON list."""
    return tuple(json.loads(stored))


def time_of(stored: float) -> datetime:
    """As the accounts' file keeps it: seconds since the epoch."""
    return datetime.fromtimestamp(stored, UTC)
