"""The forwarder over the ledger that production uses, in real time."""

import asyncio
from datetime import UTC, datetime

import pytest

from gateway.delivery.forwarder import Forwarder
from gateway.errors import Refused, TryLater
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Answer, Lane, ParcelDraft, Stage
from gateway.supervision.clock import SystemClock

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Terminals:
    """Takes answers by their press_id; ``verdicts`` are raised once each."""

    id = "tv"
    concurrency = 16

    def __init__(self) -> None:
        self.down = False
        self.verdicts = {}
        self.heard = []

    async def send(self, parcel):
        if self.down:
            raise TryLater("not connected")
        verdict = self.verdicts.pop(parcel.content.press_id, None)
        if verdict is not None:
            raise verdict
        self.heard.append(parcel.content.press_id)

    async def close(self): ...


@pytest.fixture
async def ledger(tmp_path):
    opened = await SqliteLedger.open(tmp_path / "ledger.db", "n1", SystemClock())
    yield opened
    await opened.close()


async def post(ledger, *press_ids):
    def work(tx):
        for press_id in press_ids:
            told = Answer("tv", "tv-0001", press_id, "alert", Stage.RECEIVED, "n1", AT, "received")
            tx.post(ParcelDraft("tv", Lane.ALARM, answer=told))

    await ledger.write(work)


async def until_empty(ledger):
    async with asyncio.timeout(60):
        while any(waiting for _, _, waiting, _, _ in await ledger.read(lambda reader: reader.backlog())):
            await asyncio.sleep(0.02)


async def test_everything_arrives_once_though_refusals_waits_outages_and_a_restart_come_between(ledger):
    sink, settled = Terminals(), []
    forwarder = Forwarder(ledger, [sink], lambda tx, parcel, _: settled.append(parcel.content.press_id), SystemClock())
    sink.verdicts = {"3": Refused("no such terminal"), "5": TryLater("nobody listens", after=5.0)}
    await post(ledger, *map(str, range(100)))
    running = asyncio.create_task(forwarder.run())
    await until_empty(ledger)
    sink.down = True
    await post(ledger, *map(str, range(100, 200)))
    running.cancel()
    await asyncio.wait([running])
    running = asyncio.create_task(forwarder.run())
    sink.down = False
    await post(ledger, "200")
    await until_empty(ledger)
    running.cancel()
    await asyncio.wait([running])
    expected = {str(number) for number in range(201)} - {"3"}
    assert sorted(settled) == sorted(sink.heard) == sorted(expected)
    ((sink_id, lane, _, _, parked),) = await ledger.read(lambda reader: reader.backlog())
    assert (sink_id, lane, parked) == ("tv", Lane.ALARM, 1)
