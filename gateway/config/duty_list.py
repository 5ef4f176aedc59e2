"""Who else is told of an alert: sirens, and the routes of partners. People stand in their notify sink."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from gateway.model import Kind, Level, Status
from gateway.settings import Strict
from gateway.values import AreaCode, Between, Day, Duration, Identifier, NotEmpty

Location = tuple[int | str, ...]
Severity = Annotated[int, Field(ge=1, le=4)]


def _publishable(topic: str) -> str:
    if not topic or len(topic.encode()) > 1024 or any(sign in topic for sign in "+#\0") or topic.startswith("$"):
        raise ValueError("a topic to publish to has no + and no #, and does not begin with $")
    if topic.startswith("tv/"):
        raise ValueError("topics under tv/ are those of terminals; give the siren another")
    return topic


class SirenSettings(Strict):
    """A siren behind an MQTT broker: ``via`` is the mqtt source, ``on`` and ``off`` are payloads, as text or as JSON; without
    ``off`` it ends by itself. Each list that is given has to name the alert. ``until``: it is silenced when somebody has
    acknowledged, or only when it is closed; in any case after ``longest``. Never for tests and drills."""

    id: Identifier
    via: Identifier
    topic: Annotated[str, AfterValidator(_publishable)]
    on: Any = "on"
    off: Any = None
    areas: tuple[AreaCode, ...] = ()
    kinds: tuple[Kind, ...] = ()
    severities: tuple[Severity, ...] = (1,)
    classes: tuple[str, ...] = ()
    between: Between | None = None
    days: tuple[Day, ...] = ()
    until: Literal["acknowledged", "closed"] = "acknowledged"
    longest: Annotated[Duration, Field(ge=5, le=3600)] = 180.0


class RouteSettings(Strict):
    """Which alerts go to these webhook sinks: each list that is given has to name the alert. A webhook that no route names
    gets all of them. ``classes``: beginnings of sub-class codes; ``grades``: the taxonomy's, else the severity."""

    sinks: Annotated[tuple[Identifier, ...], NotEmpty]
    classes: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    grades: tuple[Severity, ...] = ()
    severities: tuple[Severity, ...] = ()
    areas: tuple[AreaCode, ...] = ()
    status: tuple[Status, ...] = ()


def faults(settings: Any) -> Iterator[tuple[Location, str]]:
    """What each section alone cannot know: that whom it names is there, and that nobody stands twice."""
    yield from _siren_faults(settings)
    yield from _escalation_faults(settings)
    webhooks = {sink.id for sink in settings.sinks if sink.kind == "webhook"}
    everything = {sink.id for sink in settings.sinks}
    for index, route in enumerate(settings.alerts.routes):
        for name in route.sinks:
            if name not in webhooks:
                why = "is no webhook sink; routes are for those" if name in everything else "is the id of no sink"
                yield ("alerts", "routes", index, "sinks"), f"{name} {why}{_nearest(name, webhooks)}"
    taken: set[str] = set()
    for number, sink in enumerate(settings.sinks):
        for index, person in enumerate(getattr(sink, "people", ())):
            if person.id in taken:
                where = ("sinks", number, "people", index, "id")
                yield where, f"{person.id} stands twice; people have one id in all notify sinks"
            taken.add(person.id)


def _escalation_faults(settings: Any) -> Iterator[tuple[Location, str]]:
    known = {sink.id for sink in settings.sinks}
    known |= {person.id for sink in settings.sinks for person in getattr(sink, "people", ())}
    for index, rung in enumerate(settings.alerts.escalation or ()):
        for name in rung.to:
            if name not in known and name not in tuple(Level):
                why = f"{name} is no level, and the id of no person and no sink{_nearest(name, known)}"
                yield ("alerts", "escalation", index, "to"), why


def _siren_faults(settings: Any) -> Iterator[tuple[Location, str]]:
    brokers = {source.id for source in settings.sources if source.kind == "mqtt"}
    taken: set[str] = set()
    for index, siren in enumerate(settings.alerts.sirens):
        where = ("alerts", "sirens", index)
        if siren.via not in brokers:
            yield (*where, "via"), f"there is no mqtt source {siren.via}{_nearest(siren.via, brokers)}"
        if siren.id in taken:
            yield (*where, "id"), f"{siren.id} stands twice; each siren has its own id"
        taken.add(siren.id)


def warnings(settings: Any) -> Iterator[str]:
    """What is allowed and may not be meant."""
    people = [person for sink in settings.sinks for person in getattr(sink, "people", ())]
    if people and all(person.between is not None or person.days for person in people):
        yield "people: nobody is told at all hours; an alert outside everybody's hours is told to nobody away from the desk"
    for person in people:
        if person.levels and "escalated" not in person.when:
            yield f"person {person.id}: levels have a meaning only with when: [escalated]"


def _nearest(name: str, known: Sequence[str] | set[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1)
    return f"; the nearest is {near[0]}" if near else ""
