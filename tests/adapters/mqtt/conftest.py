"""An outlet that can be held, and a terminal made of another MQTT client, against a real Mosquitto."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from adapters.mqtt.connection import MqttSource
from adapters.mqtt.settings import MqttSettings
from gateway.model import Accepted, Signal, Stage, utc_now

DEADLINE = 60.0


class SystemTime:
    now = staticmethod(utc_now)
    mono = staticmethod(time.monotonic)
    sleep = staticmethod(asyncio.sleep)


class FakeOutlet:
    """Records what it is given. ``hold`` keeps every emit from returning; ``fault`` is raised instead."""

    def __init__(self) -> None:
        self.is_online = False
        self.signals: list[Signal] = []
        self.returned = 0
        self.withdrawn: list[tuple[str, str | None]] = []
        self.presences: list[tuple[str, bool | None]] = []
        self.free = asyncio.Event()
        self.free.set()
        self.fault: Callable[[Signal], Exception | None] = lambda signal: None

    def online(self) -> None:
        self.is_online = True

    async def emit(self, signal: Signal) -> Accepted:
        self.signals.append(signal)
        error = self.fault(signal)
        if error is not None:
            raise error
        await self.free.wait()
        self.returned += 1
        return Accepted("alert", "press", Stage.RECEIVED)

    async def withdraw(self, terminal_id: str, press_id: str | None) -> None:
        self.withdrawn.append((terminal_id, press_id))

    def presence(self, terminal_id: str, online: bool | None) -> None:
        self.presences.append((terminal_id, online))

    @property
    def press_ids(self) -> list[str | None]:
        return [signal.press.press_id for signal in self.signals if signal.press]


class Gateway:
    """The source under test, one connection at a time."""

    def __init__(self, source: MqttSource, outlet: FakeOutlet) -> None:
        self.source = source
        self.outlet = outlet
        self._task: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        self.outlet.is_online = False
        self._task = asyncio.create_task(self.source.run(self.outlet))
        await until(lambda: self.outlet.is_online or self.ended)
        if self.ended:
            await self.end()

    @property
    def ended(self) -> bool:
        return self._task is not None and self._task.done()

    async def end(self) -> None:
        """Wait for the connection to break; raises why."""
        assert self._task is not None
        task, self._task = self._task, None
        async with asyncio.timeout(DEADLINE):
            await task

    async def disconnect(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.end()


class Terminal:
    """A household's terminal: paho in its own thread, spoken to from the loop."""

    def __init__(self, port: int, version: MQTTProtocolVersion, name: str, will: str | None = None) -> None:
        self.heard: list[paho.MQTTMessage] = []
        self._subscribed = threading.Semaphore(0)
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=version)
        self._client.on_message = lambda _client, _userdata, message: self.heard.append(message)
        self._client.on_subscribe = lambda *_: self._subscribed.release()
        if will is not None:
            self._client.will_set(will, "offline", qos=1, retain=True)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    async def publish(self, topic: str, payload: Any = b"", retain: bool = False, **properties: Any) -> None:
        """Returns after the broker's PUBACK."""
        packed = None
        if properties:
            packed = Properties(PacketTypes.PUBLISH)
            for name, value in properties.items():
                setattr(packed, name, value)
        body = json.dumps(payload) if isinstance(payload, dict) else payload
        info = self._client.publish(topic, body, qos=1, retain=retain, properties=packed)
        await asyncio.to_thread(info.wait_for_publish, DEADLINE)
        assert info.is_published()

    async def subscribe(self, topic: str) -> None:
        self._client.subscribe(topic, qos=1)
        assert await asyncio.to_thread(self._subscribed.acquire, timeout=DEADLINE)

    def vanish(self) -> None:
        """The socket breaks without a goodbye: the broker publishes the will."""
        self._client.loop_stop()
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture(name="until")
def until_fixture() -> Callable[[Callable[[], bool]], Any]:
    """Wait for a condition, with a generous deadline."""
    return until


@pytest.fixture(params=["5", "3.1.1"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def gateway_of():
    """``gateway_of(url, **settings)``: a gateway's MQTT source with an outlet of its own."""
    made: list[Gateway] = []

    def make(url: str, **given: Any) -> Gateway:
        settings = MqttSettings.model_validate({"kind": "mqtt", "id": "tv", "url": url, **given})
        made.append(Gateway(MqttSource(settings, "n1", SystemTime()), FakeOutlet()))
        return made[-1]

    yield make
    for gateway in made:
        await gateway.disconnect()


@pytest.fixture
async def gateway(mosquitto, protocol, gateway_of):
    return gateway_of(mosquitto.url, protocol=protocol)


@pytest.fixture
def terminal_of(mosquitto) -> Iterator[Callable[..., Terminal]]:
    made: list[Terminal] = []

    def make(name: str = "tv-0001", protocol: str = "5", will: str | None = None) -> Terminal:
        version = MQTTProtocolVersion.MQTTv5 if protocol == "5" else MQTTProtocolVersion.MQTTv311
        made.append(Terminal(mosquitto.port, version, name, will))
        return made[-1]

    yield make
    for terminal in made:
        terminal.leave()


@pytest.fixture
def terminal(terminal_of, protocol) -> Terminal:
    return terminal_of(protocol=protocol)
