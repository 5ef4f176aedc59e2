"""What the ledger keeps of how cameras, alerts and terminals did, for the figures that ops teams are paid by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

FIGURE_STAGES = ("acknowledge", "dispatch", "arrive", "close")


@dataclass(frozen=True, slots=True)
class WatchedCamera:
    """A camera as the figures know it, also when it is gone. ``first_at`` and ``last_at``: between which it was recorded."""

    id: str
    name: str
    area: str | None
    scene: str
    vendor: str = ""
    first_at: datetime | None = None
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How long a camera stood how, in whole milliseconds.

    ``online``; of that ``intact`` (an acceptable image) and ``worked_on`` (a fault of the image during planned work);
    ``down``: not online; ``planned``: not online during planned work; ``off``: switched off in the configuration.
    ``losses``: outages that began. ``longest``: the longest stretch of ``down``.
    """

    online: int = 0
    intact: int = 0
    worked_on: int = 0
    down: int = 0
    planned: int = 0
    off: int = 0
    losses: int = 0
    longest: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.online + other.online,
            self.intact + other.intact,
            self.worked_on + other.worked_on,
            self.down + other.down,
            self.planned + other.planned,
            self.off + other.off,
            self.losses + other.losses,
            max(self.longest, other.longest),
        )


@dataclass(frozen=True, slots=True)
class Outage:
    """A camera was not online. ``down`` and ``planned`` ms as counted: less than between the times where the gateway was
    down, too, or its clock was set. ``ended_at``: None while it goes on. ``reason``: as its worker put it."""

    camera_id: str
    began_at: datetime
    ended_at: datetime | None
    down: int
    planned: int
    reason: str | None = None


class AlertFigure(NamedTuple):
    """An alert without anything of a person in it, so that it may be kept when the alert is gone. ``first``: its number in
    the ledger. ``took`` and ``limits``: seconds from the raising, by stage; what was not reached, or has no limit, is not
    in it. ``ended``: closed or cancelled. A year's report makes some ten thousands of these."""

    first: int
    raised_at: datetime
    node: str
    area: str | None
    kind: str
    severity: int
    ended: bool
    disposition: str | None
    took: Mapping[str, float]
    limits: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TerminalTest:
    """Whether a terminal was pressed as a test within a quarter. ``tested_at``: None where it was not."""

    terminal_id: str
    area: str | None
    tested_at: datetime | None


class FigureLooks(Protocol):
    """The part of ``Reader`` that figures are made from. Days are numbers, 20261130, of the node's own calendar."""

    def watched_cameras(self) -> Sequence[WatchedCamera]:
        """In the order of their ids."""

    def camera_tallies(self, first_day: int, last_day: int) -> Mapping[str, Tally]:
        """The sums of each camera over these days, both within."""

    def camera_days(self, camera_id: str, first_day: int, last_day: int) -> Mapping[int, Tally]:
        """One camera, day by day."""

    def open_outages(self) -> Sequence[Outage]: ...
    def outages(
        self, since: datetime, until: datetime, before: tuple[int, str] | None, limit: int
    ) -> Sequence[tuple[tuple[int, str], Outage]]:
        """Those that lie in [since, until) with any part, newest first, each with the mark to go on behind it with."""

    def alerts_touched(self, after: int, limit: int) -> tuple[int, Sequence[str]]:
        """(position of the last, ids of the alerts) of the next entries after a position; the position itself at the end."""

    def alert_figure(self, alert_id: str) -> AlertFigure | None:
        """As the alert stands now; None for a test, a drill, or one that is not whole yet."""

    def alert_figures(
        self, since: datetime, until: datetime, after: tuple[int, int] | None, limit: int
    ) -> tuple[Sequence[AlertFigure], tuple[int, int] | None]:
        """Of alerts raised in [since, until), in the order of raising, and the mark to go on with; None at the end."""

    def terminal_tests(self, quarter: int) -> Sequence[TerminalTest]:
        """``quarter``: 20264 is the last of 2026. In the order of their ids."""


class FigureKeeping(Protocol):
    """The part of ``Transaction`` that keeps them."""

    def keep_cameras(self, cameras: Sequence[WatchedCamera]) -> None:
        """As they are now; ``first_at`` is kept if it was earlier."""

    def add_tallies(self, day: int, tallies: Mapping[str, Tally]) -> None:
        """Add to what is kept of that day. Of cameras that were kept."""

    def keep_outages(self, outages: Sequence[Outage]) -> None:
        """Write these over what was known of the same outage (camera and beginning)."""

    def keep_alert_figures(self, figures: Sequence[AlertFigure]) -> None: ...
    def keep_terminal_tests(self, quarter: int, tests: Sequence[TerminalTest], gone: Sequence[str]) -> None:
        """Write these over what was known, and forget those that are ``gone``."""

    def forget_figures(self, before_day: int, before: datetime, limit: int) -> int:
        """Delete up to ``limit`` rows of each kind from before a day (and before that moment), then cameras that were last
        seen before and have none left; how many went."""
