"""What the rooms of the alerts are told of the configuration: its alert settings as their own values."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.alerts.arming import Schedule
from gateway.alerts.duties import Duties
from gateway.alerts.policy import IntakePolicy
from gateway.alerts.reactions import Reactions
from gateway.alerts.register import Register
from gateway.alerts.routing import Person, Plan, Route, Routing, Wanted
from gateway.alerts.rules import Rule, Rules, Scope
from gateway.alerts.silences import TerminalModel
from gateway.alerts.sirens import Siren, Sirens
from gateway.alerts.spans import EVERY_DAY, Span
from gateway.alerts.taxonomy import CaseClass, Limits, SubClass, Taxonomy
from gateway.config.sections.alerts import AlertSettings, ScopeSettings
from gateway.config.settings import Settings
from gateway.config.taxonomy_file import SubClassSettings
from gateway.handling import handling_of, neighbour_policy_of, service_levels_of
from gateway.model import Thresholds
from gateway.ports import Clock
from gateway.supervision.losses import Damping
from gateway.supervision.outages import Together
from gateway.upkeep.maintenance import Window
from gateway.upkeep.outage_desk import OutageRules
from gateway.values import Day
from gateway.video.diagnosis.wire import PatrolOrder

_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WHOLE_DAY = (0, 24 * 60)


def register_of(settings: Settings) -> Register:
    return Register(
        (camera.to_model() for camera in settings.cameras), (terminal.to_model() for terminal in settings.terminals)
    )


def duties_of(settings: Settings, register: Register, clock: Clock) -> Duties:
    """What this node owes for what comes; ``register`` is looked at when it is owed."""
    uppers = [sink.id for sink in settings.sinks if sink.kind == "cascade" and sink.standby_for is None]
    nodes = [sink.id for sink in settings.sinks if sink.kind == "cascade"]
    plan = plan_of(settings)
    return Duties(
        Reactions(settings.node.id, uppers, clock, nodes),
        *handling_of(settings, clock),
        Routing(plan, clock),
        Sirens(sirens_of(settings), plan, clock),
    )


def intake_policy_of(settings: Settings) -> IntakePolicy:
    alerts = settings.alerts
    return IntakePolicy(
        node_id=settings.node.id,
        offsets_ms=tuple(round(offset * 1000) for offset in alerts.snapshot_offsets),
        merge_window=alerts.merge_window,
        late_after=alerts.late_after,
        nearest=alerts.linking.nearest,
        within_m=alerts.linking.within_m,
        clip_before=alerts.clip.before if settings.video.clip_mib else 0,
        clip_after=alerts.clip.after if settings.video.clip_mib else 0,
        grading=alerts.grading,
        taxonomy=taxonomy_of(alerts),
        service_levels=service_levels_of(settings),
        neighbours=neighbour_policy_of(settings),
        heartbeat=settings.heartbeat.terminal if settings.heartbeat.every else None,
    )


def terminal_models_of(settings: Settings) -> dict[str, TerminalModel]:
    return {
        name: TerminalModel(model.heartbeat, model.grace, model.alert)
        for name, model in settings.terminal_models.items()
    }


def taxonomy_of(alerts: AlertSettings) -> Taxonomy:
    return Taxonomy(
        tuple(CaseClass(each.code, each.name, tuple(map(_subclass, each.subclasses))) for each in alerts.cases)
    )


def _subclass(found: SubClassSettings) -> SubClass:
    limits = Limits(**found.limits.by_step())
    kinds, scenes = frozenset(found.kinds), frozenset(found.scenes)
    return SubClass(found.code, found.name, found.grade, found.department, kinds, scenes, limits)


def plan_of(settings: Settings) -> Plan:
    """Who is told of alerts: people, and partners by route."""
    alerts = settings.alerts
    return Plan(
        zone_of(alerts),
        [_person(person, sink) for sink in settings.sinks if sink.kind == "notify" for person in sink.people],
        [sink.id for sink in settings.sinks if sink.kind == "webhook" and sink.standby_for is None],
        [
            Route(
                frozenset(route.sinks),
                Wanted(
                    route.areas,
                    frozenset(route.kinds),
                    frozenset(route.severities),
                    frozenset(route.grades),
                    route.classes,
                    frozenset(route.status),
                ),
            )
            for route in alerts.routes
        ],
    )


def _person(person: Any, sink: Any) -> Person:
    """``person``: of the notify adapter's settings."""
    return Person(
        person.id,
        sink.id,
        person.role,
        _wanted(person),
        _hours(person),
        frozenset(person.when),
        frozenset(person.levels),
        person.drills,
        person.full,
        sink.answer,
    )


def sirens_of(settings: Settings) -> list[Siren]:
    return [
        Siren(each.id, each.via, each.topic, each.on, each.off, _wanted(each), _hours(each), each.until, each.longest)
        for each in settings.alerts.sirens
    ]


def _wanted(said: Any) -> Wanted:
    return Wanted(said.areas, frozenset(said.kinds), frozenset(said.severities), classes=said.classes)


def _hours(said: Any) -> Span | None:
    return _span(said.between or _WHOLE_DAY, said.days) if said.between or said.days else None


def zone_of(alerts: AlertSettings) -> ZoneInfo:
    return ZoneInfo(alerts.timezone)


def rules_of(alerts: AlertSettings) -> Rules:
    return Rules(
        zone_of(alerts),
        tuple(
            Rule(
                frozenset(rule.kinds),
                _scope(rule),
                _span(rule.between or _WHOLE_DAY, rule.days) if rule.between or rule.days else None,
                rule.armed,
                rule.alert,
                rule.severity,
            )
            for rule in alerts.rules
        ),
    )


def windows_of(settings: Settings) -> list[Window]:
    """Planned work of the configuration; times without an offset are the node's own."""
    zone = zone_of(settings.alerts)
    return [
        Window(
            each.name,
            _scope(each),
            each.hosts,
            _moment(each.since, zone),
            _moment(each.until, zone),
            _span(each.between or _WHOLE_DAY, each.days) if each.between or each.days else None,
        )
        for each in settings.maintenance
    ]


def outage_rules_of(settings: Settings) -> OutageRules:
    said = settings.outages
    together = Together(said.fewest, said.share, said.within)
    return OutageRules(said.after, said.window, said.start, together, Damping(said.flaps, said.steady))


def _moment(at: datetime | None, zone: ZoneInfo) -> datetime | None:
    return None if at is None else (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def patrol_order_of(settings: Settings) -> PatrolOrder:
    """How all the workers together patrol; places and what stands come with each telling."""
    told = settings.diagnosis
    return PatrolOrder(
        enabled=told.enabled,
        interval=told.interval,
        important=min(told.important, told.interval),
        cpu=told.cpu,
        off=frozenset(fault.value for fault in told.off),
        day=replace(Thresholds.day(), **told.day),
        night=replace(Thresholds.night(), **told.night),
        hours=told.night_hours,
        zone=settings.alerts.timezone,
        learn=told.learn,
        views=settings.data_dir.resolve() / "views",
    )


def schedules_of(alerts: AlertSettings) -> list[Schedule]:
    return [Schedule(_scope(each), _span(each.between, each.days)) for each in alerts.arming]


def _scope(scope: ScopeSettings) -> Scope:
    return Scope(scope.cameras, scope.scenes, scope.areas)


def _span(between: tuple[int, int], days: tuple[Day, ...]) -> Span:
    chosen = frozenset(_DAYS.index(day) for day in days)
    return Span(*between, chosen or EVERY_DAY)
