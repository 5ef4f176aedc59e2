"""Gateways that break the promise on purpose: a checker that does not find them proves nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.mqtt.topics import ack_topic
from gateway.alerts.exchange import LedgerExchange
from gateway.alerts.intake import Intake
from gateway.alerts.policy import IntakePolicy
from gateway.alerts.register import Register
from gateway.errors import GatewayError
from gateway.lab.simulation.broker import Broker
from gateway.lab.simulation.network import SimulatedCascadeSink
from gateway.lab.simulation.time import START
from gateway.model import Accepted, Parcel, Press, Receipt, Signal, Stage
from gateway.ports import Arrival, Clock, Digest, Exchange, FeedEntry, Ledger, PressRecord, Report, Sink, Transaction


@dataclass(frozen=True, slots=True)
class Sabotage:
    """What is broken; nothing unless told. ``synchronous``: of SQLite. ``lying_disk``: an fsync does nothing.
    ``hasty_intake``: PUBACK and R1 before the commit. ``hasty_sink``: a parcel is deleted when it is sent.
    ``hasty_county``: its receipts come before its commits. ``forgetful``: a repeat is not known as one."""

    synchronous: str = "full"
    lying_disk: bool = False
    hasty_intake: bool = False
    hasty_sink: bool = False
    hasty_county: bool = False
    forgetful: bool = False

    def intake(self, ledger: Ledger, register: Register, policy: IntakePolicy, clock: Clock) -> Intake:
        if self.hasty_intake:
            return _HastyIntake(ledger, register, policy, clock)
        return (_ForgetfulIntake if self.forgetful else Intake)(ledger, register, policy, clock)

    def watch(self, intake: Intake, broker: Broker) -> None:
        if isinstance(intake, _HastyIntake):
            intake.broker = broker

    def sink(self, sink: SimulatedCascadeSink) -> Sink:
        return _HastySink(sink) if self.hasty_sink else sink

    def exchange(self, exchange: LedgerExchange) -> Exchange:
        return _HastyExchange(exchange) if self.hasty_county else exchange


NOTHING = Sabotage()
"""The gateway as it is."""

SABOTAGES = {
    "synchronous_off": Sabotage(synchronous="off"),
    "synchronous_normal": Sabotage(synchronous="normal"),
    "lying_disk": Sabotage(lying_disk=True),
    "acknowledged_before_commit": Sabotage(hasty_intake=True),
    "receipts_before_commit": Sabotage(hasty_county=True),
    "deleted_before_receipt": Sabotage(hasty_sink=True),
    "repeats_not_known": Sabotage(forgetful=True),
}


class _ForgetfulIntake(Intake):
    def _same_press(self, tx: Transaction, signal: Signal, press: Press) -> PressRecord | None:
        return None


class _HastyIntake(Intake):
    broker: Broker

    async def emit(self, signal: Signal) -> Accepted:
        press_id = signal.press.press_id if signal.press is not None else None
        told = {"press_id": press_id, "alert_id": None, "stage": "received"}
        self.broker.tell(ack_topic(signal.source.id), json.dumps(told).encode())
        asyncio.get_running_loop().create_task(self._later(signal))
        return Accepted("", press_id, Stage.RECEIVED)

    async def _later(self, signal: Signal) -> None:
        try:
            await super().emit(signal)
        except GatewayError:
            return


class _HastySink:
    def __init__(self, sink: SimulatedCascadeSink) -> None:
        self.id = sink.id
        self.concurrency = sink.concurrency
        self._sink = sink

    async def send(self, parcel: Parcel) -> Receipt | None:
        asyncio.get_running_loop().create_task(self._later(parcel))
        return None

    async def _later(self, parcel: Parcel) -> None:
        try:
            await self._sink.send(parcel)
        except GatewayError:
            return

    async def close(self) -> None:
        await self._sink.close()


class _HastyExchange:
    def __init__(self, exchange: LedgerExchange) -> None:
        self._exchange = exchange
        self._given = 0

    async def admit(self, node: str, arrivals: Sequence[Arrival | Report]) -> list[Receipt | str]:
        asyncio.get_running_loop().create_task(self._later(node, arrivals))
        receipts: list[Receipt | str] = []
        for arrival in arrivals:
            self._given += 1
            name = arrival.entry.id if isinstance(arrival, Arrival) else arrival.id
            receipts.append(Receipt(name, arrival.sha256, self._given, START))
        return receipts

    async def _later(self, node: str, arrivals: Sequence[Arrival | Report]) -> None:
        try:
            await self._exchange.admit(node, arrivals)
        except GatewayError:
            return

    async def digest(self, node: str, since: datetime, until: datetime) -> Digest:
        return await self._exchange.digest(node, since, until)

    def downlink(self, node: str, after: int) -> AsyncIterator[FeedEntry]:
        return self._exchange.downlink(node, after)
