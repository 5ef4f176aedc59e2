"""Terminals as the contract has them: a press is repeated until ``received`` is heard, and everything is written into the
checker's book."""

import asyncio
import json
import random
from datetime import timedelta

from adapters.mqtt.topics import ack_topic
from gateway.lab.book import Book
from gateway.lab.simulation.broker import Broker
from gateway.lab.simulation.time import START
from gateway.model import rfc3339


class Terminal:
    """One household's television. ``flaky``: the share of its publishes that never reach the broker, or reach it twice."""

    def __init__(self, name: str, broker: Broker, book: Book, rng: random.Random) -> None:
        self.name = name
        self._broker = broker
        self._book = book
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._pressed = 0
        self._heard: dict[str, asyncio.Event] = {}
        self.flaky = 0.0
        self.deaf = False
        broker.subscribe(ack_topic(name), self._told)

    async def press(self) -> None:
        """Until it is heard that the press was received."""
        self._pressed += 1
        press_id = f"p{self._pressed}"
        heard = self._heard[press_id] = asyncio.Event()
        self._book.pressed(self.name, press_id, self._loop.time())
        message = {
            "press_id": press_id,
            "kind": self._rng.choice(("sos", "sos", "sos", "fire", "medical")),
            "pressed_at": rfc3339(START + timedelta(seconds=self._loop.time())),
            "seq": self._pressed,
        }
        payload = json.dumps(message).encode()
        while not heard.is_set():
            await asyncio.sleep(self._rng.random() * 0.05)
            self._publish(f"tv/{self.name}/alarm", payload)
            try:
                async with asyncio.timeout(self._rng.uniform(3.0, 8.0)):
                    await heard.wait()
            except TimeoutError:
                continue

    def cancel(self) -> None:
        self._publish(f"tv/{self.name}/cancel", json.dumps({"press_id": f"p{max(self._pressed, 1)}"}).encode())

    def away(self) -> None:
        self._broker.leave(ack_topic(self.name))

    def back(self) -> None:
        self._broker.subscribe(ack_topic(self.name), self._told)

    def _publish(self, topic: str, payload: bytes) -> None:
        if self._rng.random() < self.flaky:
            return
        confirmed = self._broker.publish(topic, payload)
        if confirmed and self._rng.random() < self.flaky:  # the PUBACK was lost: sent again, and new to the broker
            self._broker.publish(topic, payload)

    def _told(self, payload: bytes) -> None:
        if self._rng.random() < self.flaky / 2:
            return
        answer = json.loads(payload)
        self._book.heard(self.name, answer["press_id"], answer["stage"], answer["alert_id"], self._loop.time())
        if answer["press_id"] in self._heard:
            self._heard[answer["press_id"]].set()
