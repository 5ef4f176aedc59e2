"""Whether the clock can be trusted with a deletion: one that jumped may be wrong, and what is deleted does not come back."""

import json
from datetime import UTC, datetime, timedelta

from gateway.model import rfc3339
from gateway.ports import Clock, Ledger

_BOOKMARK = "retention/clock"
_JUMP = timedelta(hours=6)  # while the node runs; shorter than what is steady
_AWAY = timedelta(days=2)  # more than a weekend's power cut is looked at, too
_STEADY_FOR = timedelta(hours=24)
_FAR = timedelta(days=35)
"""Forward, against the last time that was believed: in 2100 everything is old, and a wrong year stays wrong for longer than
a day. A box that was away for so long waits for a person, too."""
_UNSET = datetime(2020, 1, 1, tzinfo=UTC)  # a clock without a battery begins before that
_WRITTEN_EVERY = timedelta(hours=1)  # a line on disk


class SteadyClock:
    """Steady once it went on for a day without a jump, over restarts, and not far from the last time that was believed.
    ``at_once``: for tests and demonstrations."""

    def __init__(self, ledger: Ledger, clock: Clock, *, at_once: bool = False) -> None:
        self._ledger = ledger
        self._clock = clock
        self._at_once = at_once
        self._since: datetime | None = None
        self._anchor: tuple[datetime, float] | None = None
        self._believed: datetime | None = None
        self._written: datetime | None = None

    async def look(self) -> None:
        """To be called every few minutes."""
        now, mono = self._clock.now(), self._clock.mono()
        if self._anchor is None:
            self._since = await self._remembered(now)
            self._anchor = now, mono
        at, at_mono = self._anchor
        if abs(now - at - timedelta(seconds=mono - at_mono)) > _JUMP:  # also where it walked there, step by step
            self._since = now
            self._anchor = now, mono
        if now >= _UNSET and (self._believed is None or self._unsteady(now) is None):
            self._believed = max(now, self._believed or now)
        if self._written is None or abs(now - self._written) >= _WRITTEN_EVERY:
            await self._write(now)

    async def believe(self) -> None:
        """A person says that the clock is right."""
        now = self._clock.now()
        self._since, self._believed = now - _STEADY_FOR, now
        self._anchor = now, self._clock.mono()
        await self._write(now)

    async def _write(self, now: datetime) -> None:
        believed = None if self._believed is None else rfc3339(self._believed)
        text = json.dumps([rfc3339(self._since or now), rfc3339(now), believed])
        await self._ledger.write(lambda tx: tx.set_bookmark(_BOOKMARK, text))
        self._written = now

    async def _remembered(self, now: datetime) -> datetime:
        kept = await self._ledger.read(lambda reader: reader.bookmark(_BOOKMARK))
        if kept is None:
            return now
        since, last, believed = json.loads(kept)
        self._believed = None if believed is None else datetime.fromisoformat(believed)
        is_near = -_WRITTEN_EVERY <= now - datetime.fromisoformat(last) <= _AWAY
        return datetime.fromisoformat(since) if is_near else now

    def waits(self) -> str | None:
        """Why nothing is deleted yet, as a sentence; None when it may be."""
        return None if self._at_once else self._unsteady(self._clock.now())

    def _unsteady(self, now: datetime) -> str | None:
        if self._believed is not None and now - self._believed > _FAR:
            return (
                f"the clock says {rfc3339(now)}, {(now - self._believed).days} days after the last time that was believed; "
                "nothing is deleted on the strength of it: set the clock, or where it is right have an administrator say so "
                "with the run (clock_is_right)"
            )
        since = self._since or now
        if now - since >= _STEADY_FOR:
            return None
        return (
            f"the clock was set, or the node was away, until {rfc3339(since)}; nothing is deleted before it has gone on "
            "steadily for a day"
        )
