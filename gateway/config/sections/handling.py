"""What is owed for an alert as time passes: escalation, service levels, call-backs, neighbours."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from gateway.model import Kind, Level
from gateway.settings import Strict
from gateway.values import AreaCode, Duration, Identifier

Severity = Annotated[int, Field(ge=1, le=4)]
Addressee = Literal["township", "county", "city"]
_UPPER = ("township", "county", "city")


def _several(value: object) -> object:
    return [value] if isinstance(value, str) else value


class EscalationSettings(Strict):
    """One rung: an alert that fits every list that is given is told to ``to`` when after so long nobody has brought it to
    ``unless``. ``to``: a level, or names of people or sinks (the level above where nothing is named). ``level``: the rung is
    for nodes of that level only. ``classes``: class codes of the taxonomy. ``areas``: beginnings of area codes."""

    level: Level | None = None
    kinds: tuple[Kind, ...] = ()
    severities: tuple[Severity, ...] = ()
    classes: tuple[str, ...] = ()
    areas: tuple[AreaCode, ...] = ()
    unless: Literal["acknowledged", "dispatched", "closed"] = "acknowledged"
    after: Duration = 60.0
    to: Annotated[tuple[Addressee | Identifier, ...], BeforeValidator(_several), Field(max_length=16)] = ()
    drills: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if len(self.to) > 1 and any(name in _UPPER for name in self.to):
            raise ValueError("to is one level (township, county, city), or a list of people or sinks, not both")
        return self


class ServiceLevelSettings(Strict):
    """Within how long an alert has to be taken, sent out for, reached and closed, by severity."""

    acknowledge: dict[Severity, Duration] = Field(default_factory=lambda: {1: 10.0})
    dispatch: dict[Severity, Duration] = Field(default_factory=lambda: {1: 60.0})
    arrive: dict[Severity, Duration] = Field(default_factory=dict)
    close: dict[Severity, Duration] = Field(default_factory=dict)


class NeighbourSettings(Strict):
    """Whether the neighbours that a household names are told of its press (十户联防). ``tests``: of tests and drills too."""

    enabled: bool = True
    tests: bool = False
