import asyncio
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import RunningError
from gateway.lab.bench.procfs import Cost, cost_of, family
from gateway.lab.children import Child, command, end_leftovers, first_of, port_is_free, stop_all
from gateway.lab.children import free_port as unused_port

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


async def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    child = Child("stubborn", tmp_path / "log")
    await child.start("-c", STUBBORN, pipes=True)
    assert await anext(child.lines()) == "up"
    assert await child.stop(0.2) is False
    assert not child.running


async def test_all_are_ended_together(tmp_path: Path) -> None:
    children = [Child(str(number), tmp_path / str(number)) for number in range(3)]
    for child in children:
        await child.start("-c", "import time; time.sleep(600)")
    await stop_all([*children, Child("never started", tmp_path / "none")], 20)
    assert not any(child.running for child in children)


async def test_guard_tells_the_last_words(tmp_path: Path) -> None:
    child = Child("the thing", tmp_path / "log")
    await child.start("-c", "raise SystemExit('no disk')")
    with pytest.raises(RunningError, match="the thing ended unexpectedly; the log ends with:\nno disk"):
        await asyncio.wait_for(child.guard(), 60)


async def test_leftovers_are_known_by_their_private_directory(tmp_path: Path) -> None:
    private = tmp_path / "gateway-demo-x1y2"
    mine, other = Child("mine", tmp_path / "a"), Child("other", tmp_path / "b")
    await mine.start("-c", "import time; time.sleep(600)", str(private / "run" / "worker.sock"))
    await other.start("-c", "import time; time.sleep(600)", str(tmp_path / "gateway-demo-other"))
    try:
        assert end_leftovers(private) == 1
        with pytest.raises(RunningError):
            await asyncio.wait_for(mine.guard(), 60)
        assert other.running
    finally:
        await stop_all([mine, other], 20)


async def test_first_of_ends_the_rest() -> None:
    ended: list[str] = []

    async def long() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            ended.append("long")

    async def failing() -> None:
        await asyncio.sleep(0)
        raise RunningError("it broke")

    with pytest.raises(RunningError, match="it broke"):
        await first_of(long(), failing())
    assert ended == ["long"]


async def test_a_failing_command_is_told_in_its_own_words() -> None:
    with pytest.raises(RunningError, match=r"gateway token list failed: .*nowhere.yaml"):
        await command("token", "list", "-c", "/nowhere.yaml")


async def test_the_cost_of_a_process_includes_its_children(tmp_path: Path) -> None:
    parent = Child("parent", tmp_path / "log")
    busy = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nprint('done', flush=True)\ntime.sleep(600)"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    await parent.start("-c", script, pipes=True)
    try:
        assert await anext(parent.lines()) == "done"
        assert len(family(parent.pid)) == 2
        cost = cost_of(parent.pid)
        assert cost.cpu_s >= 0.25
        assert cost.memory > 4 << 20
    finally:
        for pid in family(parent.pid)[1:]:
            os.kill(pid, signal.SIGKILL)
        await parent.stop(20)


def test_a_dead_process_costs_nothing() -> None:
    assert cost_of(2**22 + 1) == Cost(0.0, 0)


def test_a_listening_port_is_not_free(free_port: Callable[[], int]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert not port_is_free(taken.getsockname()[1])
    assert port_is_free(free_port())


def test_a_free_port_is_given_to_nobody_by_chance() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    found = unused_port()
    assert 1024 < found < max(lowest, 32_000)
    assert port_is_free(found)
