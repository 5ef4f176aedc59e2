"""What the console asks of whoever writes households and their terminals down, as a narrow protocol."""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, Protocol

from gateway.console.registers import Tables
from gateway.console.registrar import Noted
from gateway.errors import UsageError

_ONE_PHONE = re.compile(r"\+?[0-9][0-9 ()\-]{1,22}[0-9](?:(?:转|x|ext\.?) ?[0-9]{1,6})?")
_MOST_COMPARED = 1000  # for the nearest name: of thousands it takes tens of milliseconds a row
_BETWEEN_PHONES = re.compile(r"[,;/、，；]")


class AlreadyHere(UsageError):
    """There is a terminal of this id already."""


class Households(Protocol):
    """``noted`` puts what is done into the audit before it is done. Every call raises ConfigError, UsageError in words,
    NotInForce, RunningError; KeyError for a terminal that does not stand in the configuration."""

    @property
    def tables(self) -> Tables:
        """The register of households as tables."""

    async def add(self, terminal: Mapping[str, Any], noted: Noted) -> None:
        """``terminal``: as in the YAML file. Raises AlreadyHere."""

    async def change(self, terminal_id: str, patch: Mapping[str, Any], noted: Noted) -> None:
        """``patch``: keys as in the YAML file, None takes one away."""

    async def remove(self, terminal_id: str, noted: Noted) -> None:
        """Neighbours name it no more."""

    async def replace(self, old: str, new: str, noted: Noted) -> None:
        """Another box in the same household: everything goes to the new id, also what neighbours say. Raises AlreadyHere."""


def not_here(key: str, what: str, name: str, known: Collection[str]) -> str:
    """The fault of a terminal whose ``key`` names what there is not. ``known``: those that may be told of."""
    near = get_close_matches(name, sorted(known), n=1) if len(known) <= _MOST_COMPARED else []
    return f"{key}: there is no {what} {name}" + (f"; the nearest is {near[0]}" if near else "")


def phone_fault(phone: str | None) -> str | None:
    """Why nobody could be called back at ``phone``; None where it can be, or there is none."""
    if phone is None or not phone.strip():
        return None
    for one in _BETWEEN_PHONES.split(phone):
        if not _ONE_PHONE.fullmatch(one.strip()):
            return f"{one.strip()[:40]!r} is no telephone number: 3 to 24 digits, with + - ( ) and 转 for an extension"
    return None
