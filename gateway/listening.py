"""What comes to the node, kept coming: its sources, and what nodes above have to say. A connection that breaks is opened
again by the one retry loop."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from adapters.cascade.downlink import CascadeDownlink
from adapters.mqtt.connection import MqttSource
from gateway.alerts.intake import Intake
from gateway.alerts.presence import PresenceDesk
from gateway.alerts.upper import LedgerUpper
from gateway.backoff import Backoff
from gateway.model import Accepted, Signal
from gateway.observability import events
from gateway.ports import Clock, Ledger, Source
from gateway.supervision.supervisor import Attempt, supervise

_REFUSED_WAIT_S = 10.0  # neither a broker nor an upper node locks us out; its password file may be about to be mended


@dataclass(frozen=True, slots=True)
class SourceOutlet:
    """Where one source puts what it hears; ``online`` goes to that source's supervision."""

    intake: Intake
    on_online: Callable[[], None]
    speaks: Callable[[str], None]

    def online(self) -> None:
        self.on_online()

    async def emit(self, signal: Signal) -> Accepted:
        return await self.intake.emit(signal)

    async def withdraw(self, terminal_id: str, press_id: str | None) -> None:
        await self.intake.withdraw(terminal_id, press_id)

    def presence(self, terminal_id: str, online: bool | None) -> None:
        self.intake.presence(terminal_id, online)
        if online is not False:
            self.speaks(terminal_id)


async def hear(source: Source, intake: Intake, presence: PresenceDesk, clock: Clock) -> None:
    """Run ``source`` until cancelled."""
    speaks = partial(_speaks, source, presence)

    async def attempt(online: Callable[[], None]) -> None:
        await source.run(SourceOutlet(intake, online, speaks))

    await _kept_up(source.id, attempt, Backoff(first=0.2, ceiling=2.0), clock)


async def hear_above(downlink: CascadeDownlink, ledger: Ledger, connected: Callable[[str], None], clock: Clock) -> None:
    """Run ``downlink`` until cancelled. ``connected`` is called with its id each time that it stands."""
    upper = LedgerUpper(ledger, downlink.id)

    async def attempt(online: Callable[[], None]) -> None:
        def stands() -> None:
            online()
            connected(downlink.id)

        await downlink.run(upper, stands)

    await _kept_up(f"{downlink.id} downlink", attempt, Backoff(first=0.5, ceiling=5.0), clock)


async def _kept_up(name: str, attempt: Attempt, wait: Backoff, clock: Clock) -> None:
    await supervise(
        name,
        attempt,
        wait,
        clock,
        lambda reason, pause, first: events.source_broken(name, reason, pause, first=first),
        lambda: events.source_online(name),
        refused_wait=_REFUSED_WAIT_S,
    )


def _speaks(source: Source, presence: PresenceDesk, terminal_id: str) -> None:
    """What a terminal is owed that nobody listened to becomes due when it speaks."""
    if isinstance(source, MqttSource):
        presence.speaks(source.owed_to(terminal_id))
