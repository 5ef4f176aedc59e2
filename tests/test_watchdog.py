"""What systemd is told, on real datagram sockets."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.watchdog import Notifier, Watchdog


class Manager:
    """systemd's end of the socket."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{path[1:]}" if path.startswith("@") else path)
        self._socket.setblocking(False)
        self._behind: list[str] = []

    def heard(self) -> list[str]:
        """All that has come since the last look."""
        messages, self._behind = self._behind, []
        with contextlib.suppress(BlockingIOError):
            while True:
                messages.append(self._socket.recv(4096).decode())
        return messages

    async def hears(self, said: str) -> str:
        """What came behind it is kept."""
        async with asyncio.timeout(20):
            while True:
                messages = self.heard()
                for place, message in enumerate(messages):
                    if said in message.splitlines():
                        self._behind = messages[place + 1 :]
                        return message
                await asyncio.sleep(0.01)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.close()


@contextlib.asynccontextmanager
async def running(work: asyncio.Task[None]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def well() -> bool:
    return True


async def test_ready_is_told_once_the_node_is_up_and_then_life_again_and_again(
    manager: Manager, tmp_path: Path
) -> None:
    dog = Watchdog(Notifier(str(tmp_path / "notify")), 0.3)
    up, stop = asyncio.Event(), asyncio.Event()
    work = asyncio.create_task(dog.run(well, up, stop))
    async with running(work):
        await asyncio.sleep(0.3)
        assert manager.heard() == []
        up.set()
        assert "STATUS=The node runs." in await manager.hears("READY=1")
        for _ in range(3):
            await manager.hears("WATCHDOG=1")
        stop.set()
        await manager.hears("STOPPING=1")
        await work


async def test_a_writer_that_hangs_is_no_life_until_it_answers_again(manager: Manager, tmp_path: Path) -> None:
    answers = asyncio.Event()

    async def writer() -> bool:
        await answers.wait()
        return True

    dog = Watchdog(Notifier(str(tmp_path / "notify")), 0.3)
    up, stop = asyncio.Event(), asyncio.Event()
    up.set()
    async with running(asyncio.create_task(dog.run(writer, up, stop))):
        await manager.hears("READY=1")
        await asyncio.sleep(0.6)
        assert manager.heard() == []
        answers.set()
        await manager.hears("WATCHDOG=1")


async def test_a_ledger_that_has_to_be_opened_anew_is_no_life(manager: Manager, tmp_path: Path) -> None:
    asked = 0

    async def latched() -> bool:
        nonlocal asked
        asked += 1
        return False

    dog = Watchdog(Notifier(str(tmp_path / "notify")), 0.15)
    up, stop = asyncio.Event(), asyncio.Event()
    up.set()
    async with running(asyncio.create_task(dog.run(latched, up, stop))):
        async with asyncio.timeout(20):
            while asked < 3:
                await asyncio.sleep(0.01)
        assert [message.splitlines()[0] for message in manager.heard()] == ["READY=1"]


async def test_without_an_interval_the_ledger_is_not_asked(manager: Manager, tmp_path: Path) -> None:
    async def never() -> bool:
        raise AssertionError

    dog = Watchdog(Notifier(str(tmp_path / "notify")), None)
    up, stop = asyncio.Event(), asyncio.Event()
    up.set()
    work = asyncio.create_task(dog.run(never, up, stop))
    async with running(work):
        await manager.hears("READY=1")
        stop.set()
        await manager.hears("STOPPING=1")
        await work


async def test_a_long_start_asks_for_more_time(manager: Manager, tmp_path: Path) -> None:
    dog = Watchdog(Notifier(str(tmp_path / "notify")), None)
    work: asyncio.Task[None] = asyncio.create_task(dog.starting())
    async with running(work):
        assert "STATUS=The node starts." in await manager.hears("EXTEND_TIMEOUT_USEC=60000000")


async def test_a_reload_has_a_beginning_and_an_end(manager: Manager, tmp_path: Path) -> None:
    dog = Watchdog(Notifier(str(tmp_path / "notify")), None)
    dog.reloading()
    dog.reloaded()
    first, second = manager.heard()
    assert first.splitlines()[0] == "RELOADING=1"
    assert first.splitlines()[1].startswith("MONOTONIC_USEC=")
    assert second.splitlines()[0] == "READY=1"


def test_an_abstract_address_is_spoken_to(tmp_path: Path) -> None:
    name = f"@gateway-test-{os.getpid()}-{tmp_path.name}"
    manager = Manager(name)
    notifier = Notifier(name)
    assert notifier.tell("READY=1")
    assert manager.heard() == ["READY=1"]
    manager.close()
    assert not notifier.tell("READY=1")


@pytest.mark.parametrize("address", [None, "", "vsock:2:1234", "/there/is/nobody"])
def test_without_anybody_who_listens_nothing_is_said(address: str | None) -> None:
    assert not Notifier(address).tell("READY=1")


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"WATCHDOG_USEC": "600000"}, True),
        ({"WATCHDOG_USEC": "600000", "WATCHDOG_PID": str(os.getpid())}, True),
        ({"WATCHDOG_USEC": "600000", "WATCHDOG_PID": "1"}, False),
        ({"WATCHDOG_USEC": "0"}, False),
        ({"WATCHDOG_USEC": "soon"}, False),
    ],
)
async def test_life_is_told_where_it_is_meant_for_this_process(
    environment: dict[str, str], wanted: bool, manager: Manager, tmp_path: Path
) -> None:
    dog = Watchdog.of({**environment, "NOTIFY_SOCKET": str(tmp_path / "notify")})
    up, stop = asyncio.Event(), asyncio.Event()
    up.set()
    async with running(asyncio.create_task(dog.run(well, up, stop))):
        await manager.hears("READY=1")
        await asyncio.sleep(0.4)
        assert any("WATCHDOG=1" in message for message in manager.heard()) is wanted
