"""How cameras stand, recorded all day long: what the figures of a month are summed from.

Looked at every ten seconds, counted by the monotonic clock and kept in the ledger every ten minutes: a kill costs ten
minutes at the most. What is kept is added to, in one transaction with what else is of the same moment, so that nothing is
counted twice. While the gateway is down, starting, or its clock unset, nobody knows how a camera stood, and it counts
nowhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from gateway.model import Camera, CameraHealth, CameraState, ImageFault
from gateway.ports import Outage, Tally, WatchedCamera

LONGEST_STEP_S = 60.0
"""Between two looks; after a longer gap (a suspended machine, a loop that stood still) nobody saw what was in between."""
WORTH_S = 60.0
"""A camera that is down for less counts its seconds, and is no outage."""
MOST_A_DAY = 20
"""Outages of a camera that are listed in a day; a camera that flaps all day goes on being counted."""
SET_SINCE = datetime(2020, 1, 1, tzinfo=UTC)
"""A clock before this is not set yet."""
_SPOILING = frozenset(fault.value for fault in ImageFault) - {ImageFault.CLOCK.value}
"""A wrong time in the corner is a fault, and told as one; the image can be used all the same."""


class Standing(StrEnum):
    INTACT = "intact"
    FAULTY = "faulty"
    DOWN = "down"
    OFF = "off"
    UNKNOWN = "unknown"


def standing_of(camera: Camera, health: CameraHealth | None) -> Standing:
    """A camera that is being connected to for the first time is not known yet; a worker that died knows nothing either."""
    if not camera.enabled:
        return Standing.OFF
    if health is None or health.state is CameraState.CONNECTING:
        return Standing.UNKNOWN
    if health.state is CameraState.DISABLED:
        return Standing.OFF
    if health.state is not CameraState.ONLINE:
        return Standing.DOWN
    return Standing.FAULTY if _SPOILING.intersection(health.faults) else Standing.INTACT


@dataclass(slots=True)
class _Loss:
    """A camera that is down. ``listed``: it has lasted long enough, and there is room for it in the day's list."""

    began_at: datetime
    down: int = 0
    planned: int = 0
    reason: str | None = None
    counted: bool = False
    listed: bool = False


