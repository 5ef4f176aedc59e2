"""A township and a county, put together from the gateway's real rooms, on simulated disks, brokers and links."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw

from adapters.cascade.settings import CascadeSinkSettings, CascadeSourceSettings
from adapters.mqtt.settings import MqttSettings
from gateway.alerts.duties import Duties
from gateway.alerts.exchange import LedgerExchange
from gateway.alerts.intake import Intake
from gateway.alerts.timers import TimerDesk
from gateway.alerts.upper import LedgerUpper
from gateway.backoff import Backoff
from gateway.config.settings import Settings
from gateway.delivery.forwarder import Forwarder
from gateway.errors import StoreFailed
from gateway.lab.simulation.broker import Broker, BrokerSource
from gateway.lab.simulation.disk import Disk
from gateway.lab.simulation.life import Life
from gateway.lab.simulation.network import Door, Downlink, SimulatedCascadeSink, Uplink
from gateway.lab.simulation.sabotage import Sabotage
from gateway.lab.simulation.store import open_ledger
from gateway.lab.simulation.time import NodeClock
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Accepted, Signal
from gateway.policies import duties_of, intake_policy_of, register_of
from gateway.ports import MediaStore, Sink
from gateway.supervision.supervisor import supervise

_DISK_AGAIN = 2.0  # s until whoever watches the service starts it again
_STOP_WITHIN = 3.5
_FSYNCS = (0.002, 0.01, 0.03)  # s: a good solid-state disk, an eMMC, a spinning disk


class Node:
    """One box: its disk and its clock outlive the lives of its process."""

    def __init__(self, settings: Settings, rng: random.Random, sabotage: Sabotage) -> None:
        self.settings = settings
        self.id = settings.node.id
        self.rng = random.Random(rng.getrandbits(64))
        self.sabotage = sabotage
        self.disk = Disk(random.Random(rng.getrandbits(64)))
        self.disk.lies = sabotage.lying_disk
        self.disk.latency = self.disk.usual_latency = self.rng.choice(_FSYNCS)
        self.clock = NodeClock(asyncio.get_running_loop())
        self.life: Life | None = None
        self.ledger: SqliteLedger | None = None
        self.connection: apsw.Connection | None = None
        self.works: list[asyncio.Task[None]] = []
        self.starts = 0

    @property
    def up(self) -> bool:
        return self.life is not None and self.life.alive and self.ledger is not None

    def boot(self) -> None:
        """Start the process; where the disk does not let it, again a little later, as a service manager does."""
        if self.life is not None and self.life.alive:
            return
        life = self.life = Life(self.clock, self.rng)
        self.ledger = None
        self.starts += 1
        life.on_end(self.fell)
        life.start(self._start(life))

    async def _start(self, life: Life) -> None:
        register = register_of(self.settings)
        duties = duties_of(self.settings, register, self.clock)
        try:
            ledger, connection = open_ledger(
                self.disk, self.id, self.clock, duties.react, synchronous=self.sabotage.synchronous
            )
        except StoreFailed:
            if life.alive:
                life.end()
                asyncio.get_running_loop().call_later(_DISK_AGAIN, self.boot)
            return
        self.ledger, self.connection = ledger, connection
        if life.alive:
            intake = self.sabotage.intake(ledger, register, intake_policy_of(self.settings), self.clock)
            self.works = [life.start(work) for work in self.compose(life, ledger, duties, intake)]

    def compose(
        self, life: Life, ledger: SqliteLedger, duties: Duties, intake: Intake
    ) -> list[Coroutine[Any, Any, None]]:
        raise NotImplementedError

    def fell(self) -> None:
        """The process has ended, however."""

    # ------------------------------------------------------------------------------------------------ ends

    def crash(self, *, power: bool, back_after: float) -> None:
        """kill -9, or the power is cut; the process comes back by itself."""
        if self.life is None or not self.life.alive:
            return
        (self.disk.cut_power if power else self.disk.kill)()
        self.life.end()
        asyncio.get_running_loop().call_later(back_after, self.boot)

    def crash_at_write(self, number: int, *, power: bool, back_after: float) -> None:
        """At the nth write or fsync from now, wherever in the code that is."""
        left = number

        def count() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self.crash(power=power, back_after=back_after)

        self.disk.on_write = count

    async def restart(self, back_after: float) -> None:
        """SIGTERM: in order, nothing lost; then the (newer) program starts."""
        life, ledger = self.life, self.ledger
        if life is None or ledger is None or not life.alive:
            return
        for work in self.works:
            work.cancel()
        await asyncio.wait(self.works, timeout=_STOP_WITHIN)
        if life.alive:
            assert self.connection is not None
            self.connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
            with contextlib.suppress(StoreFailed):
                await ledger.close()
            self.disk.kill()
            life.end()
            asyncio.get_running_loop().call_later(back_after, self.boot)

    async def watch(self) -> None:
        """A person who restarts a node that says that it is not ready; but not while the disk is merely full."""
        while True:
            await asyncio.sleep(5.0)
            fault = self.ledger.fault() if self.up and self.ledger is not None else None
            if fault is not None and "disk is full" not in fault:
                self.crash(power=False, back_after=self.rng.uniform(0.5, 5.0))

    def close(self) -> None:
        if self.life is not None:
            self.disk.kill()
            self.life.end()
        if self.connection is not None:
            with contextlib.suppress(apsw.Error):
                self.connection.close()
        self.disk.unregister()


class Township(Node):
    def __init__(
        self, settings: Settings, rng: random.Random, sabotage: Sabotage, broker: Broker, uplink: Uplink
    ) -> None:
        super().__init__(settings, rng, sabotage)
        self._broker = broker
        self._uplink = uplink

    def compose(
        self, life: Life, ledger: SqliteLedger, duties: Duties, intake: Intake
    ) -> list[Coroutine[Any, Any, None]]:
        source = BrokerSource("tv", self._broker, life, self.clock)
        self.sabotage.watch(intake, self._broker)
        [above] = self.settings.sinks
        media: MediaStore = None  # type: ignore[assignment]  # no picture travels here
        sink = self.sabotage.sink(SimulatedCascadeSink(above, self.id, media, self._uplink))
        downlink, upper = Downlink(self._uplink), LedgerUpper(ledger, above.id)
        sinks: list[Sink] = [source, sink]
        return [
            Forwarder(ledger, sinks, duties.settle, self.clock, rng=life.rng).run(),
            TimerDesk(ledger, duties, self.clock).run(),
            self._kept_up(life, lambda online: source.run(_Outlet(intake, online)), 0.2, 2.0),
            self._kept_up(life, lambda online: downlink.run(upper, online), 0.5, 5.0),
        ]

    async def _kept_up(
        self, life: Life, attempt: Callable[[Callable[[], None]], Coroutine[Any, Any, None]], first: float, most: float
    ) -> None:
        backoff = Backoff(first=first, ceiling=most, rng=life.rng)
        await supervise(self.id, attempt, backoff, self.clock, lambda *_, **__: None, lambda: None, refused_wait=10.0)

    def fell(self) -> None:
        self._broker.break_off()
        self._uplink.break_off()


class County(Node):
    def __init__(self, settings: Settings, rng: random.Random, sabotage: Sabotage, uplink: Uplink) -> None:
        super().__init__(settings, rng, sabotage)
        self._uplink = uplink

    def compose(
        self, life: Life, ledger: SqliteLedger, duties: Duties, intake: Intake
    ) -> list[Coroutine[Any, Any, None]]:
        exchange = LedgerExchange(ledger, self.id, has_token=lambda node: node == self._uplink.node, now=self.clock.now)
        self._uplink.open_to(Door(life, self.sabotage.exchange(exchange)))
        return [
            Forwarder(ledger, (), duties.settle, self.clock, rng=life.rng).run(),
            TimerDesk(ledger, duties, self.clock).run(),
        ]

    def fell(self) -> None:
        self._uplink.open_to(None)


@dataclass(frozen=True, slots=True)
class _Outlet:
    """As gateway.listening.SourceOutlet."""

    intake: Intake
    on_online: Callable[[], None]

    def online(self) -> None:
        self.on_online()

    async def emit(self, signal: Signal) -> Accepted:
        return await self.intake.emit(signal)

    async def withdraw(self, terminal_id: str, press_id: str | None) -> None:
        await self.intake.withdraw(terminal_id, press_id)

    def presence(self, terminal_id: str, online: bool | None) -> None:
        self.intake.presence(terminal_id, online)


def township_settings(terminals: list[str]) -> Settings:
    return Settings.model_validate(
        {
            "node": {"id": "township", "level": "township", "area_code": "511724001"},
            "data_dir": Path("/nowhere/township"),
            "sources": (MqttSettings(kind="mqtt", id="tv", url="mqtt://broker"),),
            "sinks": (CascadeSinkSettings(id="county", url="http://county", token="simulated"),),  # noqa: S106
            "terminals": [
                {"id": name, "household": {"name": f"household {name}"}, "neighbours": terminals[:2]}
                for name in terminals
            ],
        }
    )


def county_settings() -> Settings:
    return Settings.model_validate(
        {
            "node": {"id": "county", "level": "county", "area_code": "511724"},
            "data_dir": Path("/nowhere/county"),
            "sources": (CascadeSourceSettings(id="lower"),),
        }
    )


CLOCK_ERRORS = {
    "1970": timedelta(days=-20_513),
    "an hour back": timedelta(hours=-1),
    "a minute ahead": timedelta(minutes=1),
    "nine hours ahead": timedelta(hours=9),
    "two days ahead": timedelta(days=2),
    "ten years ahead": timedelta(days=3_653),
}
