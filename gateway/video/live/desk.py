"""The live process as the core sees it: started with the first view, asked over its Unix socket, ended with the node."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from gateway.config.sections.console import LiveSettings
from gateway.errors import DeviceError, NotSpoken, Unreachable
from gateway.model import FeedSource, LiveSession, OwnFeed
from gateway.observability import metrics
from gateway.observability.logs import logger
from gateway.video.decoder.decoder import child_environment
from gateway.video.workers.process import listening_pid
from gateway.video.workers.run_dir import private_directory

LIVE = (sys.executable, "-P", "-m", "gateway.video.live.process")
START_S = 20.0
"""Loading aiortc takes a second or two; a small box that does much else takes its time."""
OPEN_S = 20.0
"""A main stream may have to be dialled first, and waited for until its next keyframe."""
ANSWER_S = 5.0
COUNT_S = 5.0
IDLE_S = 600.0
"""Without a view for so long the process is ended: it holds 60 MB that a village's box has other uses for."""
STOP_S = 3.0


class LiveDesk:
    """A gateway.ports.LiveService. ``sockets``: where the video workers listen, the one of that camera first. The process is
    started by whoever looks first, and again after a death by whoever looks next; its end ends every view. ``command`` is
    for tests."""

    def __init__(
        self,
        data_dir: Path,
        settings: LiveSettings,
        sockets: Callable[[str], Sequence[Path]],
        *,
        command: Sequence[str] = LIVE,
    ) -> None:
        self._data_dir = data_dir
        self._settings = settings
        self._sockets = sockets
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._http: aiohttp.ClientSession | None = None
        self._counting: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._stopped = False
        self._warmed = -IDLE_S

    @property
    def pid(self) -> int | None:
        """Of the live process, while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    async def warm(self) -> None:
        """Start the process before somebody looks, and keep it: its start is most of what a first view would wait for."""
        self._warmed = time.monotonic()
        with contextlib.suppress(DeviceError):
            await self._ready()

    # -------------------------------------------------------------------------------------- LiveService

    async def open(self, source: FeedSource, offer: str, *, viewer: str) -> LiveSession:
        wanted = {"source": self._source(source), "sdp": offer, "viewer": viewer}
        http = await self._ready()
        status, answer = await self._ask(http, "POST", "/sessions", OPEN_S, wanted)
        if status == 201:
            return LiveSession(**answer)
        detail = str(answer.get("detail", f"the live process answered {status}"))
        raise NotSpoken(detail) if status == 406 else Unreachable(detail)

    async def trickle(self, session_id: str, fragment: str) -> bool:
        return await self._told("PATCH", _session(session_id), {"fragment": fragment})

    async def close(self, session_id: str) -> bool:
        return await self._told("DELETE", _session(session_id))

    async def end_of(self, viewer: str) -> None:
        await self._told("DELETE", f"/sessions?viewer={quote(viewer, safe='')}")

    async def feed(self, feed_id: str, units: AsyncIterator[bytes]) -> None:
        """Raises DeviceError where the live process cannot be had, or dies meanwhile."""
        http = await self._ready()
        try:
            timeout = aiohttp.ClientTimeout(total=None)
            async with http.put(f"/feeds/{quote(feed_id, safe='')}", data=units, timeout=timeout) as answer:
                await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"the live process broke off: {error or type(error).__name__}") from None

    async def figures(self) -> dict[str, Any]:
        """What the process says of itself; nothing while it does not run."""
        if self.pid is None or self._http is None:
            return {}
        try:
            return (await self._ask(self._http, "GET", "/figures", ANSWER_S))[1]
        except DeviceError:
            return {}

    async def stop(self) -> None:
        """End the process within about 5 s, and every view with it."""
        self._stopped = True
        async with self._starting:
            await self._end()

    # -------------------------------------------------------------------------------------- the process

    def _source(self, source: FeedSource) -> dict[str, Any]:
        if isinstance(source, OwnFeed):
            sockets = [os.fspath(path) for path in self._sockets(source.camera_id)]
            return {"camera": source.camera_id, "stream": source.stream, "sockets": sockets}
        return {"feed": source.id}

    async def _ready(self) -> aiohttp.ClientSession:
        """Its client, the process started where it does not run. Raises Unreachable."""
        async with self._starting:
            if self._stopped:
                raise Unreachable("this node is stopping")
            if self.pid is None or self._http is None:
                await self._end()
                try:
                    await self._start()
                except BaseException:
                    await self._end()
                    raise
            assert self._http is not None
            return self._http

    async def _start(self) -> None:
        path = private_directory(self._data_dir) / "live.sock"
        if listening_pid(path) is not None:
            # Of a core that was killed: it ends by itself within seconds, for its standard input has ended.
            await _gone(path)
        process = self._process = self._spawn(path)
        logger("video").info("the live process has been started", pid=process.pid)
        self._http = aiohttp.ClientSession(
            "http://live", connector=aiohttp.UnixConnector(path=os.fspath(path), limit=0)
        )
        await self._answered(process, self._http)
        self._counting = asyncio.create_task(self._count(process), name="figures of the live process")

    def _spawn(self, path: Path) -> "subprocess.Popen[bytes]":
        kept = {name: os.environ[name] for name in ("GATEWAY_LOG_LEVEL",) if name in os.environ}
        return subprocess.Popen(  # noqa: S603 - our own program
            [*self._command, "--socket", os.fspath(path), "--settings", json.dumps(_json(self._settings))],
            stdin=subprocess.PIPE,  # its end tells the process that we are gone
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            env=child_environment() | kept,
        )

    async def _answered(self, process: "subprocess.Popen[bytes]", http: aiohttp.ClientSession) -> None:
        deadline = time.monotonic() + START_S
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if (await self._ask(http, "GET", "/alive", ANSWER_S))[0] == 200:
                    return
            except DeviceError:
                await asyncio.sleep(0.05)
        raise Unreachable("live views cannot be shown: their process did not start; the node's log says why")

    async def _end(self) -> None:
        process, self._process = self._process, None
        http, self._http = self._http, None
        counting, self._counting = self._counting, None
        if counting is not None and counting is not asyncio.current_task():
            counting.cancel()
        if http is not None:
            await http.close()
        if process is not None:
            await _ended(process)
        metrics.live_sessions.labels("webrtc").set(0)

    async def _count(self, process: "subprocess.Popen[bytes]") -> None:
        """Every few seconds its figures, until it ends or has had nothing to do for long."""
        idle = 0.0
        while process.poll() is None:
            figures = await self.figures()
            sessions = int(figures.get("sessions", 0))
            metrics.live_sessions.labels("webrtc").set(sessions)
            for seconds in figures.get("first_frames", ()):
                metrics.live_first_frame.observe(seconds)
            idle = 0.0 if sessions or figures.get("feeds") else idle + COUNT_S
            if min(idle, time.monotonic() - self._warmed) >= IDLE_S and not self._starting.locked():
                async with self._starting:
                    await self._end()
                return
            await asyncio.sleep(COUNT_S)
        metrics.live_sessions.labels("webrtc").set(0)
        logger("video").error("the live process died; the next view starts another", code=process.returncode)

    async def _told(self, method: str, path: str, content: object = None) -> bool:
        """Whether what is named was still there; it is not where the process is not."""
        if self.pid is None or self._http is None:
            return False
        try:
            status, _ = await self._ask(self._http, method, path, ANSWER_S, content)
        except DeviceError:
            return False
        return status < 300

    async def _ask(
        self, http: aiohttp.ClientSession, method: str, path: str, within_s: float, content: object = None
    ) -> tuple[int, dict[str, Any]]:
        """Raises Unreachable."""
        timeout = aiohttp.ClientTimeout(total=within_s)
        try:
            async with http.request(method, path, json=content, timeout=timeout) as answer:
                body = await answer.read()
                if answer.status == 500:
                    raise Unreachable("a fault in the gateway's own code, in the live process; please report it")
                return answer.status, json.loads(body) if body else {}
        except TimeoutError:
            raise Unreachable(f"the live process did not answer within {within_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(f"the live process does not answer: {error or type(error).__name__}") from None


def _json(settings: LiveSettings) -> dict[str, Any]:
    return {"ports": settings.ports, "addresses": list(settings.addresses), "most": settings.most}


def _session(session_id: str) -> str:
    return f"/sessions/{quote(session_id, safe='')}"


async def _ended(process: "subprocess.Popen[bytes]") -> None:
    """Its standard input ends, then it is told, then it is killed."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        await asyncio.to_thread(process.wait, STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        await asyncio.to_thread(process.wait)


async def _gone(path: Path) -> None:
    deadline = time.monotonic() + 2 * STOP_S
    while (pid := listening_pid(path)) is not None:
        if time.monotonic() > deadline:
            raise DeviceError(f"another live process (pid {pid}) listens on {path}")
        await asyncio.sleep(0.05)
