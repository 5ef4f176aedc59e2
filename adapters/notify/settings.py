"""What the configuration says of people away from the desk (``sinks: - {kind: notify, …}``)."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from adapters.notify.addresses import MOST_ADDRESSES, ROBOTS, fault, host_fault
from gateway.model import Kind, Level
from gateway.settings import Secret, SinkSettings, Strict
from gateway.values import AreaCode, Between, Day, Duration, Identifier, NotEmpty

Role = Literal["grid_worker", "cadre", "officer", "other"]
When = Literal["raised", "escalated"]
Severity = Annotated[int, Field(ge=1, le=4)]


class PersonSettings(Strict):
    """Somebody to be told, or a group's robot. Each list that is given has to name the alert: ``areas`` beginnings of area
    codes, ``classes`` beginnings of taxonomy codes. ``between``: local hours, over midnight too; ``days``: on which they
    begin. ``when``: as an alert is raised, as it is escalated (to one of ``levels``, where given). ``drills``: of tests and
    drills too. ``details``: full names household, address and phone, brief does not; unless told, ``other`` is told in
    brief. ``addresses``: apprise URLs, in the order in which they are tried; one that takes it is enough."""

    id: Identifier
    name: Annotated[str, Field(max_length=64)] = ""
    role: Role = "other"
    areas: tuple[AreaCode, ...] = ()
    kinds: tuple[Kind, ...] = ()
    severities: tuple[Severity, ...] = ()
    classes: tuple[str, ...] = ()
    between: Between | None = None
    days: tuple[Day, ...] = ()
    when: Annotated[tuple[When, ...], NotEmpty] = ("raised",)
    levels: tuple[Level, ...] = ()
    drills: bool = False
    details: Literal["full", "brief"] | None = None
    addresses: Annotated[tuple[Secret, ...], Field(max_length=MOST_ADDRESSES), NotEmpty]

    @model_validator(mode="after")
    def _usable(self) -> Self:
        for number, address in enumerate(self.addresses, 1):
            reason = fault(address.get_secret_value())
            if reason is not None:
                raise ValueError(f"{self.id}: address {number} {reason}")
        return self

    @property
    def full(self) -> bool:
        return self.details == "full" or (self.details is None and self.role != "other")


class NotifySettings(SinkSettings):
    """``robots``: where a robot is on a host of one's own (政务微信), by schema: ``{wecombot: "https://wx.example"}``.
    ``answer``: how to answer, as the last line of each message (a telephone number, the console's address).
    ``give_up_after``: what could not be told by then is parked, where the desk sees it: nobody is helped by a message of
    yesterday's alarm."""

    kind: Literal["notify"]
    people: Annotated[tuple[PersonSettings, ...], Field(max_length=1000), NotEmpty]
    robots: dict[str, str] = Field(default_factory=dict)
    answer: Annotated[str, Field(max_length=200)] = ""
    give_up_after: Annotated[Duration, Field(ge=60)] = 6 * 3600.0

    @field_validator("robots")
    @classmethod
    def _known_robots(cls, value: dict[str, str]) -> dict[str, str]:
        for schema, host in value.items():
            if schema not in ROBOTS:
                raise ValueError(f"{schema[:32]} is no robot with a host of its own; accepted are {', '.join(ROBOTS)}")
            reason = host_fault(host)
            if reason is not None:
                raise ValueError(f"{schema}: {reason}")
        return value

    @model_validator(mode="after")
    def _people_alone(self) -> Self:
        if self.standby_for is not None:
            raise ValueError("people stand in for no sink: name a cascade or webhook sink in standby_for")
        return self
