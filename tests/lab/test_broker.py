"""The demo's broker where many devices come at once."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.lab.brokers import start_embedded
from gateway.lab.children import Child
from gateway.lab.mqtt_link import Link, Login

AT_ONCE, ROUNDS = 10, 6
SUBACK = b"\x90\x03\x00\x07\x01"


@pytest.fixture
async def login(tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[Login]:
    login, broker = Login("127.0.0.1", free_port(), "u", "p"), Child("the broker", tmp_path / "broker.log")
    try:
        await start_embedded(broker, login)
        yield login
    finally:
        await broker.stop(10)


def field(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def packet(first: int, body: bytes) -> bytes:
    return bytes([first, len(body)]) + body


def connect(name: str) -> bytes:
    return packet(0x10, field("MQTT") + b"\x04\xc2\x00\x1e" + field(name) + field("u") + field("p"))


def subscribe(topic: str) -> bytes:
    return packet(0x82, b"\x00\x07" + field(topic) + b"\x01")


class Device:
    """MQTT 3.1.1 by hand: several of them are heard by the broker in one turn of its loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.heard = reader, writer, b""

    async def hears(self, answer: bytes) -> None:
        async with asyncio.timeout(60):
            while answer not in self.heard:
                more = await self.reader.read(4096)
                assert more, f"the broker let go; it had said {self.heard!r}"
                self.heard += more


async def several(login: Login) -> list[Device]:
    return [Device(*await asyncio.open_connection(login.host, login.port)) for _ in range(AT_ONCE)]


async def test_a_subscription_is_answered_whoever_else_subscribes_just_then(login: Login) -> None:
    gateway = Link(login, "gateway", lambda _: None)
    await gateway.connect()
    await gateway.subscribe("village/+/status")
    for number in range(AT_ONCE):
        await gateway.publish_and_wait(f"village/{number}/status", "online", retain=True, within=60)
    devices: list[Device] = []
    for turn in range(ROUNDS):
        older, newer = await several(login), await several(login)
        devices += older + newer
        for number, device in enumerate(older):
            device.writer.write(connect(f"older-{turn}-{number}"))
            await device.hears(b"\x20\x02\x00\x00")
        for number, (one, other) in enumerate(zip(older, newer, strict=True)):
            other.writer.write(connect(f"newer-{turn}-{number}"))
            one.writer.write(subscribe(f"older/{turn}/{number}"))
        for number, device in enumerate(newer):
            await device.hears(b"\x20\x02\x00\x00")
            device.writer.write(subscribe(f"newer/{turn}/{number}"))
        for device in older + newer:
            await device.hears(SUBACK)
    gateway.close()
    for device in devices:
        device.writer.close()
        await device.writer.wait_closed()
