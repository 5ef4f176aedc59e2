"""What a notification means to the gateway, and how a table of topics says so."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Final

from adapters.onvif.events.notifications import Notification, nothing
from gateway.model import Kind


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that a camera noticed.

    ``active``: True where a state began, False where it ended, None for what merely happened. ``source``: the VideoSource
    token where it names one. ``what``: which input, rule, class of object or part, for people. ``initial``: a state that
    stood when we began to listen for the first time; no event. ``family``: findings of one family and source are one
    finding, whichever topic tells of it. ``member``: the topic, with the rule and object it speaks of. ``at``: the
    device's time, in UTC. ``detail``: "fault" (what is broken), "class" (of objects), "changes" (how many were held back).
    """

    kind: Kind
    active: bool | None
    source: str | None = None
    what: str = ""
    initial: bool = False
    family: str = ""
    member: str = ""
    at: datetime | None = None
    detail: Mapping[str, str] = field(default_factory=nothing)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A topic without an entry, or one whose state cannot be read. ``reason`` says which, in words."""

    topic: str
    reason: str


class State(Enum):
    """Whether a topic's Data tells a state."""

    ALWAYS = auto()
    PERHAPS = auto()  # some firmwares; where there is none, it merely happened
    NEVER = auto()


@dataclass(frozen=True, slots=True)
class Means:
    """A line of a table: what a topic means. ``subject``: the Source items that tell one input, rule or disk from another
    of the same family; they make ``what``. ``numbered``: subjects are the same where the numbers at their ends are."""

    kind: Kind
    family: str
    state: State = State.ALWAYS
    subject: tuple[str, ...] = ()
    numbered: bool = False
    what: str = ""
    detail: Mapping[str, str] = field(default_factory=nothing)
    read_state: Callable[[Notification], bool | None] | None = None


Entry = Means | Callable[[Notification], Means | None] | None
"""``None``: known, and of no interest."""
Table = Mapping[str, Entry]
"""Topic → entry. Topics are written without prefixes and in small letters; "…/*" stands for all below."""

RULE: Final = ("Rule",)
