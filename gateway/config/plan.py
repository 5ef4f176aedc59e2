"""What a new configuration would change, said before it is done. Pure.

A ``Record`` is what a node keeps of the configuration in force: of each camera and terminal, and of all the rest together,
every key that was set, with a mark of its value. Marks are HMACs under a random key of the record, so two records of the
same node can be compared and neither holds a value.
"""

import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import SecretStr

from gateway.canonical import sha256_hex
from gateway.config.settings import Settings
from gateway.errors import UsageError

Marks = Mapping[str, str]
"""Dotted key → mark of its value, for the keys that are not at their default."""

LEAST_REMOVED = 5
"""Below this a removal is a person's daily work, whatever share of a small village it is."""
_TOLD = ("cameras", "terminals")
_FILES = ("cameras_file", "terminals_file")
_AT_ONCE = {*_TOLD, *_FILES, "reload"}
"""What a reload takes over; the rest needs a restart."""
_MARK_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Record:
    """A configuration as marks; ``key`` made them. ``rest``: what a reload does not take over."""

    key: bytes
    cameras: Mapping[str, Marks]
    terminals: Mapping[str, Marks]
    rest: Marks

    def reloaded(self, new: "Record") -> "Record":
        """What is in force after a reload of ``new``."""
        return replace(new, rest=self.rest)


@dataclass(frozen=True, slots=True)
class Difference:
    """Of cameras or of terminals, by id. ``changed``: the keys that differ. ``kept``: how many stay as they are."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kept: int = 0

    @property
    def before(self) -> int:
        return len(self.removed) + len(self.changed) + self.kept

    def removes_too_much(self, most: float) -> bool:
        """Whether more than the share ``most`` would go, or all there are."""
        count = len(self.removed)
        if count < LEAST_REMOVED and not 1 < count == self.before:
            return False
        return count > most * self.before


@dataclass(frozen=True, slots=True)
class Plan:
    """What differs. ``restart``: the other keys that differ; they take effect at the next start only."""

    cameras: Difference
    terminals: Difference
    restart: tuple[str, ...]
    most_removed: float

    @property
    def changes_nothing(self) -> bool:
        both = (self.cameras, self.terminals)
        return not self.restart and not any(each.added or each.removed or each.changed for each in both)

    @property
    def digest(self) -> str:
        """A name for this very plan: what ``--yes`` approves. The share allowed is no part of it."""
        return sha256_hex(
            json.dumps([_difference_json(self.cameras), _difference_json(self.terminals)], sort_keys=True).encode()
        )

    def refusal(self) -> str | None:
        """Why it is not taken without a ``yes``, as a sentence; None where it is."""
        for what, each in (("cameras", self.cameras), ("terminals", self.terminals)):
            if each.removes_too_much(self.most_removed):
                share = f"{len(each.removed)} of {each.before} {what}"
                return (
                    f"it removes {share}, more than reload.most_removed ({self.most_removed:.0%}) allows; "
                    "if that is meant, approve it with gateway check --plan --yes and reload again"
                )
        return None

    def lines(self) -> Iterator[str]:
        """For people: + added, - removed, ~ changed (the keys), = how many are kept."""
        for what, each in (("camera", self.cameras), ("terminal", self.terminals)):
            yield from (f"+ {what} {name}" for name in each.added)
            yield from (f"- {what} {name}" for name in each.removed)
            yield from (f"~ {what} {name} ({', '.join(keys)})" for name, keys in each.changed.items())
            yield f"= {each.kept} {what}s kept"
        yield from (f"! {key}: takes effect at the next start" for key in self.restart)
        yield self.summary()

    def summary(self) -> str:
        return "; ".join(
            f"{what}: {len(each.added)} added, {len(each.removed)} removed, {len(each.changed)} changed, {each.kept} kept"
            for what, each in (("cameras", self.cameras), ("terminals", self.terminals))
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "cameras": _difference_json(self.cameras),
            "terminals": _difference_json(self.terminals),
            "restart": list(self.restart),
            "refusal": self.refusal(),
        }


class PlanRefused(UsageError):
    """The plan removes too much to be taken without a word; nothing was changed."""

    def __init__(self, plan: Plan, reason: str) -> None:
        super().__init__(reason)
        self.plan = plan


def record(settings: Settings, key: bytes) -> Record:
    """What is kept of ``settings``. ``key``: 32 random bytes of the node's own."""
    return Record(
        key,
        {camera.id: _marks(key, camera.model_dump(exclude_defaults=True)) for camera in settings.cameras},
        {terminal.id: _marks(key, terminal.model_dump(exclude_defaults=True)) for terminal in settings.terminals},
        _marks(key, settings.model_dump(exclude=_AT_ONCE, exclude_defaults=True)),
    )


def plan(before: Record | None, after: Record, most_removed: float) -> Plan:
    """What ``after`` changes; ``before`` is None where the node has never run."""
    return Plan(
        _difference({} if before is None else before.cameras, after.cameras),
        _difference({} if before is None else before.terminals, after.terminals),
        () if before is None else _changed_keys(before.rest, after.rest),
        most_removed,
    )


def _difference(before: Mapping[str, Marks], after: Mapping[str, Marks]) -> Difference:
    common = [name for name in after if name in before]
    changed = {name: _changed_keys(before[name], after[name]) for name in common if before[name] != after[name]}
    return Difference(
        tuple(name for name in after if name not in before),
        tuple(name for name in before if name not in after),
        changed,
        len(common) - len(changed),
    )


def _changed_keys(before: Marks, after: Marks) -> tuple[str, ...]:
    return tuple(sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key)))


def _difference_json(each: Difference) -> dict[str, Any]:
    return {
        "added": list(each.added),
        "removed": list(each.removed),
        "changed": {name: list(keys) for name, keys in each.changed.items()},
        "kept": each.kept,
    }


def _marks(key: bytes, value: Mapping[str, Any]) -> dict[str, str]:
    return {path: _mark(key, path, leaf) for path, leaf in _leaves("", value)}


def _mark(key: bytes, path: str, leaf: object) -> str:
    # The path is part of it: the same password at two places has two marks.
    return hmac.digest(key, f"{path}\0{leaf!r}".encode(), "sha256").hex()[:_MARK_CHARACTERS]


def _leaves(path: str, value: object) -> Iterator[tuple[str, object]]:
    match value:
        case SecretStr():
            yield path, value.get_secret_value()
        case dict():
            for name, inner in value.items():
                yield from _leaves(f"{path}.{name}" if path else str(name), inner)
        case list() | tuple() if any(isinstance(inner, dict | list | tuple) for inner in value):
            for number, inner in enumerate(value):
                yield from _leaves(f"{path}.{number}", inner)
        case list() | tuple():
            yield path, tuple(map(str, value))
        case _:
            yield path, value if isinstance(value, bool | int | float | str | None) else str(value)
