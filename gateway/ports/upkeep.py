"""What rooms ask of each other about a device's ordinary troubles."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gateway.model import Camera, Kind, Stage


class Maintenance(Protocol):
    """Planned work (计划检修): what is down then is no outage, no alert and no minus in the figures."""

    def covers(self, camera: Camera, at: datetime) -> str | None:
        """Why this camera may be down or show nothing then, in words; None where nothing is planned."""


@dataclass(frozen=True, slots=True)
class PressHeard:
    """What a terminal was told of its press: seconds from the press to each stage."""

    alert_id: str | None = None
    stages: Mapping[Stage, float] = field(default_factory=dict)

    def after(self, stage: Stage) -> float | None:
        """Until this stage, or a later one, was heard."""
        return min((seconds for heard, seconds in self.stages.items() if heard.rank >= stage.rank), default=None)


class Button(Protocol):
    """A terminal of the node's own at the configured broker."""

    async def press(self, press_id: str, kind: Kind, text: str, until: Stage, within: float) -> PressHeard:
        """One test press, over a connection of its own; returns once ``until`` was heard, or after ``within`` seconds with
        what was heard by then. Raises GatewayError where the broker cannot be reached or does not take it."""
