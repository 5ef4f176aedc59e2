"""What the alerts' handling is told of the configuration: escalation, second ways, call-backs, service levels, neighbours."""

from collections.abc import Sequence

from gateway.alerts.callbacks import CallBacks
from gateway.alerts.duties import Duty
from gateway.alerts.escalation import Escalation, Rung, default_ladder, level_above
from gateway.alerts.neighbours import NeighbourPolicy, Neighbours
from gateway.alerts.second_way import SecondWay
from gateway.alerts.service_levels import STAGES, ServiceClock, ServiceLevels
from gateway.config import Settings
from gateway.config.sections.handling import EscalationSettings
from gateway.model import Level
from gateway.ports import Clock


def handling_of(settings: Settings, clock: Clock) -> Sequence[Duty]:
    """The duties of handling, in their order."""
    node, alerts = settings.node, settings.alerts
    uppers = [sink.id for sink in settings.sinks if sink.kind == "cascade" and sink.standby_for is None]
    standby = {
        upper: tuple(sink.id for sink in settings.sinks if getattr(sink, "standby_for", None) == upper)
        for upper in uppers
    }
    return (
        SecondWay(node.id, uppers, standby, alerts.second_way_after, clock),
        Escalation(node.id, node.level, rungs_of(settings), clock),
        CallBacks(node.id, alerts.callback_after, clock),
        ServiceClock(node.id, service_levels_of(settings), clock),
        Neighbours(node.id, clock),
    )


def rungs_of(settings: Settings) -> tuple[Rung, ...]:
    """The ladder in force here. Without one in the file there is the usual one, if anybody is above."""
    level, told = settings.node.level, settings.alerts.escalation
    if told is None:
        return default_ladder(level) if any(sink.kind == "cascade" for sink in settings.sinks) else ()
    here = (_rung(rung, level) for rung in told if rung.level in (None, level))
    return tuple(rung for rung in here if rung is not None)


def _rung(said: EscalationSettings, level: Level) -> Rung | None:
    above = level_above(level)
    to = said.to or (() if above is None else (above.value,))
    if not to:
        return None  # nobody is above a city
    return Rung(
        to=tuple(to),
        after=said.after,
        unless=said.unless,
        kinds=frozenset(said.kinds),
        severities=frozenset(said.severities),
        classes=frozenset(said.classes),
        areas=said.areas,
        drills=said.drills,
    )


def service_levels_of(settings: Settings) -> ServiceLevels:
    said = settings.alerts.service_levels
    return ServiceLevels({stage: dict(getattr(said, stage)) for stage in STAGES})


def neighbour_policy_of(settings: Settings) -> NeighbourPolicy:
    said = settings.alerts.neighbours
    return NeighbourPolicy(said.enabled, said.tests)
