"""Thousands of terminals over one MQTT connection: they press, repeat until they hear ``received``, and note it all.

They know the contract alone (CONTRACT "MQTT"), and stand outside: paho on a thread of its own, as a device would run it.
"""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from gateway.lab.book import Book, Press
from gateway.model import PRESS_KINDS, rfc3339, utc_now

_REPEAT_FIRST = 2.0  # seconds; then each time half as long again, so that an outage's repeats do not bury the broker
_REPEAT_LAST = 8.0
_REPEATS_A_SECOND = 10  # of all together: they share one connection and one broker, and are to try the nodes, not these
_LOOK_EVERY = 0.1
_DRILLS = 0.05  # forwarded and kept like any other
_KINDS = tuple(sorted(PRESS_KINDS))


@dataclass(slots=True)
class _Waiting:
    payload: bytes
    next_at: float
    pause: float


class Households:
    """Terminals ``tv-0001`` … of one connection to ``address``. Everything drawn comes from ``rng``."""

    def __init__(self, address: tuple[str, int], book: Book, rng: random.Random, *, terminals: int) -> None:
        self.book = book
        self.made = 0
        self.sent = 0  # with repeats
        self.copies = 0  # how often each press is published besides, in any order (a line that repeats and reorders)
        self.deaf = False  # answers are not heard, as by a box that has just restarted
        self._address = address
        self._rng = rng
        self._ids = [terminal_id(number) for number in range(1, terminals + 1)]
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Press, _Waiting] = {}
        self._late: list[tuple[float, str, bytes]] = []  # copies still on their way
        self._sitting: asyncio.Task[None] | None = None
        # a session that stays, so that answers given while our connection is down are kept by the broker
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="households", clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.max_queued_messages_set(0)
        self._client.max_inflight_messages_set(200)
        self._client.on_connect = lambda client, *_: client.subscribe("tv/+/ack", qos=1)
        self._client.on_message = lambda _client, _data, message: self._on_answer(message.topic, bytes(message.payload))

    async def start(self) -> None:
        """Begin to connect, and to repeat what is not answered."""
        self._client.connect_async(*self._address, keepalive=5)
        self._client.loop_start()
        self._sitting = asyncio.create_task(self._repeat_for_ever())

    async def stop(self) -> None:
        if self._sitting is not None:
            self._sitting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sitting
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    async def connected(self, within: float = 60.0) -> None:
        async with asyncio.timeout(within):
            while not self._client.is_connected():  # noqa: ASYNC110 - paho tells it on another thread
                await asyncio.sleep(_LOOK_EVERY)

    def press(self, terminal: str | None = None) -> Press:
        """One press, of any household unless told; it is repeated until it is answered."""
        self.made += 1
        press = (terminal or self._rng.choice(self._ids), f"p{self.made}")
        content: dict[str, object] = {"press_id": press[1], "kind": self._rng.choice(_KINDS), "seq": self.made}
        if self._rng.random() < _DRILLS:
            content["test"] = True
        if self._rng.random() < 0.5:
            content["pressed_at"] = rfc3339(utc_now())
        payload = json.dumps(content).encode()
        self.book.pressed(*press, time.monotonic())
        self._waiting[press] = _Waiting(payload, time.monotonic() + _REPEAT_FIRST, _REPEAT_FIRST)
        self._publish(press[0], payload)
        for _ in range(self.copies):
            self._late.append((time.monotonic() + self._rng.uniform(0, 3), press[0], payload))
        return press

    async def press_all(self, count: int, rate: float) -> None:
        """``count`` presses, ``rate`` a second."""
        start = time.monotonic()
        for number in range(count):
            await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
            self.press()

    async def answered(self, within: float) -> bool:
        """Whether every press has heard ``received`` within so many seconds."""
        deadline = time.monotonic() + within
        while (self._waiting or self._late) and time.monotonic() < deadline:  # noqa: ASYNC110 - nothing is held by waiting
            await asyncio.sleep(_LOOK_EVERY)
        return not self._waiting

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def _repeat_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            now = time.monotonic()
            if self._client.is_connected():
                self._repeat(now)
            due, self._late = [one for one in self._late if one[0] <= now], [one for one in self._late if one[0] > now]
            self._rng.shuffle(due)
            for _, terminal, payload in due:
                self._publish(terminal, payload)

    def _repeat(self, now: float) -> None:
        for (terminal, _), waiting in self._waiting.items():
            if waiting.next_at <= now:
                waiting.pause = min(waiting.pause * 1.5, _REPEAT_LAST)
                waiting.next_at = now + max(waiting.pause, len(self._waiting) / _REPEATS_A_SECOND)
                self._publish(terminal, waiting.payload)

    def _publish(self, terminal: str, payload: bytes) -> None:
        self.sent += 1
        self._client.publish(f"tv/{terminal}/alarm", payload, qos=1)

    def _on_answer(self, topic: str, payload: bytes) -> None:
        """On paho's thread."""
        heard_at = time.monotonic()
        with contextlib.suppress(RuntimeError):  # the loop is gone: nobody is left to note it
            self._loop.call_soon_threadsafe(self._note, topic, payload, heard_at)

    def _note(self, topic: str, payload: bytes, heard_at: float) -> None:
        if self.deaf:
            return
        terminal = topic.split("/")[1]
        try:
            answer = json.loads(payload)
            press_id, stage, alert_id = answer["press_id"], answer["stage"], answer["alert_id"]
        except (ValueError, KeyError, TypeError):
            return  # not an answer; a television has nobody to complain to
        self.book.heard(terminal, press_id, stage, alert_id, heard_at)
        self._waiting.pop((terminal, press_id), None)


def terminal_id(number: int) -> str:
    return f"tv-{number:04d}"


def settings_of(numbers: Sequence[int]) -> list[dict[str, object]]:
    """These terminals as a node's configuration writes them. Those left out press too, and are marked unknown."""
    return [
        {"id": terminal_id(number), "household": {"name": f"No. {number}", "address": f"Lane {number}"}}
        for number in numbers
    ]
