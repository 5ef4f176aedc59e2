"""Ports of a range, for sockets that may have any."""

import asyncio
import errno
import socket
from collections.abc import Callable

import pytest

from gateway.video.live.loop import loop_factory


def run(ports: tuple[int, int] | None, work: Callable[[], object]) -> object:
    with asyncio.Runner(loop_factory=loop_factory(ports)) as runner:
        return runner.run(work())  # type: ignore[arg-type]


async def opened(count: int, host: str = "127.0.0.1") -> list[int]:
    loop, transports = asyncio.get_running_loop(), []
    try:
        for _ in range(count):
            transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=(host, 0))
            transports.append(transport)
        return [transport.get_extra_info("sockname")[1] for transport in transports]
    finally:
        for transport in transports:
            transport.close()
        await asyncio.sleep(0)


@pytest.fixture
def first(free_port: Callable[[], int]) -> int:
    """Of two free ports, which no socket that may have any is given meanwhile."""
    while True:
        port = free_port()
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
        ):
            try:
                one.bind(("127.0.0.1", port))
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
        return port


def test_each_socket_has_a_port_of_the_range(first: int) -> None:
    assert run((first, first + 1), lambda: opened(2)) == [first, first + 1]


def test_a_range_that_is_used_up_is_said(first: int) -> None:
    with pytest.raises(OSError, match="no free UDP port") as error:
        run((first, first + 1), lambda: opened(3))
    assert error.value.errno == errno.EADDRINUSE


def test_without_a_range_any_port_will_do() -> None:
    ports = run(None, lambda: opened(2))
    assert isinstance(ports, list)
    assert len(set(ports)) == 2
