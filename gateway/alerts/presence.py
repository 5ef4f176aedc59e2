"""Terminals' states on disk: kept in batches, known again after a restart; and what is done when a terminal speaks again."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from gateway.alerts.register import Register
from gateway.errors import StoreFailed
from gateway.model import TerminalState
from gateway.observability.logs import logger
from gateway.ports import Ledger, Transaction

_log = logger("alerts")
_EVERY_S = 15.0
_AT_ONCE = 500  # rows in one piece of the ledger's work: a press must not wait for ten thousand
_STALE = timedelta(
    minutes=5
)  # how far the kept time of the last sign of life may lag behind; a heartbeat is not worth a row
_GATHER_S = 0.2
_MOST_OWED = 10_000


class PresenceDesk:
    """Keeps ``register``'s states over restarts. ``load`` before anything is heard, ``run`` until the end."""

    def __init__(self, ledger: Ledger, register: Register) -> None:
        self._ledger = ledger
        self._register = register
        self._kept: dict[str, TerminalState] = {}
        self._seen = 0
        self._owed: dict[int, None] = {}
        self._speaks = asyncio.Event()

    async def load(self) -> None:
        states = await self._ledger.read(lambda reader: reader.terminal_states())
        self._kept = {state.terminal_id: state for state in states}
        self._register.remember(states)

    def speaks(self, parcels: Sequence[int]) -> None:
        """A terminal gave a sign of life that these answers wait for: they become due. Never waits; what is lost here is
        tried again in minutes all the same."""
        for parcel in parcels:
            if len(self._owed) < _MOST_OWED:
                self._owed[parcel] = None
        if parcels:
            self._speaks.set()

    async def run(self) -> None:
        """Until cancelled; then what is not on disk yet is written. A ledger that takes nothing is asked again later."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._remind())
            try:
                while True:
                    await asyncio.sleep(_EVERY_S)
                    await self._keep(_STALE)
            finally:
                await self._keep(timedelta())

    async def _remind(self) -> None:
        while True:
            await self._speaks.wait()
            await asyncio.sleep(_GATHER_S)  # a broker that came back has thousands speak at once
            self._speaks.clear()
            while owed := list(self._owed)[:_AT_ONCE]:
                for parcel in owed:
                    del self._owed[parcel]
                try:
                    await self._ledger.write(partial(_make_due, owed))
                except StoreFailed as error:
                    _log.debug("answers wait for their time", reason=str(error))

    async def _keep(self, stale: timedelta) -> None:
        before, self._seen = self._seen, self._register.changes
        states = [self._register.state(name) for name in self._register.presence_changes(before)]
        wanted = [state for state in states if _worth_keeping(self._kept.get(state.terminal_id), state, stale)]
        try:
            for start in range(0, len(wanted), _AT_ONCE):
                some = wanted[start : start + _AT_ONCE]
                await self._ledger.write(partial(_keep_states, some))
                self._kept.update((state.terminal_id, state) for state in some)
        except StoreFailed as error:
            self._seen = before
            _log.debug("terminals' states could not be kept", reason=str(error))


def _make_due(parcels: Sequence[int], tx: Transaction) -> None:
    for parcel in parcels:
        tx.resend(parcel)


def _keep_states(states: Sequence[TerminalState], tx: Transaction) -> None:
    tx.keep_terminal_states(states)


def _worth_keeping(kept: TerminalState | None, now: TerminalState, stale: timedelta) -> bool:
    if kept is None or kept.last_seen is None or now.last_seen is None:
        return kept != now
    if (kept.online, kept.last_press, kept.last_test) != (now.online, now.last_press, now.last_test):
        return True
    # a clock that was set back counts too
    return kept != now and abs(now.last_seen - kept.last_seen) >= stale
