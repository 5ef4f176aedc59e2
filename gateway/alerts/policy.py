"""The settings that decide what becomes of a signal."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.alerts.neighbours import NeighbourPolicy
from gateway.alerts.service_levels import ServiceLevels
from gateway.alerts.taxonomy import Taxonomy
from gateway.model import Kind


@dataclass(frozen=True, slots=True)
class IntakePolicy:
    """Times in seconds; offsets in ms from the receipt of the signal. ``clip_before`` and ``clip_after`` both 0: no clips.
    ``heartbeat``: the terminal whose test presses join one alert a day."""

    node_id: str
    offsets_ms: tuple[int, ...] = (-5000, 0, 3000, 10000)
    merge_window: float = 60.0
    late_after: float = 60.0
    nearest: int = 2
    within_m: float = 500.0
    clip_before: float = 30.0
    clip_after: float = 30.0
    grading: Mapping[Kind, int] = field(default_factory=dict)
    taxonomy: Taxonomy = field(default_factory=Taxonomy)
    service_levels: ServiceLevels = field(default_factory=ServiceLevels)
    neighbours: NeighbourPolicy = field(default_factory=NeighbourPolicy)
    heartbeat: str | None = None
