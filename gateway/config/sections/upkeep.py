"""What keeps a node well: image diagnosis, outages, maintenance, figures, retention, the heartbeat, and what may be dialled."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gateway.config.sections.alerts import ScopeSettings
from gateway.model import ImageFault, Thresholds
from gateway.reach import parse_network
from gateway.settings import Strict
from gateway.values import Between, Day, Duration, Identifier, seconds


def _limits(value: dict[str, float]) -> dict[str, float]:
    known = [each.name for each in fields(Thresholds)]
    for name in value:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise ValueError(
                f"{name} is no threshold{f'; the nearest is {near[0]}' if near else ''}: {', '.join(known)}"
            )
    return value


Limits = Annotated[
    dict[str, Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]],
    AfterValidator(_limits),
    Field(max_length=64),
]
"""Thresholds that differ from the usual ones (``gateway.model.Thresholds``), by name."""


class DiagnosisSettings(Strict):
    """Image diagnosis (视频质量诊断) of keyframes, by patrol: a look at each camera every ``interval``, at those that a terminal
    or a clip may need every ``important``, within ``cpu`` of one core in all. ``off``: faults that are not judged. ``day``,
    ``night``: thresholds that differ from the usual. ``night_hours``: night by the clock; by the sun over each camera unless
    told. ``learn``: what a camera usually shows is learned where nobody sets it."""

    enabled: bool = True
    interval: Annotated[float, BeforeValidator(seconds), Field(ge=5, le=86_400)] = 600.0
    important: Annotated[float, BeforeValidator(seconds), Field(ge=5, le=86_400)] = 120.0
    cpu: float = Field(0.1, gt=0, le=1)
    off: tuple[ImageFault, ...] = ()
    day: Limits = Field(default_factory=dict)
    night: Limits = Field(default_factory=dict)
    night_hours: Between | None = None
    learn: bool = True


class OutageSettings(Strict):
    """When cameras that are lost together are one incident. ``after``: how long a camera has to be offline; ``window``: how
    long an alert waits for others after the first loss; ``within``: how far apart the losses of one incident may lie.
    ``fewest`` and ``share``: how many cameras, and which part of those that have something in common, make it an incident.
    ``start``: for so long after a start nothing counts. ``flaps``: a camera that is lost so often within an hour flaps, until
    it has stood for ``steady``."""

    alert: bool = True
    after: Duration = 60.0
    window: Duration = 30.0
    within: Annotated[float, BeforeValidator(seconds), Field(gt=0)] = 90.0
    fewest: int = Field(3, ge=2, le=1000)
    share: float = Field(0.5, gt=0, le=1)
    start: Duration = 120.0
    flaps: int = Field(4, ge=2, le=60)
    steady: Annotated[float, BeforeValidator(seconds), Field(gt=0, le=3600)] = 900.0


class MaintenanceSettings(ScopeSettings):
    """Planned work: what these cameras lack then is no outage. ``hosts``: addresses that they are dialled at, or patterns.
    ``from`` and ``until``: when it begins and ends, in local time unless an offset is given; ``between`` and ``days``: its
    hours, every day or on those."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    hosts: tuple[Annotated[str, Field(min_length=1, max_length=255)], ...] = ()
    since: datetime | None = Field(None, alias="from")
    until: datetime | None = None
    between: Between | None = None
    days: tuple[Day, ...] = ()

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if not (self.cameras or self.scenes or self.areas or self.hosts):
            raise ValueError('name cameras, scenes, areas or hosts; cameras: ["*"] is all of them')
        if not all(at is None or 2000 <= at.year <= 2200 for at in (self.since, self.until)):
            raise ValueError("a time between the years 2000 and 2200 is accepted")
        if self.until is None and self.between is None and not self.days:
            raise ValueError("it would never end: give until, or between and days")
        if self.since is not None and self.until is not None and _comparable(self.since) >= _comparable(self.until):
            raise ValueError("until is not after from")
        return self


def _comparable(at: datetime) -> datetime:
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


