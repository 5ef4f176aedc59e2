"""What "within the last 24 hours" means by a clock that was set meanwhile: boxes boot in 1970 and are set right a minute
later, and a press that is repeated after that is still the same press.

The steps are kept in the ledger with the presses that they concern, so that a process that was killed between a step and
the repeat is followed by one that knows. The monotonic clock begins anew with every boot: of an earlier one it is only
certain that a clock which stands before the newest commit was set back.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.ports import Clock, Transaction

_STEP = timedelta(seconds=2)  # off by less is discipline (NTP slews)
_MOST = 32  # a clock that is set more often than this within a day is kept track of no further
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BOOKMARK = "clock"
_UNSET = timedelta(hours=24)  # what an earlier process of this box may have called now before its clock was set


@dataclass(frozen=True, slots=True)
class Span:
    """By the wall clock, both ends included."""

    since: datetime
    until: datetime


class ClockSteps:
    """Remembers how the wall clock stood against the monotonic one, for as long as ``within``. ``boot_id``: in which boot
    its monotonic clock counts."""

    def __init__(self, clock: Clock, within: timedelta, boot_id: str) -> None:
        self._clock = clock
        self._boot_id = boot_id
        self._known: str | None = None  # as the ledger has it; None until it was asked
        self._set_back_from: datetime | None = None
        self._born = clock.mono()
        self._eras = [(self._born - within.total_seconds(), self._offset())]  # (began, wall clock at mono 0)

    def look(self) -> None:
        """To be called whenever something is stamped, before it is."""
        offset = self._offset()
        if abs(offset - self._eras[-1][1]) >= _STEP:
            self._eras.append((self._clock.mono(), offset))
            del self._eras[:-_MOST]

    def keep(self, tx: Transaction) -> str:
        """Write down what the ledger does not have yet, with what is stamped in the same transaction; before the first
        press of a process, take up what an earlier one left. To be told ``kept`` once it is on disk."""
        if self._known is None:
            self._recall(tx)
        eras = [(began, _millis(offset)) for began, offset in self._eras]
        text = json.dumps({"boot": self._boot_id, "eras": eras})
        if text != self._known:
            tx.set_bookmark(_BOOKMARK, text)
        return text

    def kept(self, text: str) -> None:
        self._known = text

    def _recall(self, tx: Transaction) -> None:
        left = json.loads(tx.bookmark(_BOOKMARK) or "{}")
        if left.get("boot") == self._boot_id:
            former = [(began, _EPOCH + timedelta(milliseconds=offset)) for began, offset in left["eras"]]
            first = (self._born, self._eras[0][1])
            changed = abs(first[1] - former[-1][1]) >= _STEP
            self._eras = [*former, *([first] if changed else []), *self._eras[1:]][-_MOST:]
        elif (newest := tx.feed(tx.newest_feed() - 1, 1)) and newest[0].committed_at > self._clock.now() + _STEP:
            self._set_back_from = newest[0].committed_at
        self._known = ""

    def spans(self, now: datetime, within: timedelta) -> Sequence[Span]:
        """What the clock called the last ``within``, first as it stands now. What is stamped later than ``now`` was stamped
        by a clock that was wrong then."""
        return [Span(now - within, now + _STEP), *self.before(within)]

    def before(self, within: timedelta) -> Sequence[Span]:
        """What the clock called the last ``within`` before it was set to what it says now; empty if it was not."""
        now = self._clock.mono()
        oldest = now - within.total_seconds()
        spans = [
            Span(_moment(offset, max(began, oldest)) - _STEP, _moment(offset, ended) + _STEP)
            for (began, offset), (ended, _) in zip(self._eras, self._eras[1:], strict=False)
            if ended >= oldest
        ]
        if now - self._born < within.total_seconds():
            if _moment(self._eras[-1][1], now) > _EPOCH + _UNSET:
                spans.append(Span(_EPOCH, _EPOCH + min(_UNSET, within)))
            if self._set_back_from is not None:
                spans.append(Span(self._set_back_from - within, self._set_back_from + _STEP))
        return spans

    def _offset(self) -> datetime:
        return self._clock.now() - timedelta(seconds=self._clock.mono())


def _millis(offset: datetime) -> int:
    return round((offset - _EPOCH) / timedelta(milliseconds=1))


def _moment(offset: datetime, mono: float) -> datetime:
    return offset + timedelta(seconds=mono)
