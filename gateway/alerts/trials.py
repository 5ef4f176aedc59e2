"""Active test runs (the quarterly test): every terminal is asked to press once as a test, and who does not answer is named.

A run is kept in the ledger as bookmarks: itself, and when it has ended what each terminal did. While it runs, that is
what the register knows: a test press since its beginning is ``tested``, any sign of life ``heard``.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from gateway.alerts.register import Register
from gateway.codec import optional_time
from gateway.errors import StoreFailed, UsageError
from gateway.model import Lane, Notice, ParcelDraft, rfc3339, uuid7
from gateway.observability.logs import logger
from gateway.ports import Clock, Ledger, Reader, Transaction

_log = logger("alerts")
_TICK_S = 1.0
_ASKED_A_TICK = 20  # one every 50 ms: ten thousand televisions must not answer in one second
_MOST_KEPT = 40  # ten years of quarters
_INDEX = "trials"
_TEXT = "请配合求助终端测试：请按终端的测试键一次。测试不会出警。"


class TrialUnderWay(UsageError):
    """One run at a time: a household is asked once."""


@dataclass(frozen=True, slots=True)
class Trial:
    """``terminals``: those who are asked, in this order; ``asked``: how many of them have been."""

    id: str
    name: str
    areas: tuple[str, ...]
    started_by: str
    started_at: datetime
    until: datetime
    terminals: tuple[str, ...]
    asked: int = 0
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a terminal did in a run."""

    terminal: str
    tested_at: datetime | None
    heard_at: datetime | None

    @property
    def state(self) -> str:
        """tested | heard | silent."""
        if self.tested_at is not None:
            return "tested"
        return "silent" if self.heard_at is None else "heard"


class Trials:
    """One node's test runs. ``brokers``: ids of the sources through which terminals are asked."""

    def __init__(self, ledger: Ledger, register: Register, brokers: Sequence[str], clock: Clock) -> None:
        self._ledger = ledger
        self._register = register
        self._brokers = tuple(brokers)
        self._clock = clock
        self._current: Trial | None = None
        self._starting = asyncio.Lock()
        self._begun = asyncio.Event()

    async def load(self) -> None:
        """Go on with the run that was under way."""
        for trial in await self.trials():
            if trial.ended_at is None:
                self._current = trial
                self._begun.set()

    async def start(
        self, name: str, areas: Sequence[str], until: datetime, by: str, covers: Callable[[str | None], bool]
    ) -> Trial:
        """Begin one. ``covers``: whether an area is the asker's business. Raises TrialUnderWay, UsageError, StoreFailed."""
        async with self._starting:
            if self._current is not None:
                raise TrialUnderWay(f"the test run {self._current.name!r} is under way; end it, or wait until it ends")
            now = self._clock.now()
            if until <= now:
                raise UsageError("until: it has passed already")
            if not self._brokers:
                raise UsageError("this node has no broker (sources: kind mqtt) to ask terminals through")
            wanted = [
                terminal.id
                for terminal in self._register.terminals()
                if covers(terminal.place.area_code) and (not areas or _within(terminal.place.area_code, areas))
            ]
            if not wanted:
                raise UsageError("there is no terminal to test" + (f" in {', '.join(areas)}" if areas else ""))
            trial = Trial(uuid7(), name, tuple(areas), by, now, until, tuple(sorted(wanted)))
            await self._ledger.write(lambda tx: _begin(tx, trial))
            self._current = trial
            self._begun.set()
            return trial

    async def end(self, trial_id: str) -> bool:
        """End it before its time; False where it is not under way."""
        trial = self._current
        if trial is None or trial.id != trial_id:
            return False
        ended = replace(trial, ended_at=self._clock.now())
        outcomes = self._outcomes_now(trial)
        self._current = None
        self._begun.clear()
        try:
            await self._ledger.write(lambda tx: _keep(tx, ended, outcomes))
        except StoreFailed:
            self._current = trial
            self._begun.set()
            raise
        return True

    async def trials(self) -> list[Trial]:
        """Newest first."""
        return await self._ledger.read(lambda reader: [trial for trial, _ in _stored(reader)])

    async def trial(self, trial_id: str) -> tuple[Trial, Sequence[Outcome]] | None:
        found = await self._ledger.read(partial(_one, trial_id=trial_id))
        if found is None:
            return None
        trial, outcomes = found
        return trial, self._outcomes_now(trial) if outcomes is None else outcomes

    async def run(self) -> None:
        """Ask, and end runs at their time, until cancelled."""
        while True:
            await self._begun.wait()
            try:
                await self._tick()
            except StoreFailed as error:
                _log.debug("a test run waits for the ledger", reason=str(error))
            await asyncio.sleep(_TICK_S)

    async def _tick(self) -> None:
        trial = self._current
        if trial is None:
            return
        now = self._clock.now()
        if now >= trial.until:
            await self.end(trial.id)
        elif trial.asked < len(trial.terminals):
            asked = replace(trial, asked=min(len(trial.terminals), trial.asked + _ASKED_A_TICK))
            notices = [_notice(trial, name, now) for name in trial.terminals[trial.asked : asked.asked]]
            await self._ledger.write(lambda tx: self._ask(tx, asked, notices))
            if self._current is trial:
                self._current = asked

    def _ask(self, tx: Transaction, trial: Trial, notices: Sequence[Notice]) -> None:
        for notice in notices:
            for broker in self._brokers:
                tx.post(ParcelDraft(broker, Lane.UPDATE, notice=notice))
        _keep(tx, trial, None)

    def _outcomes_now(self, trial: Trial) -> list[Outcome]:
        def since(at: datetime | None) -> datetime | None:
            return None if at is None or at < trial.started_at else at

        known = ((name, self._register.presence(name)) for name in trial.terminals)
        return [Outcome(name, since(presence.last_test), since(presence.last_seen)) for name, presence in known]


def counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    found = {"total": 0, "tested": 0, "heard": 0, "silent": 0}
    for outcome in outcomes:
        found["total"] += 1
        found[outcome.state] += 1
    return found


def _within(area: str | None, areas: Sequence[str]) -> bool:
    return area is not None and area.startswith(tuple(areas))


def _notice(trial: Trial, terminal: str, now: datetime) -> Notice:
    data = {"run": trial.id, "name": trial.name, "until": rfc3339(trial.until)}
    return Notice("test", terminal, None, now, _TEXT, data)


# ------------------------------------------------------------------------------------------------ as bookmarks


def _begin(tx: Transaction, trial: Trial) -> None:
    kept = [trial.id, *_index(tx)]
    for forgotten in kept[_MOST_KEPT:]:
        tx.set_bookmark(_key(forgotten), "")
    tx.set_bookmark(_INDEX, json.dumps(kept[:_MOST_KEPT]))
    _keep(tx, trial, None)


def _keep(tx: Transaction, trial: Trial, outcomes: Sequence[Outcome] | None) -> None:
    """``terminals`` and outcomes stand apart: the first are written once, the others at the end."""
    head = asdict(trial) | {
        "started_at": rfc3339(trial.started_at),
        "until": rfc3339(trial.until),
        "ended_at": optional_time(trial.ended_at),
    }
    names = head.pop("terminals")
    if trial.asked == 0 and outcomes is None:
        tx.set_bookmark(f"{_key(trial.id)}/terminals", json.dumps(names))
    if outcomes is not None:
        head["outcomes"] = [
            [each.terminal, optional_time(each.tested_at), optional_time(each.heard_at)] for each in outcomes
        ]
    tx.set_bookmark(_key(trial.id), json.dumps(head, ensure_ascii=False))


def _key(trial_id: str) -> str:
    return f"trial/{trial_id}"


def _index(reader: Reader) -> list[str]:
    kept = reader.bookmark(_INDEX)
    return [] if not kept else [str(name) for name in json.loads(kept)]


def _stored(reader: Reader) -> Iterable[tuple[Trial, Sequence[Outcome] | None]]:
    found = (_one(reader, trial_id) for trial_id in _index(reader))
    return [each for each in found if each is not None]


def _one(reader: Reader, trial_id: str) -> tuple[Trial, Sequence[Outcome] | None] | None:
    kept = reader.bookmark(_key(trial_id))
    if not kept:
        return None
    head: Mapping[str, Any] = json.loads(kept)
    names = json.loads(reader.bookmark(f"{_key(trial_id)}/terminals") or "[]")
    trial = Trial(
        id=head["id"],
        name=head["name"],
        areas=tuple(head["areas"]),
        started_by=head["started_by"],
        started_at=datetime.fromisoformat(head["started_at"]),
        until=datetime.fromisoformat(head["until"]),
        terminals=tuple(names),
        asked=head["asked"],
        ended_at=_time(head["ended_at"]),
    )
    outcomes = head.get("outcomes")
    if outcomes is None:
        return trial, None
    return trial, [Outcome(name, _time(tested), _time(heard)) for name, tested, heard in outcomes]


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
