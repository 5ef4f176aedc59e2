"""How simulated terminals behave, by name: those that are well, and those that real villages have too."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.lab.mqtt_link import Link, Login
from gateway.model import rfc3339, utc_now

_REPEAT_S = 2.0  # CONTRACT: "A terminal repeats a press until it hears `received`"
_STORED = 96  # events that a device such as Kaiwan's keeps while it is cut off
_STUCK_S = 0.2
_UNSET = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Tally:
    """``pressed``: each press by its id, as it was sent; ``received``: the ids of those that were answered."""

    pressed: dict[str, str] = field(default_factory=dict)
    received: set[str] = field(default_factory=set)
    sent: int = 0

    @property
    def unanswered(self) -> set[str]:
        return self.pressed.keys() - self.received


class Actor:
    """One terminal on the running loop. ``every``: seconds between what it does by habit."""

    def __init__(self, login: Login, terminal: str, every: float, chance: random.Random) -> None:
        self.id = terminal
        self.every = every
        self.chance = chance
        self.tally = Tally()
        self._login = login
        self._count = 0
        self._link = self._new_link()

    async def connect(self, *, listen: bool = True, announce: bool = True) -> None:
        """Raises Unreachable or AuthFailed."""
        if announce:
            self._link.client.will_set(f"tv/{self.id}/status", "offline", qos=1, retain=True)
        await self._link.connect()
        if listen:
            await self._link.subscribe(f"tv/{self.id}/ack")
        if announce:
            self.say("status", "online", retain=True)

    def say(self, what: str, payload: str, *, retain: bool = False) -> None:
        self._link.client.publish(f"tv/{self.id}/{what}", payload, qos=1, retain=retain)

    def press(self, pressed_at: datetime | None = None) -> str:
        """Send a new press; give its id."""
        self._count += 1
        press_id = f"{self.id}-{self._count}-{self.chance.getrandbits(40):010x}"
        said: dict[str, Any] = {"press_id": press_id, "kind": "sos", "seq": self._count, "test": True}
        said["pressed_at"] = rfc3339(pressed_at or utc_now())
        self.tally.pressed[press_id] = json.dumps(said)
        self.repeat(press_id)
        return press_id

    def repeat(self, press_id: str) -> None:
        """Send it (again), the same bytes."""
        self.tally.sent += 1
        self.say("alarm", self.tally.pressed[press_id])

    async def press_until_received(self, pressed_at: datetime | None = None) -> None:
        press_id = self.press(pressed_at)
        while True:
            for _ in range(20):
                await asyncio.sleep(_REPEAT_S / 20)
                if press_id in self.tally.received:
                    return
            self.repeat(press_id)

    def vanish(self) -> None:
        """Be gone without a goodbye, as when the mains fail: the broker publishes the last will."""
        self._link.drop()
        self._link = self._new_link()

    def close(self) -> None:
        self._link.close()

    def _new_link(self) -> Link:
        return Link(self._login, self.id, self._hear)

    def _hear(self, payload: bytes) -> None:
        try:
            answer = json.loads(payload)
            if answer["stage"] == "received":
                self.tally.received.add(answer["press_id"])
        except (ValueError, KeyError, TypeError):
            return  # no answer: a television has nobody to complain to


Behaviour = Callable[[Actor], Awaitable[None]]


async def well(actor: Actor) -> None:
    """Announces itself and presses now and then, each time until it is heard."""
    await actor.connect()
    while True:
        await asyncio.sleep(actor.every * actor.chance.uniform(0.5, 1.5))
        await actor.press_until_received()


async def heartbeat(actor: Actor) -> None:
    """Never presses and has no last will: only a heartbeat says that it lives."""
    await actor.connect(announce=False)
    while True:
        actor.say("heartbeat", "")
        await asyncio.sleep(actor.every)


async def replay(actor: Actor) -> None:
    """Was cut off for hours and tells its whole store at once, then again what was not received."""
    await actor.connect()
    now = utc_now()
    stored = [now - timedelta(minutes=5 * number) for number in range(_STORED, 0, -1)]
    for at in stored:
        actor.press(at)
    while actor.tally.unanswered:
        await asyncio.sleep(_REPEAT_S)
        for press_id in sorted(actor.tally.unanswered):
            actor.repeat(press_id)
    await asyncio.Event().wait()


async def flood(actor: Actor) -> None:
    """Sends a new press every millisecond, heard or not."""
    await actor.connect()
    while True:
        for _ in range(10):
            actor.press()
        await asyncio.sleep(0.01)


async def stuck(actor: Actor) -> None:
    """Its button is stuck: five presses a second, without end."""
    await actor.connect()
    while True:
        actor.press()
        await asyncio.sleep(_STUCK_S)


async def flap(actor: Actor) -> None:
    """Loses its line again and again without a goodbye."""
    while True:
        await actor.connect()
        await asyncio.sleep(actor.every * actor.chance.uniform(0.5, 1.5))
        actor.vanish()
        await asyncio.sleep(actor.every * actor.chance.uniform(0.5, 1.5))


async def old_clock(actor: Actor) -> None:
    """Booted without a clock: it presses in 1970."""
    await actor.connect()
    booted = utc_now()
    while True:
        await asyncio.sleep(actor.every)
        await actor.press_until_received(_UNSET + (utc_now() - booted))


async def deaf(actor: Actor) -> None:
    """Never listens: it repeats each press a few times and gives up."""
    await actor.connect(listen=False)
    while True:
        press_id = actor.press()
        for _ in range(3):
            await asyncio.sleep(_REPEAT_S)
            actor.repeat(press_id)
        await asyncio.sleep(actor.every)


async def gone(actor: Actor) -> None:
    """Was there once, and is gone without a goodbye."""
    await actor.connect()
    await asyncio.sleep(min(1.0, actor.every))
    actor.vanish()
    await asyncio.Event().wait()


BEHAVIOURS: Mapping[str, Behaviour] = {
    "well": well,
    "heartbeat": heartbeat,
    "replay": replay,
    "flood": flood,
    "stuck": stuck,
    "flap": flap,
    "old_clock": old_clock,
    "deaf": deaf,
    "gone": gone,
}
