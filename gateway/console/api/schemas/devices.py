"""Cameras and terminals, those that were found and those that were tried."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from gateway.console.api.schemas.base import Place, Problem, Shape
from gateway.model import CameraState, Scene


class Consent(Shape):
    """A household's agreement that its camera is looked at without an alarm; both days are within it."""

    given_by: str
    given_on: date
    until: date | None


class Camera(Shape):
    """`masks`: polygons that nobody is shown, corners [x, y] from 0 to 1; they are black in pictures, and a page draws them
    above moving ones. `clip`: complete video is kept for alarm clips; null: where a terminal is linked to it."""

    id: str
    name: str
    scene: Scene
    place: Place
    state: CameraState
    reason: str | None
    since: datetime | None
    last_keyframe_at: datetime | None
    codec: str | None
    width: int | None
    height: int | None
    faults: list[str]
    masks: list[list[tuple[float, float]]]
    consent: Consent | None
    clip: bool | None
    signage: bool | None = None
    record: dict[str, str] = Field(default_factory=dict, description="一机一档; of one camera alone, not in lists")


class Household(Shape):
    """`instructions`: what whoever answers its alarm has to know."""

    name: str | None
    phone: str | None
    address: str | None
    instructions: str | None


class Terminal(Shape):
    """`presets`: of each camera the one that shows this household. Of a lower node's terminal its own node alone knows
    `last_test` and what follows."""

    id: str
    household: Household
    place: Place
    state: Literal["online", "offline", "unknown"]
    last_seen: datetime | None
    last_press: datetime | None
    last_test: datetime | None
    model: str
    cameras: list[str]
    neighbours: list[str]
    presets: dict[str, str]
    record: dict[str, str] = Field(default_factory=dict, description="of one terminal alone, not in lists")


class TestCounts(Shape):
    """`tested`: pressed as a test since the beginning; `heard`: gave another sign of life; `silent`: neither."""

    __test__ = False
    total: int
    tested: int
    heard: int
    silent: int


class TestedArea(TestCounts):
    area_code: str | None


class Unanswered(Shape):
    terminal: str
    name: str | None
    address: str | None
    area_code: str | None
    state: Literal["heard", "silent"]
    heard_at: datetime | None


class TestRun(Shape):
    """`unanswered`: the first 500 terminals without a test press; the table (`format=csv`) names all."""

    __test__ = False
    id: str
    name: str
    areas: list[str]
    started_by: str
    started_at: datetime
    until: datetime
    ended_at: datetime | None
    state: Literal["asking", "waiting", "ended"]
    asked: int
    counts: TestCounts
    by_area: list[TestedArea]
    unanswered: list[Unanswered]


class FoundDevice(Shape):
    """An ONVIF device that answered. `identity` is its endpoint UUID; `cameras` are those that it is enrolled as."""

    identity: str | None
    host: str
    port: int
    tls: bool
    name: str | None
    hardware: str | None
    location: str | None
    scopes: list[str]
    xaddrs: list[str]
    cameras: list[str]


class Enrolled(Problem):
    """`cameras`: as which it is enrolled."""

    cameras: list[str] = Field([])
