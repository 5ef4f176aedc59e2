"""What becomes of signals: linking, pictures and clips, rules, arming, and who is told when."""

from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr

from gateway.config.duty_list import RouteSettings, SirenSettings
from gateway.config.sections.handling import EscalationSettings, NeighbourSettings, ServiceLevelSettings
from gateway.model import Kind, Scene
from gateway.settings import RelativePath, Strict
from gateway.values import AreaCode, Between, Day, Duration, seconds, text_id


class LinkingSettings(Strict):
    """Which cameras belong to an alert where the terminal names none."""

    nearest: int = Field(2, ge=0, le=16)
    within_m: float = Field(500.0, gt=0)


class ClipSettings(Strict):
    """The video kept with an alert, in seconds before and after the press. Both 0: no clips."""

    before: Annotated[float, BeforeValidator(seconds), Field(ge=0, le=120)] = 30.0
    after: Annotated[float, BeforeValidator(seconds), Field(ge=0, le=120)] = 30.0


Pattern = Annotated[str, BeforeValidator(text_id), Field(pattern=r"^[A-Za-z0-9._*?-]{1,64}$")]


class ScopeSettings(Strict):
    """Which cameras: each list that is given has to name the camera. ``cameras``: ids, or patterns with ``*`` and ``?``;
    ``areas``: beginnings of area codes."""

    cameras: tuple[Pattern, ...] = ()
    scenes: tuple[Scene, ...] = ()
    areas: tuple[AreaCode, ...] = ()


class RuleSettings(ScopeSettings):
    """Which signals of cameras become alerts. ``between``: local hours, over midnight too; ``days``: on which they begin.
    ``armed``: only while the camera is armed (true) or disarmed (false)."""

    kinds: tuple[Kind, ...] = ()
    between: Between | None = None
    days: tuple[Day, ...] = ()
    armed: bool | None = None
    alert: bool = True
    severity: Annotated[int, Field(ge=1, le=4)] | None = None


class ArmingSettings(ScopeSettings):
    """When cameras are armed by the clock: those that a schedule names are disarmed outside its hours."""

    between: Between = (0, 24 * 60)
    days: tuple[Day, ...] = ()


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{value[:64]} is not a time zone of this machine; Asia/Shanghai is one") from None
    return value


class AlertSettings(Strict):
    """``grading``: severity 1 (highest) to 4 by kind, over the contract's defaults. ``rules``: of cameras' signals, the
    first that fits; without one, motion and a device's own faults are no alerts. ``timezone``: of the hours in them.
    ``second_way_after``: an upper node's silence after which the sinks that stand by for it are used. ``callback_after``: how
    long nobody may call back a household. ``escalation``: without it, severity 1 that nobody acknowledges goes to the level
    above after 60 s and severity 2 after 5 min; an empty list escalates nothing. ``taxonomy``: the file of classes and
    sub-classes. ``sirens`` and ``routes``: who else is told."""

    snapshot_offsets: tuple[Annotated[float, Field(ge=-60, le=600)], ...] = Field((-5, 0, 3, 10), max_length=16)
    snapshot_width: int = Field(640, ge=64, le=3840)
    merge_window: Duration = 60.0
    late_after: Duration = 60.0
    linking: LinkingSettings = LinkingSettings()
    clip: ClipSettings = ClipSettings()
    grading: dict[Kind, Annotated[int, Field(ge=1, le=4)]] = Field(default_factory=dict)
    timezone: Annotated[str, AfterValidator(_timezone)] = "Asia/Shanghai"
    rules: tuple[RuleSettings, ...] = ()
    arming: tuple[ArmingSettings, ...] = ()
    second_way_after: Duration = 15.0
    callback_after: Duration = 120.0
    escalation: tuple[EscalationSettings, ...] | None = Field(None, max_length=32)
    service_levels: ServiceLevelSettings = ServiceLevelSettings()
    neighbours: NeighbourSettings = NeighbourSettings()
    taxonomy: RelativePath | None = None
    sirens: tuple[SirenSettings, ...] = Field((), max_length=256)
    routes: tuple[RouteSettings, ...] = Field((), max_length=256)
    _cases: tuple[Any, ...] = PrivateAttr(default=())

    @property
    def cases(self) -> tuple[Any, ...]:
        """The classes (taxonomy_file.ClassSettings) of the file that ``taxonomy`` names."""
        return self._cases

    def with_cases(self, classes: tuple[Any, ...]) -> "AlertSettings":
        made = self.model_copy()
        made._cases = classes
        return made
