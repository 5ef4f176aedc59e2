"""A press turns the domes near it to the household: each to the preset that the terminal names.

It follows the ledger like the desks do, so the press never waits for a dome. What came of it is an entry of the alert.
Nothing is made up for after a restart: a dome that turns minutes later would turn away from what is happening now.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from gateway.alerts.register import Register
from gateway.errors import DeviceError, StoreFailed
from gateway.model import Draft, Entry, Terminal
from gateway.observability import events
from gateway.observability.logs import logger
from gateway.ports import Clock, DeviceService, Ledger, Reader

T = TypeVar("T")

DEADLINE_S = 10.0
_AT_ONCE = 16
_MOST = 256  # turning or waiting to; more than these presses in ten seconds are not turned to
_BATCH = 200
_READ_AGAIN_S = 2.0  # no longer, because somebody waits to be seen
TURNED = "turned"

_log = logger("alerts")


class Domes:
    """Turns them while it ``run``s. Each raised alert once; presses that join it find the dome turned."""

    def __init__(self, node_id: str, ledger: Ledger, register: Register, devices: DeviceService, clock: Clock) -> None:
        self._node = node_id
        self._ledger = ledger
        self._register = register
        self._devices = devices
        self._clock = clock
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._turning: set[asyncio.Task[None]] = set()
        self._presets: tuple[int, bool] | None = None

    async def run(self) -> None:
        position, seen = await self._read(lambda reader: reader.newest_feed()), 0
        try:
            while True:
                seen = await self._ledger.changed("entry", seen)
                position = await self._look(position)
        finally:
            for task in self._turning:
                task.cancel()

    async def _look(self, position: int) -> int:
        """Begin to turn for what was raised after ``position``; the position reached."""
        if not self._any_presets():
            return await self._read(lambda reader: reader.newest_feed())
        while True:
            reached, raised = await self._read(partial(self._raised, after=position))
            for entry, terminal in raised:
                self._begin(entry, terminal)
            if reached == position:
                return position
            position = reached

    async def _read(self, work: Callable[[Reader], T]) -> T:
        while True:
            try:
                return await self._ledger.read(work)
            except StoreFailed as error:
                _log.warning("what was raised could not be read: domes turn later", reason=str(error))
                await self._clock.sleep(_READ_AGAIN_S)

    def _any_presets(self) -> bool:
        """Looked up once for each reload: in a storm it is asked with every commit."""
        replaced = self._register.replaced
        if self._presets is None or self._presets[0] != replaced:
            self._presets = replaced, any(terminal.presets for terminal in self._register.terminals())
        return self._presets[1]

    def _raised(self, reader: Reader, after: int) -> tuple[int, list[tuple[Entry, Terminal]]]:
        batch = reader.feed(after, _BATCH)
        found = [(line.entry, self._presser(line.entry)) for line in batch if line.entry.action == "raised"]
        return (
            batch[-1].position if batch else after,
            [(entry, terminal) for entry, terminal in found if terminal is not None and terminal.presets],
        )

    def _presser(self, entry: Entry) -> Terminal | None:
        """The terminal here whose press raised it; None for others, and for a press that comes late."""
        base = entry.data.get("base", {})
        if entry.node != self._node or base["source"]["type"] != "terminal" or base["detail"].get("late"):
            return None
        return self._register.terminal(base["source"]["id"])

    def _begin(self, entry: Entry, terminal: Terminal) -> None:
        for camera_id, preset in terminal.presets.items():
            if len(self._turning) >= _MOST:
                events.dome_not_turned(camera_id, "too many presses at once")
                continue
            task = asyncio.get_running_loop().create_task(self._turn(entry.alert_id, camera_id, preset))
            self._turning.add(task)
            task.add_done_callback(self._turning.discard)

    async def _turn(self, alert_id: str, camera_id: str, preset: str) -> None:
        fault = await self._fault(camera_id, preset)
        if fault is not None:
            events.dome_not_turned(camera_id, fault)
        data = {"camera": camera_id, "preset": preset, "reason": fault}
        outcome = f"camera {camera_id}, preset {preset}"
        comment = outcome if fault is None else f"{outcome}: it did not turn: {fault}"
        draft = Draft(alert_id, TURNED, "gateway", self._clock.now(), comment, data)
        try:
            await self._ledger.write(lambda tx: tx.append(draft))
        except StoreFailed as error:
            events.dome_not_turned(camera_id, f"what came of it could not be written: {error}")

    async def _fault(self, camera_id: str, preset: str) -> str | None:
        """Turn it, or say why it did not."""
        try:
            async with asyncio.timeout(DEADLINE_S), self._free:
                await self._devices.go_to_preset(camera_id, preset)
        except TimeoutError:
            return f"it did not answer in {DEADLINE_S:.0f} s"
        except DeviceError as error:
            return str(error)
        return None
