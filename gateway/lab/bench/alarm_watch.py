"""What is watched while a bench presses: an operator's screen at the county, the pre-alarm pictures there, and the disk."""

import asyncio
import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

from gateway.errors import RunningError
from gateway.lab.api import Api

_FSYNC_EVERY = 0.05
_BEFORE_MS = -5000  # the snapshot from before the alarm that is timed


class Screen:
    """What an operator's browser hears: the first moment each press shows in the county's stream of events, and when the
    picture from before the alarm of each press that raised one can be had (``pictures``)."""

    def __init__(self, county: Api) -> None:
        self._county = county
        self._connected = asyncio.Event()
        self._fetching: set[asyncio.Task[None]] = set()
        self._wanted: set[str] = set()
        self.seen: dict[str, float] = {}
        self.pictures: dict[str, float] = {}

    async def listening(self) -> None:
        async with asyncio.timeout(60):
            await self._connected.wait()

    async def watch(self) -> None:
        """Read the stream for ever. HTTP/1.0, so that the answer comes without chunks between the lines."""
        reader, writer = await asyncio.open_connection(self._county.host, self._county.port, limit=1 << 20)
        try:
            head = f"GET /api/v1/stream HTTP/1.0\r\nCookie: {self._county.cookie}\r\nAccept: text/event-stream\r\n\r\n"
            writer.write(head.encode())
            async for line in reader:
                self._connected.set()
                if line.startswith(b"data:") and b"press_ids" in line:
                    self._note(json.loads(line[5:]))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _note(self, alert: dict[str, Any]) -> None:
        now = time.monotonic()
        press_ids = alert.get("detail", {}).get("press_ids", [])
        for press_id in press_ids:
            self.seen.setdefault(press_id, now)
        url = next(
            (
                shot["url"]
                for camera in alert.get("cameras", [])
                for shot in camera["snapshots"]
                if shot["wanted_ms"] == _BEFORE_MS and shot["state"] == "ready"
            ),
            None,
        )
        if press_ids and url is not None and press_ids[0] not in self._wanted:
            self._wanted.add(press_ids[0])
            task = asyncio.get_running_loop().create_task(self._fetch(press_ids[0], url))
            self._fetching.add(task)
            task.add_done_callback(self._fetching.discard)

    async def _fetch(self, press_id: str, url: str) -> None:
        """The picture is there once its bytes are: that an entry names it is not enough."""
        with contextlib.suppress(RunningError):
            await self._county.content(url)
            self.pictures[press_id] = time.monotonic()


class Disk:
    """The disk's own time for what every receipt needs: append 1 KiB and fdatasync, in the same file system."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seconds: list[float] = []

    async def probe(self) -> None:
        descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        try:
            while True:
                self.seconds.append(await asyncio.to_thread(_append_and_sync, descriptor))
                await asyncio.sleep(_FSYNC_EVERY)
        finally:
            os.close(descriptor)


def _append_and_sync(descriptor: int) -> float:
    began = time.monotonic()
    os.write(descriptor, bytes(1024))
    os.fdatasync(descriptor)
    return time.monotonic() - began