FLOORS: Mapping[str, tuple[int, str]] = {
    **dict.fromkeys(("pictures", "clips", "evidence", "alerts"), (30, "公共安全视频图像信息系统管理条例, Article 17")),
    **dict.fromkeys(("audit", "logins"), (180, "网络安全法 (Cybersecurity Law): network logs six months")),
}
"""The fewest days that the law allows, and which law."""
CEILINGS: Mapping[str, int] = {
    **dict.fromkeys(("pictures", "clips", "evidence"), 1096),
    **dict.fromkeys(("alerts", "audit", "figures", "logins"), 3653),
}
"""The most days: personal data is kept no longer than its purpose needs (个人信息保护法, Article 19)."""


class FiguresSettings(Strict):
    """What ops teams are paid by. ``down_over``: how long a channel may be down for in a month; ``online`` and ``intact``: the
    rates that the contract asks for."""

    down_over: Duration = 8 * 3600.0
    online: float = Field(0.98, ge=0, le=1)
    intact: float = Field(0.95, ge=0, le=1)


class RetentionSettings(Strict):
    """How many days what is kept is kept, by kind, from the last entry of an alert that has ended; what is open or held stays.
    ``evidence``: pictures of image faults; ``alerts``: with entries and presses; ``heartbeats``: drill presses of the heartbeat's
    terminal; ``logins``: handovers and revoked tokens.
    ``between``: the quiet hours in which it is deleted. ``below_the_law``: shorter than the law allows, for tests and
    demonstrations alone."""

    pictures: int = Field(90, ge=1)
    clips: int = Field(90, ge=1)
    evidence: int = Field(90, ge=1)
    alerts: int = Field(1096, ge=1)
    heartbeats: int = Field(31, ge=1)
    audit: int = Field(1096, ge=1)
    figures: int = Field(1827, ge=31)
    logins: int = Field(366, ge=1)
    between: Between = (2 * 60, 5 * 60)
    below_the_law: bool = False

    def days(self, kind: str) -> int:
        return int(getattr(self, kind))

    def floor(self, kind: str) -> int:
        """The fewest days for which this node keeps a kind."""
        return 1 if self.below_the_law else FLOORS.get(kind, (1, ""))[0]

    @model_validator(mode="after")
    def _lawful(self) -> Self:
        for kind, most in CEILINGS.items():
            if self.days(kind) > most:
                raise ValueError(
                    f"{kind}: {self.days(kind)} days are more than {most}; personal data is kept no longer than its purpose "
                    "needs (个人信息保护法, Article 19); hold single alerts that are needed longer"
                )
        for kind, (fewest, law) in FLOORS.items():
            if self.days(kind) < fewest and not self.below_the_law:
                raise ValueError(
                    f"{kind}: {self.days(kind)} days are fewer than the {fewest} that the law asks for ({law}); tests and "
                    "demonstrations say below_the_law: true"
                )
        longest = max(("pictures", "clips", "evidence"), key=self.days)
        if self.alerts < self.days(longest):
            raise ValueError(
                f"alerts: {self.alerts} days are fewer than the {self.days(longest)} of {longest}, and an alert takes its "
                "pictures along; give alerts at least as many"
            )
        return self


class HeartbeatSettings(Strict):
    """A drill press from end to end, by which silence is noticed: every ``every``, off unless told. ``within``: how long a
    stage may take. ``terminal``: who presses; ``source``: through which broker, the first unless told."""

    every: Annotated[float, BeforeValidator(seconds), Field(ge=60, le=24 * 3600)] | None = None
    within: Annotated[float, BeforeValidator(seconds), Field(ge=1, le=30)] = 20.0
    terminal: Identifier = "heartbeat"
    source: Identifier | None = None


def _network(value: str) -> str:
    return str(parse_network(value))


Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], Field(max_length=256)]


class AllowSettings(Strict):
    """Which addresses may be dialled. ``cameras``, ``partners`` (webhooks, messages to people): the only networks, where any
    are named; ``schemes``: of streams. Whatever they say, nothing is dialled where clouds tell their machines secrets, at
    multicast groups (but for streams by multicast) and at addresses that are no device's."""

    schemes: tuple[Literal["rtsp", "rtsps", "http", "https", "rtp", "udp", "file"], ...] = (
        "rtsp", "rtsps", "http", "https", "rtp", "udp", "file",
    )  # fmt: skip
    cameras: Networks = ()
    partners: Networks = ()
