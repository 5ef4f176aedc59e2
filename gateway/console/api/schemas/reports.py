"""The answers about figures (deploy/FIGURES.md)."""

from pydantic import Field

from gateway.console.api.schemas.base import Shape


class Spent(Shape):
    """Seconds and rates (0 to 1; null: nothing to divide by). See deploy/FIGURES.md for the formulas."""

    online_rate: float | None
    intact_rate: float | None
    online_s: int
    intact_s: int
    down_s: int
    planned_s: int
    worked_on_s: int
    off_s: int
    unknown_s: int
    outages: int


class CameraSum(Spent):
    """`over`: months of channels that were down for longer than the contract allows."""

    cameras: int
    over: int


class CameraGroup(CameraSum):
    key: str | None


class TrendPart(CameraSum):
    """A day; a month where the span is longer than two."""

    from_: str = Field(alias="from")
    to: str


class OverMonth(Shape):
    month: str
    down_s: int


class Channel(Spent):
    """One camera. `longest_s`: its longest outage, of what lies within the span at the most."""

    id: str
    name: str
    area: str | None
    scene: str
    vendor: str | None
    longest_s: int
    over: list[OverMonth]


class OverChannel(Shape):
    id: str
    name: str
    area: str | None
    month: str
    down_s: int
    outages: int


class OverList(Shape):
    """The longest first, a hundred at the most; `total` of them all."""

    total: int
    items: list[OverChannel]


class StageSum(Shape):
    """Seconds from the raising, of those that reached it; against the service level, of those that have one."""

    reached: int
    p50_s: float | None
    p90_s: float | None
    max_s: float | None
    in_time: int
    late: int
    waiting: int
    in_time_share: float | None


class AlertSum(Shape):
    """Real alerts. `judged`: closed with a finding; of these the share of false alarms is."""

    alerts: int
    ended: int
    judged: int
    false_alarms: int
    false_alarm_share: float | None
    stages: dict[str, StageSum]


class AlertGroup(AlertSum):
    key: str | None


class Alerts(AlertSum):
    """`complete` false: there were more than are reckoned; these are the oldest."""

    complete: bool
    by_severity: list[AlertGroup]
    by_kind: list[AlertGroup]
    by_area: list[AlertGroup]
    by_node: list[AlertGroup]


class Tested(Shape):
    total: int
    tested: int
    tested_share: float | None


class TestedArea(Tested):
    area: str | None


class Untested(Shape):
    id: str
    area: str | None
    address: str | None


class Terminals(Tested):
    """Of the quarter that the last day lies in. `untested`: a hundred at the most; the table has all."""

    quarter: str
    by_area: list[TestedArea]
    untested: list[Untested]


class Terms(Shape):
    """What the contract asks for."""

    down_over_s: int
    online: float
    intact: float


class FigureReport(Shape):
    """`kept_at`: how far the history is on disk; null before the first time."""

    from_: str = Field(alias="from")
    to: str
    timezone: str
    area: str | None
    made_at: str
    kept_at: str | None
    terms: Terms
    cameras: CameraSum
    by: str
    groups: list[CameraGroup]
    trend: list[TrendPart]
    over: OverList
    alerts: Alerts
    terminals: Terminals


class OutageShape(Shape):
    """`down_s` and `planned_s` as counted: less than between the times where nobody could see. `ended_at` null: it goes on."""

    camera: str
    name: str
    area: str | None
    began_at: str
    ended_at: str | None
    down_s: int
    planned_s: int
    reason: str | None
