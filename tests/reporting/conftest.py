"""Clocks turned by hand, devices, and an upper node's memory without a network."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.canonical import canonical_json
from gateway.model import Camera, CameraHealth, CameraState, Household, Place, Terminal, TerminalState
from gateway.ports import Report
from gateway.reporting.holding import HeldCamera, HeldTerminal
from gateway.reporting.subtree import Subtree

START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


class HandClock:
    """Sleeps until it is turned far enough."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._turned = asyncio.Condition()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def mono(self) -> float:
        return 1000 + self.seconds

    async def sleep(self, seconds: float) -> None:
        until = self.seconds + seconds
        async with self._turned:
            await self._turned.wait_for(lambda: self.seconds >= until)

    async def turn(self, seconds: float) -> None:
        """Second by second, so that what looks every second does so."""
        for _ in range(round(seconds)):
            async with self._turned:
                self.seconds += 1
                self._turned.notify_all()
            for _ in range(20):
                await asyncio.sleep(0)


class Above:
    """Implements ports.Reporting: hands each report to a county's subtree as its exchange would. ``fault``: raised
    instead. Everything passes through canonical JSON, as it does on the wire."""

    def __init__(self, below: Subtree, sender: str, id_: str = "county") -> None:
        self.id = id_
        self.below = below
        self.sender = sender
        self.fault: Exception | None = None
        self.said: list[tuple[str, Mapping[str, Any]]] = []

    async def report(self, report_type: str, data: Mapping[str, Any]) -> None:
        if self.fault is not None:
            raise self.fault
        size = len(canonical_json(dict(data)))
        assert size < 1024 * 1024
        self.said.append((report_type, data))
        self.below.heard(self.sender)
        self.below.take(Report(str(len(self.said)), report_type, data["node"], "0" * 64, size, data), self.sender)

    async def digest(self, since: datetime, until: datetime) -> Any:
        raise NotImplementedError


def camera(id_: str, state: str = "online", area: str = "511724001", **more: Any) -> HeldCamera:
    health = CameraHealth(id_, CameraState(state), START, **more)
    return HeldCamera(Camera(id_, f"东{id_}", place=Place(107.2, 30.7, "十字口", area)), health)


def terminal(id_: str, online: bool | None = True, area: str = "511724001") -> HeldTerminal:
    household = Household("王家", "13800000000", "三组7号")
    return HeldTerminal(Terminal(id_, household, Place(area_code=area)), TerminalState(id_, online, None, START))


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def make_camera():
    return camera


@pytest.fixture
def make_terminal():
    return terminal


@pytest.fixture
def county(clock) -> Subtree:
    return Subtree("county", clock)


@pytest.fixture
def make_above():
    return Above
