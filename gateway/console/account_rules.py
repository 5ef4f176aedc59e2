"""What names, roles, areas and passwords are accepted. Every check raises UsageError with a sentence."""

import re
import unicodedata
from collections.abc import Sequence

from gateway.errors import UsageError

USER_ROLES = ("viewer", "operator", "maintainer", "admin")
TOKEN_ROLES = ("viewer", "operator", "node")

_SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 1024  # Argon2 would hash a gigabyte as willingly
_NAME = re.compile(r"[^\s/\\,;:\"'<>\x00-\x1f\x7f]{1,64}")
_AREA = re.compile(r"[0-9A-Za-z]{1,32}")
_NODE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_RESERVED = frozenset({"gateway", "unknown"})  # actors of the alerts and of the audit


def checked_name(name: str, what: str) -> str:
    name = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(name) or not name.isprintable() or name in _RESERVED:
        raise UsageError(
            f"{name!r} cannot be the name of a {what}: 1 to 64 printable characters without spaces, quotes or any of"
            " / \\ , ; : < > are accepted"
        )
    return name


def check_role(role: str, accepted: tuple[str, ...]) -> None:
    if role not in accepted:
        raise UsageError(f"{role!r} is no role here: {', '.join(accepted)} are accepted")


def checked_areas(areas: Sequence[str]) -> list[str]:
    for area in areas:
        if not _AREA.fullmatch(area):
            raise UsageError(f"{area!r} is no area code: digits and letters, up to 32, are accepted")
    return sorted(set(areas))


def check_password(name: str, password: str) -> None:
    if len(password) < _SHORTEST_PASSWORD:
        raise UsageError(f"the password is too short: at least {_SHORTEST_PASSWORD} characters are accepted")
    if len(password) > LONGEST_PASSWORD:
        raise UsageError(f"the password is too long: at most {LONGEST_PASSWORD} characters are accepted")
    if password.casefold() == name.casefold():
        raise UsageError("the password is the user name: choose another")


def check_node(node: str) -> None:
    if not _NODE_ID.fullmatch(node):
        raise UsageError(f"{node!r} is no node id: [A-Za-z0-9._-], 1 to 64 characters, is accepted")
