"""What is asked and answered about maintenance windows and outages."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gateway.config.sections.alerts import Pattern
from gateway.console.api.moments import Moment
from gateway.console.api.schemas.base import Page, Shape
from gateway.model import Scene
from gateway.values import AreaCode, Between, Day

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Host = Annotated[str, Field(min_length=1, max_length=255)]


class WindowOrder(BaseModel):
    """`cameras` (ids, or patterns with `*`), `scenes`, `areas` (beginnings of area codes) and `hosts` (addresses that they are
    dialled at, or patterns): each list that is given has to name the camera, and one has to be given. `since`: now unless
    told. `between` and `days`: of that time only these hours, every day or on these."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    reason: Reason
    since: Moment | None = None
    until: Moment
    cameras: list[Pattern] = Field(default_factory=list, max_length=500)
    scenes: list[Scene] = Field(default_factory=list, max_length=8)
    areas: list[AreaCode] = Field(default_factory=list, max_length=64)
    hosts: list[Host] = Field(default_factory=list, max_length=64)
    between: Between | None = None
    days: list[Day] = Field(default_factory=list, max_length=7)

    @model_validator(mode="after")
    def _scoped(self) -> "WindowOrder":
        if not (self.cameras or self.scenes or self.areas or self.hosts):
            raise ValueError('name cameras, scenes, areas or hosts; cameras: ["*"] is all of them')
        return self


class WindowChange(BaseModel):
    """What differs. `reason`: why it is changed."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    name: Name | None = None
    until: Moment | None = None


class MaintenanceWindow(Shape):
    """`id` and `by` are null for one of the configuration. `state`: `waiting` for its beginning or its next hours. `ends_at`:
    when it will be over, while it runs. `count`: how many of the caller's cameras it is about; null once it is over."""

    id: str | None
    name: str
    reason: str
    by: str | None
    at: datetime | None
    since: datetime | None
    until: datetime | None
    between: str | None
    days: list[str]
    cameras: list[str]
    scenes: list[str]
    areas: list[str]
    hosts: list[str]
    state: Literal["waiting", "running", "over"]
    ends_at: datetime | None
    count: int | None


class CoveredCamera(Shape):
    """A camera that may be down just now; `window`: why, `until`: null where the window has no end."""

    id: str
    window: str
    until: datetime | None


class MaintenancePlan(Page[MaintenanceWindow]):
    """All windows that concern the caller's cameras, and which cameras may be down just now."""

    covered: list[CoveredCamera]


class LostCamera(Shape):
    """`state`: as its worker tells it now; `back`: it is there again while others of the outage are not."""

    id: str
    name: str
    lost_at: datetime
    state: str | None
    back: bool
    flapping: bool


class CameraOutage(Shape):
    """One that stands, and the alert that tells of it. `group`: what the lost ones share: an address, a subnet, an area code;
    empty for a single camera and for the whole node. `total`: how many cameras there are in the group."""

    alert: str
    cause: str
    group: str
    total: int
    lost: int
    cameras: list[LostCamera]
