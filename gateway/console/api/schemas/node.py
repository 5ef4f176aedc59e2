"""Nodes, a change of their configuration, and the audit."""

from datetime import datetime
from typing import Any, Literal

from gateway.console.api.schemas.base import Problem, Shape


class Counts(Shape):
    states: dict[str, int]
    online: int
    total: int


class Node(Shape):
    """`state` of a lower node: online, silent (not heard for 15 s), stopped (it said so), unknown. `figures` and counts
    are null where the caller's areas hold a part of the node only. `reload` rises when so much changed at once that the
    node's cameras and terminals are to be loaded anew."""

    id: str
    name: str
    level: Literal["village", "township", "county", "city"] | None
    own: bool
    state: Literal["online", "degraded", "silent", "stopped", "unknown"]
    reason: str | None
    parent: str | None
    since: datetime | None
    last_heard: datetime | None
    version: str | None
    area_code: str | None
    figures: dict[str, float] | None
    cameras: Counts | None
    terminals: Counts | None
    reload: int


class Difference(Shape):
    """Ids of cameras or terminals. `changed`: the keys that differ, by id. `kept`: how many stay as they are."""

    added: list[str]
    removed: list[str]
    changed: dict[str, list[str]]
    kept: int


class Plan(Shape):
    """What a reload changes. `restart`: keys that take effect at the next start only."""

    cameras: Difference
    terminals: Difference
    restart: list[str]
    refusal: str | None


class RefusedPlan(Problem):
    plan: Plan


class AuditLine(Shape):
    id: int
    at: datetime
    actor: str
    action: str
    object: str
    reason: str | None
    detail: dict[str, Any]


class BrokenLine(Shape):
    line: int
    reason: str


class Verified(Shape):
    """`checked`: how many lines of the chain hold; `newest`: the link of the last of them, hex."""

    ok: bool
    checked: int
    newest: str
    first_broken: BrokenLine | None
