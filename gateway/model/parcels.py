"""What is owed and to whom: parcels for sinks, receipts of theirs, timers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.model.alerts import Entry
from gateway.model.signals import ReplyTo
from gateway.model.words import Lane, Stage


@dataclass(frozen=True, slots=True)
class Forwarding:
    """R2: the upper node committed the entry that raised (or repeated) the alert."""

    sink: str
    at: datetime
    seq: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """The receiver's proof: of these bytes (sha256 hex), committed at, under its own rising sequence number."""

    id: str
    sha256: str
    seq: int
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What a terminal is told about its press. ``source`` is the id of the configured source that heard the press."""

    source: str
    terminal: str
    press_id: str
    alert_id: str
    stage: Stage
    node: str
    at: datetime
    text: str
    reply_to: ReplyTo | None = None
    # forwarded: whose receipt; accepted: who took it, at which level
    proof: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told away from the desk. ``to``: the terminal (neighbour), person or siren; ``alert_id``: None
    where it is about no alert. ``kind``: neighbour | person | siren | test."""

    kind: str
    to: str
    alert_id: str | None
    at: datetime
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ParcelDraft:
    """Something a sink has to be given: exactly one of ``entry_id``, ``answer`` and ``notice``. ``again``: an answer that
    may wait there already; then one that was put off is due now, and at most
    one is added."""

    sink: str
    lane: Lane
    entry_id: str | None = None
    answer: Answer | None = None
    notice: Notice | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Parcel:
    """A row of the outbox, with its content loaded: Entry for upper nodes and partners, Answer for terminals, Notice for
    whoever is away from the desk."""

    id: int
    sink: str
    lane: Lane
    content: Entry | Answer | Notice
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """A row of the outbox as a person looks at it. ``what``: the entry's action, or the answer's stage, or the notice's
    kind. ``parked``: the receiver refused it for good, and it waits to be sent again by hand."""

    id: int
    sink: str
    lane: Lane
    alert_id: str | None
    what: str
    created_at: datetime
    due: datetime
    attempts: int
    reason: str | None
    parked: bool


@dataclass(frozen=True, slots=True)
class Timer:
    """Something owed at a moment, on disk. (``name``, ``key``) is unique: setting it again moves it."""

    name: str
    key: str
    due: datetime
    data: Mapping[str, Any] = field(default_factory=dict)
