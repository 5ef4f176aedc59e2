"""The report of figures: cameras, outages, alerts and terminals of a span, read piece by piece beside all else."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import partial
from typing import Any, Protocol

from gateway.model import Terminal, rfc3339
from gateway.ports import Clock, Ledger, Outage, Reader, Tally, TerminalTest, WatchedCamera
from gateway.upkeep.figures import HOUR_MS, AlertSums, Sum, is_over, quarter_of, tally_json, trial_counts, unknown
from gateway.upkeep.recording import History
from gateway.upkeep.spans import Days, month_of, overlap_ms

LONGEST_DAYS = 366
MOST_ALERTS = 200_000
MOST_SHOWN = 100
"""Of the list of channels that were down for too long, and of terminals that were not tested; the tables have all."""
_ALERTS_AT_ONCE = 2_000
_OUTAGES_AT_ONCE = 1_000
_LOOKS = 50
GROUPINGS: Mapping[str, Callable[[WatchedCamera], str | None]] = {
    "area": lambda camera: camera.area,
    "scene": lambda camera: camera.scene,
    "vendor": lambda camera: camera.vendor or None,
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What the contract asks for. ``down_over``: ms that a channel may be down for in a month."""

    down_over: int = 8 * HOUR_MS
    online: float = 0.98
    intact: float = 0.95

    def to_json(self) -> dict[str, Any]:
        return {"down_over_s": self.down_over // 1000, "online": self.online, "intact": self.intact}


@dataclass(frozen=True, slots=True)
class Wanted:
    """``area``: prefix of the area code that is asked for; ``areas``: the asker's own, none: all."""

    days: Days
    area: str | None = None
    areas: tuple[str, ...] = ()

    def covers(self, area: str | None) -> bool:
        """Of cameras and terminals."""
        if self.area and not (area or "").startswith(self.area):
            return False
        return not self.areas or (area is not None and area.startswith(self.areas))

    def concerns(self, area: str | None) -> bool:
        """Of alerts: those from nowhere known are everybody's."""
        if area is None:
            return not self.area
        return self.covers(area)


@dataclass(slots=True)
class Channel:
    """One camera over the span. ``over``: month → ms that it was down for, of the months in which that was too long."""

    camera: WatchedCamera
    tally: Tally = field(default_factory=Tally)
    unknown: int = 0
    over: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        camera = self.camera
        return {
            "id": camera.id,
            "name": camera.name,
            "area": camera.area,
            "scene": camera.scene,
            "vendor": camera.vendor or None,
            **tally_json(self.tally, self.unknown),
            "longest_s": min(self.tally.longest, self.tally.down) // 1000,
            "over": [{"month": month, "down_s": down // 1000} for month, down in self.over.items()],
        }


@dataclass(frozen=True, slots=True)
class Part:
    """A day or a month of the trend."""

    days: Days
    sum: Sum

    def to_json(self) -> dict[str, Any]:
        return {"from": self.days.first.isoformat(), "to": self.days.last.isoformat(), **self.sum.to_json()}


@dataclass(frozen=True, slots=True)
class Untested:
    """A terminal that was not pressed as a test. ``address``: as the register has it now."""

    id: str
    area: str | None
    address: str | None

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "area": self.area, "address": self.address}


@dataclass(frozen=True, slots=True)
class Report:
    """Everything of a span. ``complete`` False: there are more alerts than are reckoned. ``kept_at``: how far the history is
    on disk."""

    wanted: Wanted
    terms: Terms
    zone: str
    made_at: datetime
    kept_at: datetime | None
    channels: Sequence[Channel]
    trend: Sequence[Part]
    alerts: AlertSums
    complete: bool
    quarter: int
    tests: Sequence[TerminalTest]
    untested: Sequence[Untested]

    @property
    def total(self) -> Sum:
        return _sum_of(self.channels)

    def groups(self, by: str) -> list[tuple[str | None, Sum]]:
        """In the order of their keys; what has none comes last."""
        key_of, found = GROUPINGS[by], defaultdict[str | None, list[Channel]](list)
        for channel in self.channels:
            found[key_of(channel.camera)].append(channel)
        return [(key, _sum_of(found[key])) for key in sorted(found, key=_last_if_none)]

    def over(self) -> list[tuple[Channel, str, int]]:
        """(channel, month, ms down), the longest first."""
        found = [(channel, month, down) for channel in self.channels for month, down in channel.over.items()]
        return sorted(found, key=lambda each: (-each[2], each[0].camera.id, each[1]))

    def tested_by_area(self) -> list[tuple[str | None, dict[str, Any]]]:
        found = defaultdict[str | None, list[bool]](list)
        for test in self.tests:
            found[test.area].append(test.tested_at is not None)
        return [(area, trial_counts(found[area])) for area in sorted(found, key=_last_if_none)]

    def to_json(self, by: str) -> dict[str, Any]:
        over = self.over()
        days = self.wanted.days
        return {
            "from": days.first.isoformat(),
            "to": days.last.isoformat(),
            "timezone": self.zone,
            "area": self.wanted.area,
            "made_at": rfc3339(self.made_at),
            "kept_at": None if self.kept_at is None else rfc3339(self.kept_at),
            "terms": self.terms.to_json(),
            "cameras": self.total.to_json(),
            "by": by,
            "groups": [{"key": key, **found.to_json()} for key, found in self.groups(by)],
            "trend": [part.to_json() for part in self.trend],
            "over": {
                "total": len(over),
                "items": [
                    {"id": each.camera.id, "name": each.camera.name, "area": each.camera.area, "month": month}
                    | {"down_s": down // 1000, "outages": each.tally.losses}
                    for each, month, down in over[:MOST_SHOWN]
                ],
            },
            "alerts": {"complete": self.complete, **self.alerts.to_json()},
            "terminals": {
                "quarter": f"{self.quarter // 10}Q{self.quarter % 10}",
                **trial_counts(test.tested_at is not None for test in self.tests),
                "by_area": [{"area": area, **counts} for area, counts in self.tested_by_area()],
                "untested": [each.to_json() for each in self.untested[:MOST_SHOWN]],
            },
        }


class Inventory(Protocol):
    def terminal(self, terminal_id: str) -> Terminal | None: ...


class FigureBook:
    """Makes reports. ``history``: asked to bring what is on disk up to date; None where nothing is recorded here."""

    def __init__(
        self,
        ledger: Ledger,
        history: History | None,
        inventory: Inventory,
        clock: Clock,
        zone: tzinfo,
        terms: Terms | None = None,
    ) -> None:
        self._ledger = ledger
        self._history = history
        self._inventory = inventory
        self._clock = clock
        self._turns = asyncio.Lock()
        self.waiting = 0
        self.zone = zone
        self.terms = terms or Terms()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Within it nobody else makes a report. ``waiting``: how many wait for it or are in it."""
        self.waiting += 1
        try:
            async with self._turns:
                yield
        finally:
            self.waiting -= 1

    async def report(self, wanted: Wanted) -> Report:
        """Raises StoreFailed."""
        channels, trend = await self._cameras(wanted)
        alerts, complete = await self._alerts(wanted)
        quarter = quarter_of(datetime.combine(wanted.days.last, datetime.min.time()))
        tests = await self._ledger.read(lambda reader: reader.terminal_tests(quarter))
        mine = [test for test in tests if wanted.covers(test.area)]
        return Report(
            wanted=wanted,
            terms=self.terms,
            zone=str(self.zone),
            made_at=self._clock.now(),
            kept_at=None if self._history is None else self._history.kept_at,
            channels=channels,
            trend=trend,
            alerts=alerts,
            complete=complete,
            quarter=quarter,
            tests=mine,
            untested=[self._untested(test) for test in mine if test.tested_at is None],
        )

    async def channels(self, wanted: Wanted) -> list[Channel]:
        """Camera by camera, in the order of ids. Raises StoreFailed."""
        channels, _ = await self._cameras(wanted)
        return channels

    async def names(self, wanted: Wanted) -> dict[str, WatchedCamera]:
        """The cameras that the asker may know of, also those that are gone. Raises StoreFailed."""
        cameras = await self._ledger.read(lambda reader: reader.watched_cameras())
        return {camera.id: camera for camera in cameras if wanted.covers(camera.area)}

    async def outages(
        self, wanted: Wanted, names: Mapping[str, WatchedCamera], before: tuple[int, str] | None, limit: int
    ) -> tuple[list[Outage], tuple[int, str] | None]:
        """Of those cameras, newest first, and the mark to go on with: a page may be short, or empty, and have a next one.
        Raises StoreFailed."""
        since, until = wanted.days.bounds(self.zone)
        found: list[Outage] = []
        size = max(limit, _OUTAGES_AT_ONCE) + 1
        for _ in range(_LOOKS):
            page = await self._ledger.read(partial(_outages, since, until, before, size))
            for mark, outage in page:
                before = mark
                if outage.camera_id in names:
                    found.append(outage)
                if len(found) == limit:
                    return found, mark if mark != page[-1][0] or len(page) == size else None
            if len(page) < size:
                return found, None
        return found, before

    async def days_of(self, camera_id: str, days: Days) -> Mapping[int, Tally]:
        return await self._ledger.read(lambda reader: reader.camera_days(camera_id, *days.numbers))

    async def _cameras(self, wanted: Wanted) -> tuple[list[Channel], list[Part]]:
        if self._history is not None:
            await self._history.freshen()
        channels = {id_: Channel(camera) for id_, camera in (await self.names(wanted)).items()}
        until = self._clock.now()
        trend: list[Part] = []
        months: dict[str, Counter[str]] = defaultdict(Counter)
        for days in wanted.days.parts():
            part = Part(days, Sum())
            begin, end = days.bounds(self.zone)
            span = begin, min(end, until)
            await self._ledger.read(partial(_reckon, part, span, channels, months[month_of(days.first)]))
            trend.append(part)
        for month, downs in months.items():
            for id_, down in downs.items():
                if is_over(Tally(down=down), self.terms.down_over):
                    channels[id_].over[month] = down
        seen = [each for each in channels.values() if each.unknown or each.tally != Tally()]
        return seen, trend

    async def _alerts(self, wanted: Wanted) -> tuple[AlertSums, bool]:
        since, until = wanted.days.bounds(self.zone)
        sums, mark, read = AlertSums(self._clock.now()), None, 0
        while read < MOST_ALERTS:
            mark = await self._ledger.read(partial(_alerts, sums, wanted, since, until, mark))
            read += _ALERTS_AT_ONCE
            if mark is None:
                return sums, True
        return sums, False

    def _untested(self, test: TerminalTest) -> Untested:
        terminal = self._inventory.terminal(test.terminal_id)
        address = None if terminal is None else terminal.household.address or terminal.place.address
        return Untested(test.terminal_id, test.area, address)


def _reckon(
    part: Part, span: tuple[datetime, datetime], channels: Mapping[str, Channel], down: Counter[str], reader: Reader
) -> None:
    """Add a day or a month to its cameras, to the trend and to the month's down times; on a reader's thread."""
    tallies = reader.camera_tallies(*part.days.numbers)
    for id_, channel in channels.items():
        tally, camera = tallies.get(id_), channel.camera
        expected = 0
        if camera.first_at is not None and camera.last_at is not None:
            expected = overlap_ms((camera.first_at, camera.last_at), span)
        if tally is None and not expected:
            continue
        found = tally or Tally()
        missing = unknown(expected, found)
        channel.tally += found
        channel.unknown += missing
        down[id_] += found.down
        part.sum.add(found, missing, 0)


def _alerts(
    sums: AlertSums, wanted: Wanted, since: datetime, until: datetime, mark: tuple[int, int] | None, reader: Reader
) -> tuple[int, int] | None:
    found, following = reader.alert_figures(since, until, mark, _ALERTS_AT_ONCE)
    sums.add(each for each in found if wanted.concerns(each.area))
    return following


def _outages(
    since: datetime, until: datetime, before: tuple[int, str] | None, limit: int, reader: Reader
) -> Sequence[tuple[tuple[int, str], Outage]]:
    return reader.outages(since, until, before, limit)


def _sum_of(channels: Sequence[Channel]) -> Sum:
    found = Sum()
    for channel in channels:
        found.add(channel.tally, channel.unknown, len(channel.over))
    return found


def _last_if_none(key: str | None) -> tuple[bool, str]:
    return key is None, key or ""
