"""The link between a lower node and its upper node: the real events as bytes, on a way that fails.

The lower end is the real cascade sink over a link that is none; the upper end reads and answers as the cascade source
does, through the same readers, and its exchange is the real one.
"""

import asyncio
import json
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

from adapters.cascade import wire
from adapters.cascade.answers import HttpAnswer
from adapters.cascade.batch import read_batch
from adapters.cascade.settings import CascadeSinkSettings
from adapters.cascade.sink import CascadeSink
from gateway.errors import GatewayError, StoreFailed, Unreachable
from gateway.lab.simulation.life import Life
from gateway.model import Receipt, rfc3339
from gateway.ports import Exchange, MediaStore, Upper

_PING = 5.0  # s, as the real downlink
_SILENCE = 20.0
_STREAM_BUFFER = 64  # events that TCP holds


@dataclass(slots=True)
class Way:
    """How the link is now. Shares are of requests (0 to 1); ``delay`` in seconds each way, with as much jitter."""

    rng: random.Random
    delay: float = 0.01
    loss: float = 0.0
    answers_lost: float = 0.0
    duplicated: float = 0.0
    lies: float = 0.0
    down: bool = False  # refused at once
    hangs: bool = False  # swallowed without a word

    def heal(self) -> None:
        self.delay, self.loss, self.answers_lost, self.duplicated, self.lies = 0.01, 0.0, 0.0, 0.0, 0.0
        self.down = self.hangs = False

    async def travel(self) -> None:
        await asyncio.sleep(self.delay * (0.5 + self.rng.random()))

    async def no_longer_hangs(self) -> None:
        while self.hangs:  # noqa: ASYNC110 – what was sent meanwhile comes a little after the link does, as with TCP
            await asyncio.sleep(0.5)

    def lost(self, share: float) -> bool:
        return self.hangs or self.rng.random() < share


class Door:
    """The upper node's side, while it lives: what the cascade source is to HTTP."""

    def __init__(self, life: Life, exchange: Exchange) -> None:
        self.life = life
        self.exchange = exchange

    async def events(self, node: str, body: bytes) -> HttpAnswer:
        """Runs in the upper node's life; never answers once that is over."""
        task = self.life.start(self._events(node, body))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise Unreachable("county: the connection broke") from None
            raise

    async def _events(self, node: str, body: bytes) -> HttpAnswer:
        batch = read_batch(body, node)
        try:
            answers = await self.exchange.admit(node, batch.arrivals)
        except StoreFailed as error:
            return HttpAnswer(503, {}, json.dumps({"detail": str(error)}).encode())
        refused, receipts = list(batch.refused), []
        for event_id, answer in zip(batch.ids, answers, strict=True):
            if isinstance(answer, Receipt):
                receipts.append(_receipt_json(replace(answer, id=event_id)))
            else:
                refused.append({"id": event_id, "reason": answer})
        return HttpAnswer(200, {}, json.dumps({"receipts": receipts, "refused": refused}).encode())


class Uplink:
    """Both ends of one link. ``door`` is None while the upper node is dead."""

    def __init__(self, node: str, way: Way) -> None:
        self.node = node
        self.way = way
        self.door: Door | None = None
        self.streams: list[_Stream] = []

    def open_to(self, door: Door | None) -> None:
        self.door = door
        self.break_off()

    def break_off(self) -> None:
        """What stood on the link breaks."""
        for stream in self.streams:
            stream.put(Unreachable("the connection broke"))
        self.streams.clear()

    async def post(self, body: bytes) -> HttpAnswer:
        way = self.way
        await way.travel()
        door = self.door
        if way.down or door is None or not door.life.alive:
            raise Unreachable("county: connection refused")
        if way.lost(way.loss):
            await asyncio.Event().wait()
        if way.rng.random() < way.duplicated:
            door.life.start(self._repeated(door, body))
        if way.rng.random() < way.lies / 2:  # an answer of one that has not committed it
            return _lie(body, way.rng)
        answer = await door.events(self.node, body)
        if not door.life.alive:
            raise Unreachable("county: the connection broke")
        if way.rng.random() < way.lies:
            answer = _lie(body, way.rng) if way.rng.random() < 0.5 else _partly(answer, way.rng)
        await way.travel()
        if way.down:
            raise Unreachable("county: the connection broke")
        if way.lost(way.answers_lost):
            await asyncio.Event().wait()
        return answer

    async def _repeated(self, door: Door, body: bytes) -> None:
        await asyncio.sleep(self.way.rng.random() * 2)
        if door.life.alive:
            await door.events(self.node, body)


class _UplinkAsHttp:
    """adapters.cascade.link.Link, as far as events go."""

    address = "county"

    def __init__(self, uplink: Uplink) -> None:
        self._uplink = uplink

    async def send(
        self, method: str, path: str, content: bytes, content_type: str, within: float, *, fresh: bool = False
    ) -> HttpAnswer:
        try:
            async with asyncio.timeout(within):
                return await self._uplink.post(content)
        except TimeoutError:
            raise Unreachable(f"county: no answer within {within:g} s") from None

    async def close(self) -> None:
        """Nothing to let go of."""


