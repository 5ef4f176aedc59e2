"""What workers' cameras noticed reaches the core: whole, again where it has to, and past what our own code fails at."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from gateway.errors import StoreFailed
from gateway.model import DeviceRemark, DeviceSignal, Kind
from gateway.video.workers.client import Heard
from gateway.video.workers.hearing import MOST_TRIES, Hearing

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Done(Exception):
    """The worker has nothing more to tell."""


class QuickClock:
    """Sleeps take no time."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return NOW

    def mono(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


@dataclass
class Worker:
    """Tells two at a time."""

    names: tuple[str, ...]
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def signals(self, run: str, after: int, wait_s: float) -> Heard:
        self.asked.append((run, after))
        if after >= len(self.names):
            raise Done
        told = self.names[after : after + 2]
        remarks = tuple(
            DeviceRemark(name, "c1", NOW, "its clock was set") for name in told if name.startswith("remark")
        )
        signals = tuple(
            DeviceSignal(name, "c1", Kind.TAMPER, NOW, 0.0) for name in told if not name.startswith("remark")
        )
        return Heard("r", after + len(told), signals, remarks)


@dataclass
class Core:
    """``poison``: what its code fails at, ``for_times``; ``full``: how often its disk is."""

    poison: set[str] = field(default_factory=set)
    for_times: float = float("inf")
    full: int = 0
    stored: dict[str, int] = field(default_factory=dict)

    async def hear(self, heard: Heard) -> None:
        if self.full:
            self.full -= 1
            raise StoreFailed("the disk is full")
        names = [one.id for one in (*heard.signals, *heard.remarks)]
        if self.poison.intersection(names) and self.for_times > 0:
            self.for_times -= 1
            raise KeyError("a fault of ours")
        for name in names:
            self.stored[name] = self.stored.get(name, 0) + 1


async def told(core: Core, names: Iterable[str]) -> tuple[Worker, QuickClock]:
    worker, clock = Worker(tuple(names)), QuickClock()
    with pytest.raises(Done):
        await Hearing("w1", core.hear, clock).run(worker)
    return worker, clock


async def test_all_is_acknowledged_once_it_is_on_disk() -> None:
    core = Core()
    worker, _ = await told(core, ("a", "b", "remark-c"))
    assert core.stored == {"a": 1, "b": 1, "remark-c": 1}
    assert worker.asked == [("", 0), ("r", 2), ("r", 3)]


async def test_what_could_not_be_stored_is_asked_for_again() -> None:
    core = Core(full=3)
    worker, clock = await told(core, ("a", "b", "c"))
    assert core.stored == {"a": 1, "b": 1, "c": 1}
    assert worker.asked[:4] == [("", 0)] * 4 and len(clock.slept) == 3


async def test_a_fault_of_ours_that_passes_costs_nothing() -> None:
    core = Core(poison={"b"}, for_times=3)
    await told(core, ("a", "b", "c"))
    assert set(core.stored) == {"a", "b", "c"}


@pytest.mark.parametrize("poison", ["a", "b", "remark-c", "d"])
async def test_one_that_our_code_fails_at_holds_up_no_other_for_ever(poison: str) -> None:
    core = Core(poison={poison})
    _, clock = await told(core, ("a", "b", "remark-c", "d", "e"))
    assert set(core.stored) == {"a", "b", "remark-c", "d", "e"} - {poison}
    assert len(clock.slept) == MOST_TRIES


async def test_a_full_disk_while_one_by_one_acknowledges_nothing() -> None:
    class Filling(Core):
        async def hear(self, heard: Heard) -> None:
            if len(heard.signals) == 1 and not self.stored:
                self.stored["full"] = 1
                raise StoreFailed("the disk is full")
            await super().hear(heard)

    core = Filling(poison={"b"}, for_times=2)
    worker, _ = await told(core, ("a", "b"))
    assert {"a", "b"} <= set(core.stored)
    assert worker.asked == [("", 0), ("", 0), ("r", 2)]
