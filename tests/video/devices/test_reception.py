"""Where devices call us: the server and its addresses, with an HTTP client in a device's place."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp
import pytest

from gateway.errors import Unreachable
from gateway.video.devices.reception import Door, Reception

Message = MutableMapping[str, Any]
Open = Callable[[Door | None], Reception["Desk"]]


class Desk:
    """An application that says its address."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": self.base_url.encode()})


@pytest.fixture
async def reception() -> AsyncIterator[Open]:
    opened: list[Reception[Desk]] = []

    def make(door: Door | None) -> Reception[Desk]:
        opened.append(Reception(Desk, door))
        return opened[-1]

    yield make
    for each in opened:
        await each.close()


async def posted(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.post(url, data=b"<Notify/>") as answer:
        return answer.status, await answer.text()


async def test_unless_told_devices_call_the_address_that_they_see(reception: Open) -> None:
    desk = await reception(None).desk("127.0.0.1", 80)
    assert desk.base_url.startswith("http://127.0.0.1:")
    assert await posted(desk.base_url) == (200, desk.base_url)


async def test_a_port_is_the_one_that_the_firewall_lets_through(reception: Open, free_port: Callable[[], int]) -> None:
    port = free_port()
    desk = await reception(Door("0.0.0.0", port)).desk("127.0.0.1", 80)
    assert desk.base_url == f"http://127.0.0.1:{port}"
    assert await posted(desk.base_url) == (200, desk.base_url)


async def test_behind_a_port_forwarding_devices_call_another_host(
    reception: Open, free_port: Callable[[], int]
) -> None:
    port = free_port()
    desk = await reception(Door("192.0.2.7", port)).desk("127.0.0.1", 80)
    assert desk.base_url == f"http://192.0.2.7:{port}"
    assert await posted(f"http://127.0.0.1:{port}") == (200, desk.base_url)


async def test_a_port_that_is_taken_is_named(reception: Open) -> None:
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            Unreachable, match=rf"port {port} for devices to call \(discovery.notify\) cannot be opened"
        ):
            await reception(Door("", port)).desk("127.0.0.1", 80)