class SimulatedCascadeSink(CascadeSink):
    """The real sink with the simulated link in place of HTTP."""

    def __init__(self, settings: CascadeSinkSettings, node_id: str, media: MediaStore, uplink: Uplink) -> None:
        super().__init__(settings, node_id, media)
        self._link = _UplinkAsHttp(uplink)  # type: ignore[assignment]


class _Stream:
    """What the upper node has sent and the lower node has not read yet."""

    def __init__(self) -> None:
        self._items: deque[tuple[int, bytes] | None] = deque()
        self._error: GatewayError | None = None
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()

    def put(self, error: GatewayError) -> None:
        self._error = error
        self._filled.set()

    async def give(self, item: tuple[int, bytes] | None) -> None:
        while len(self._items) >= _STREAM_BUFFER:
            self._emptied.clear()
            await self._emptied.wait()
        self._items.append(item)
        self._filled.set()

    async def next(self) -> tuple[int, bytes] | None:
        """An event with its position, None for a ping. Raises Unreachable."""
        try:
            async with asyncio.timeout(_SILENCE):
                while self._error is None and not self._items:
                    self._filled.clear()
                    await self._filled.wait()
        except TimeoutError:
            raise Unreachable(f"the downlink was silent for {_SILENCE:g} s") from None
        if self._error is not None:
            raise self._error
        self._emptied.set()
        return self._items.popleft()


class Downlink:
    """As adapters.cascade.downlink.CascadeDownlink: one attempt, which always raises."""

    def __init__(self, uplink: Uplink) -> None:
        self._uplink = uplink

    async def run(self, upper: Upper, online: Callable[[], None]) -> None:
        uplink = self._uplink
        position = await upper.bookmark()
        await uplink.way.travel()
        door = uplink.door
        if uplink.way.down or uplink.way.hangs or door is None or not door.life.alive:
            raise Unreachable("county: connection refused")
        stream = _Stream()
        uplink.streams.append(stream)
        feeding = door.life.start(self._feed(door, stream, position))
        online()
        try:
            while True:
                item = await stream.next()
                if item is None:
                    continue
                position, content = item
                entry = wire.read_entry(wire.read_json(content))
                assert entry is not None
                await upper.take(position, entry)
        finally:
            feeding.cancel()
            if stream in uplink.streams:
                uplink.streams.remove(stream)

    async def _feed(self, door: Door, stream: _Stream, after: int) -> None:
        pinging = asyncio.ensure_future(self._ping(stream))
        feed: AsyncIterator[Any] = door.exchange.downlink(self._uplink.node, after)
        try:
            async for item in feed:
                await self._uplink.way.travel()
                await self._uplink.way.no_longer_hangs()
                await stream.give((item.position, wire.event_bytes(item.entry)))
        except StoreFailed:
            stream.put(Unreachable("the upper node ended the downlink"))
        finally:
            pinging.cancel()

    async def _ping(self, stream: _Stream) -> None:
        while True:
            if not self._uplink.way.hangs:
                await stream.give(None)
            await asyncio.sleep(_PING)


def _receipt_json(receipt: Receipt) -> dict[str, Any]:
    at = rfc3339(receipt.committed_at)
    return {"id": receipt.id, "sha256": receipt.sha256, "seq": receipt.seq, "committed_at": at}


def _lie(body: bytes, rng: random.Random) -> HttpAnswer:
    """What receivers answer that have nothing, or something else."""
    sent = json.loads(body)
    events = sent if isinstance(sent, list) else [sent]
    proof = {"sha256": "0" * 64, "seq": 1, "committed_at": "2026-03-01T08:00:00Z"}
    wrong_bytes = [{"id": event["id"], **proof} for event in events]
    another = [{"id": "another", **proof}]
    lies: list[tuple[int, bytes]] = [
        (200, json.dumps({"receipts": wrong_bytes}).encode()),
        (200, json.dumps({"receipts": another}).encode()),
        (200, b'{"receipts": []}'),
        (200, b"<html>welcome to the portal</html>"),
        (500, b""),
        (503, b"busy"),
        (200, b""),
    ]
    status, content = rng.choice(lies)
    return HttpAnswer(status, {}, content)


def _partly(answer: HttpAnswer, rng: random.Random) -> HttpAnswer:
    """The true answer, but for receipts that are missing or of other bytes."""
    told = json.loads(answer.body)
    receipts = [each for each in told.get("receipts", ()) if rng.random() < 0.7]
    for receipt in receipts:
        if rng.random() < 0.3:
            receipt["sha256"] = "0" * 64
    return HttpAnswer(answer.status, answer.headers, json.dumps({**told, "receipts": receipts}).encode())