@dataclass(slots=True)
class _Sums:
    """A camera's day since the last flush; see Tally."""

    online: int = 0
    intact: int = 0
    worked_on: int = 0
    down: int = 0
    planned: int = 0
    off: int = 0
    losses: int = 0
    longest: int = 0

    def as_tally(self) -> Tally:
        return Tally(
            self.online,
            self.intact,
            self.worked_on,
            self.down,
            self.planned,
            self.off,
            self.losses,
            self.longest,
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be kept. ``days``: day → camera → what is to be added."""

    cameras: Sequence[WatchedCamera]
    days: Mapping[int, Mapping[str, Tally]]
    outages: Sequence[Outage]

    def __len__(self) -> int:
        return len(self.cameras) + sum(map(len, self.days.values())) + len(self.outages)


@dataclass(slots=True)
class _Known:
    """``fresh``: seen since it was last kept."""

    camera: Camera
    vendor: str
    first_at: datetime
    last_at: datetime
    fresh: bool = True


@dataclass(slots=True)
class _Listed:
    day: int = 0
    count: int = 0


@dataclass(slots=True)
class Recorder:
    """Counts in memory. ``zone``: whose midnight ends a day. ``step`` begins a look, ``see`` is told each camera, ``take``
    gives what has come together since it was last asked."""

    zone: tzinfo
    _mono: float | None = None
    _step: int = 0
    _day: int = 0
    _now: datetime = SET_SINCE
    _began: datetime = SET_SINCE
    _days: dict[int, dict[str, _Sums]] = field(default_factory=dict)
    _losses: dict[str, _Loss] = field(default_factory=dict)
    _listed: dict[str, _Listed] = field(default_factory=dict)
    _known: dict[str, _Known] = field(default_factory=dict)
    _changed: dict[tuple[str, datetime], Outage] = field(default_factory=dict)

    def remember(self, outages: Iterable[Outage]) -> None:
        """Those that went on when the last process ended."""
        for each in outages:
            counted = each.down >= WORTH_S * 1000  # one of planned work is counted when it has outlasted it
            self._losses[each.camera_id] = _Loss(
                each.began_at, each.down, each.planned, each.reason, counted=counted, listed=True
            )

    def step(self, now: datetime, mono: float) -> bool:
        """Begin a look; False where nothing can be counted: the first one, after a gap, or while the clock is not set."""
        before, self._mono = self._mono, mono
        seen = 0.0 if before is None else mono - before
        if now < SET_SINCE or not 0 < seen <= LONGEST_STEP_S:
            self._step = 0
            return False
        self._now, self._step = now, round(seen * 1000)
        self._began = now - timedelta(milliseconds=self._step)
        here = now.astimezone(self.zone)
        self._day = here.year * 10_000 + here.month * 100 + here.day
        return True

    def see(self, camera: Camera, standing: Standing, *, planned: bool, reason: str | None, vendor: str) -> None:
        """How a camera stood since the last look. ``planned``: it may be down, or show nothing."""
        if standing is Standing.UNKNOWN:
            return  # an outage that went on pauses; where it ends is seen when the camera is
        self._note(camera, vendor)
        sums = self._sums(camera.id)
        if standing is Standing.DOWN:
            self._lose(camera.id, sums, planned=planned, reason=reason)
            return
        self._end(camera.id)
        if standing is Standing.OFF:
            sums.off += self._step
            return
        sums.online += self._step
        if standing is Standing.INTACT:
            sums.intact += self._step
        elif planned:
            sums.worked_on += self._step

    def keep_only(self, here: Iterable[str]) -> None:
        """Cameras that are no longer configured: their outages end, and what is counted of them goes with the next batch."""
        present = set(here)
        for id_ in [id_ for id_ in self._losses if id_ not in present]:
            self._end(id_)
        for id_ in [id_ for id_, known in self._known.items() if id_ not in present and not known.fresh]:
            del self._known[id_]
            self._listed.pop(id_, None)

    def take(self) -> Batch:
        """Everything since the last time. What could not be kept is to be given back."""
        fresh = [known for known in self._known.values() if known.fresh]
        days = {day: {id_: sums.as_tally() for id_, sums in some.items()} for day, some in self._days.items()}
        for id_, loss in self._losses.items():
            if loss.listed and id_ in self._known and self._known[id_].fresh:
                self._change(id_, loss, None)
        outages = list(self._changed.values())
        for known in fresh:
            known.fresh = False
        self._days, self._changed = {}, {}
        return Batch([_watched(known) for known in fresh], days, outages)

    def give_back(self, batch: Batch) -> None:
        """It is not on disk; what has come since stands."""
        for each in batch.cameras:
            if each.id in self._known:
                self._known[each.id].fresh = True
        for day, tallies in batch.days.items():
            some = self._days.setdefault(day, {})
            for id_, tally in tallies.items():
                some[id_] = _sums_of(tally + some[id_].as_tally()) if id_ in some else _sums_of(tally)
        for outage in batch.outages:
            self._changed.setdefault((outage.camera_id, outage.began_at), outage)

    # ------------------------------------------------------------------------------------------------ one camera

    def _note(self, camera: Camera, vendor: str) -> None:
        known = self._known.get(camera.id)
        if known is None:
            self._known[camera.id] = _Known(camera, vendor, self._began, self._now)
            return
        known.camera, known.last_at, known.fresh = camera, self._now, True
        known.vendor = vendor or known.vendor

    def _sums(self, camera_id: str) -> _Sums:
        day = self._days.get(self._day)
        if day is None:
            day = self._days[self._day] = {}
        sums = day.get(camera_id)
        if sums is None:
            sums = day[camera_id] = _Sums()
        return sums

    def _lose(self, camera_id: str, sums: _Sums, *, planned: bool, reason: str | None) -> None:
        loss = self._losses.get(camera_id)
        if loss is None:
            loss = self._losses[camera_id] = _Loss(self._began)
        loss.reason = reason or loss.reason
        if planned:
            sums.planned += self._step
            loss.planned += self._step
        else:
            sums.down += self._step
            loss.down += self._step
            sums.longest = max(sums.longest, loss.down)
        if loss.down + loss.planned < WORTH_S * 1000:
            return
        if not loss.listed and self._has_room(camera_id):
            loss.listed = True
        if not loss.counted and loss.down >= WORTH_S * 1000:
            loss.counted = True
            sums.losses += 1

    def _has_room(self, camera_id: str) -> bool:
        listed = self._listed.setdefault(camera_id, _Listed())
        if listed.day != self._day:
            listed.day, listed.count = self._day, 0
        if listed.count >= MOST_A_DAY:
            return False
        listed.count += 1
        return True

    def _end(self, camera_id: str) -> None:
        loss = self._losses.pop(camera_id, None)
        if loss is not None and loss.listed:
            # a clock that was set back meanwhile would end it before it began
            self._change(camera_id, loss, max(self._now, loss.began_at))

    def _change(self, camera_id: str, loss: _Loss, ended: datetime | None) -> None:
        outage = Outage(camera_id, loss.began_at, ended, loss.down, loss.planned, loss.reason)
        self._changed[camera_id, loss.began_at] = outage


def _watched(known: _Known) -> WatchedCamera:
    camera = known.camera
    return WatchedCamera(
        camera.id,
        camera.name,
        camera.place.area_code,
        camera.scene.value,
        known.vendor,
        known.first_at,
        known.last_at,
    )


def _sums_of(tally: Tally) -> _Sums:
    return _Sums(
        tally.online,
        tally.intact,
        tally.worked_on,
        tally.down,
        tally.planned,
        tally.off,
        tally.losses,
        tally.longest,
    )
