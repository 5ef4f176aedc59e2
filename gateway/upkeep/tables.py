"""A report as tables that can be handed in: a workbook's sheets, and each of them by itself. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from gateway.ports import FIGURE_STAGES, Outage, Tally, WatchedCamera
from gateway.upkeep.figures import DIMENSIONS, HOUR_MS, AlertSum, Sum, intact_rate, online_rate
from gateway.upkeep.report import Channel, Report
from gateway.upkeep.wording import FORMULAS, WORDS, Language
from gateway.upkeep.workbook import Cell, Rate, Sheet

PARTS = ("areas", "scenes", "vendors", "channels", "over", "outages", "alerts", "terminals")
"""What there is as a table of its own."""
_SPENT = ("online_rate", "intact_rate", "down_h", "planned_h", "worked_on_h", "off_h", "unknown_h", "outage_count")
_GROUPS = {"areas": "area", "scenes": "scene", "vendors": "vendor"}


class Tables:
    """``node``: name of the node that reports. ``outages``: newest first; ``cut``: there are more."""

    def __init__(
        self,
        report: Report,
        node: str,
        language: Language,
        zone: tzinfo,
        outages: Sequence[Outage],
        names: Mapping[str, WatchedCamera],
        *,
        cut: bool = False,
    ) -> None:
        self._report = report
        self._node = node
        self._words = WORDS[language]
        self._zone = zone
        self._outages = outages
        self._names = names
        self._cut = cut

    def sheets(self) -> Iterator[Sheet]:
        """The whole workbook."""
        yield self._summary()
        for part in PARTS:
            yield self.part(part)
        words = [(self._words[key],) for key in FORMULAS]
        yield Sheet(self._words["formulas"], [self._words["formulas"]], words, (110,))

    def part(self, name: str) -> Sheet:
        """One of PARTS."""
        if name in _GROUPS:
            return self._groups(name, _GROUPS[name])
        made: Mapping[str, Callable[[], Sheet]] = {
            "channels": self._channels,
            "over": self._over,
            "outages": self._outage_list,
            "alerts": self._alerts,
            "terminals": self._terminals,
        }
        return made[name]()

    def _sheet(self, title: str, header: Sequence[str], rows: Iterator[Sequence[Cell]]) -> Sheet:
        names = [self._words[key] for key in header]
        return Sheet(self._words[title], names, rows, [24 if key in ("id", "name", "reason") else 16 for key in header])

    def _summary(self) -> Sheet:
        header = [self._words[key] for key in ("item", "value", "target", "verdict")]
        return Sheet(self._words["summary"], header, self._summary_rows(), (40, 26, 14, 12))

    def _summary_rows(self) -> Iterator[Sequence[Cell]]:
        t, report, total = self._words, self._report, self._report.total
        terms, days = report.terms, report.wanted.days
        yield t["node"], self._node
        yield t["span"], f"{days.first} – {days.last}"
        yield t["timezone"], report.zone
        yield t["area"], report.wanted.area or ", ".join(report.wanted.areas) or t["all"]
        yield t["made_at"], self._time(report.made_at)
        if report.kept_at is not None:
            yield t["kept_at"], self._time(report.kept_at)
        yield t["cameras"], total.cameras
        for key, rate, target in (
            ("online_rate", online_rate(total.tally), terms.online),
            ("intact_rate", intact_rate(total.tally), terms.intact),
        ):
            verdict = "" if rate is None else t["met"] if rate >= target else t["missed"]
            yield t[key], Rate(rate), Rate(target), verdict
        yield t["over_limit"].format(hours=f"{terms.down_over / HOUR_MS:g}"), total.over
        for key, spent in zip(_SPENT[2:], self._spent(total.tally, total.unknown)[2:], strict=True):
            yield t[key], spent
        alerts = report.alerts.total()
        yield t["alert_count"], alerts.alerts, "" if report.complete else t["incomplete"]
        yield t["false_alarm_share"], Rate(_share(alerts))
        for stage in FIGURE_STAGES:
            found = alerts.stages[stage].to_json()
            yield f"{t[stage]} · {t['p90']}", found["p90_s"]
            yield f"{t[stage]} · {t['in_time_share']}", Rate(found["in_time_share"])
        tested = sum(test.tested_at is not None for test in report.tests)
        yield t["terminal_count"], len(report.tests)
        yield t["tested"], tested
        yield t["tested_share"], Rate(tested / len(report.tests) if report.tests else None)

    def _groups(self, title: str, by: str) -> Sheet:
        return self._sheet(title, ("key", "cameras", *_SPENT, "over_months"), self._group_rows(by))

    def _group_rows(self, by: str) -> Iterator[Sequence[Cell]]:
        groups: list[tuple[str | None, Sum]] = [*self._report.groups(by), (self._words["total"], self._report.total)]
        for key, found in groups:
            name = self._words["none"] if key is None else self._words.get(key, key) if by == "scene" else key
            yield name, found.cameras, *self._spent(found.tally, found.unknown), found.over

    def _channels(self) -> Sheet:
        header = ("id", "name", "area", "scene", "vendor", *_SPENT, "longest_h", "over_months")
        return self._sheet("channels", header, self._channel_rows())

    def _channel_rows(self) -> Iterator[Sequence[Cell]]:
        for channel in self._report.channels:
            yield (
                *self._who(channel),
                *self._spent(channel.tally, channel.unknown),
                _hours(min(channel.tally.longest, channel.tally.down)),
                len(channel.over),
            )

    def _over(self) -> Sheet:
        rows = ((*self._who(channel), month, _hours(down)) for channel, month, down in self._report.over())
        return self._sheet("over", ("id", "name", "area", "scene", "vendor", "month", "down_h"), rows)

    def _outage_rows(self) -> Iterator[Sequence[Cell]]:
        for each in self._outages:
            camera = self._names[each.camera_id]
            ended = self._words["lasting"] if each.ended_at is None else self._time(each.ended_at)
            times = (self._time(each.began_at), ended, _hours(each.down), _hours(each.planned))
            yield camera.id, camera.name, camera.area, *times, each.reason
        if self._cut:
            yield (self._words["cut"].format(count=len(self._outages)),)

    def _outage_list(self) -> Sheet:
        header = ("id", "name", "area", "began_at", "ended_at", "down_h", "planned_h", "reason")
        return self._sheet("outages", header, self._outage_rows())

    def _alerts(self) -> Sheet:
        header = ("dimension", "key", "alert_count", "judged", "false_alarms", "false_alarm_share", "stage", "reached")
        more = ("p50", "p90", "max", "in_time", "late", "waiting", "in_time_share")
        return self._sheet("alerts", (*header, *more), self._alert_rows())

    def _alert_rows(self) -> Iterator[Sequence[Cell]]:
        sums = self._report.alerts
        yield from self._stages(self._words["total"], "", sums.total())
        for name in DIMENSIONS:
            for key, found in sums.by(name):
                word = self._words["none"] if key is None else self._words.get(f"{name}.{key}", key)
                yield from self._stages(self._words[name], word, found)

    def _stages(self, dimension: str, key: str, found: AlertSum) -> Iterator[Sequence[Cell]]:
        for stage in FIGURE_STAGES:
            said: Mapping[str, Any] = found.stages[stage].to_json()
            counts = (found.alerts, found.judged, found.false_alarms, Rate(_share(found)))
            times = (said["p50_s"], said["p90_s"], said["max_s"])
            levels = (said["in_time"], said["late"], said["waiting"], Rate(said["in_time_share"]))
            yield dimension, key, *counts, self._words[stage], said["reached"], *times, *levels

    def _terminals(self) -> Sheet:
        quarter = f"{self._report.quarter // 10}Q{self._report.quarter % 10}"
        rows = ((each.id, each.area, each.address, quarter) for each in self._report.untested)
        return self._sheet("terminals", ("id", "area", "address", "quarter"), rows)

    def _who(self, channel: Channel) -> tuple[Cell, ...]:
        camera = channel.camera
        return camera.id, camera.name, camera.area, self._words.get(camera.scene, camera.scene), camera.vendor

    def _spent(self, tally: Tally, unknown: int) -> tuple[Cell, ...]:
        spans = (tally.down, tally.planned, tally.worked_on, tally.off, unknown)
        return Rate(online_rate(tally)), Rate(intact_rate(tally)), *map(_hours, spans), tally.losses

    def _time(self, at: datetime) -> str:
        return at.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")


def _hours(ms: int) -> float:
    return round(ms / HOUR_MS, 2)


def _share(found: AlertSum) -> float | None:
    return found.false_alarms / found.judged if found.judged else None
