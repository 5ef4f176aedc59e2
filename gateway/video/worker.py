"""A video worker: ``python -m gateway.video.worker --socket PATH``.

Owns cameras, keeps their keyframes, makes pictures. It outlives its core, so that a core that crashed finds the ring
full, and ends by itself when none has spoken to it for a while. Cameras and their passwords come over the socket only.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn
import uvloop

from adapters.rtsp import ReceiveBuffer, RtspSource
from gateway.errors import DeviceError, RunningError
from gateway.observability.logs import configure, logger
from gateway.ports import Clock
from gateway.supervision.clock import SystemClock
from gateway.video.api import WorkerApi
from gateway.video.camera import Connect
from gateway.video.decoder import Decoder
from gateway.video.fleet import Fleet
from gateway.video.pictures import PictureDesk
from gateway.video.ring import BUDGET_BYTES, MAX_AGE_S, KeyframeRing
from gateway.video.run_dir import make_private
from gateway.video.wire import CameraOrder

ORPHAN_S = 600.0
"""A core that is being updated comes back within minutes; one that was removed never does."""


class Worker:
    """Everything of a worker process, put together. ``run`` serves until stopped, orphaned or cancelled."""

    def __init__(
        self,
        listener: socket.socket,
        connect: Connect,
        *,
        clock: Clock,
        ring: KeyframeRing,
        orphan_after_s: float = ORPHAN_S,
    ) -> None:
        self._listener = listener
        self._clock = clock
        self._orphan_after = orphan_after_s
        self._heard_at = clock.mono()
        self._fleet = Fleet(connect, ring, clock)
        self._decoder = Decoder()
        self._desk = PictureDesk(self._decoder)
        api = WorkerApi(self._fleet, self._desk, self._decoder, self.stop, self._heard)
        self._server = _Server(
            uvicorn.Config(
                api.app(),
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=2,
            )
        )

    def stop(self) -> None:
        self._server.should_exit = True
        self._fleet.changes.release()

    async def run(self) -> None:
        chores = [asyncio.create_task(chore()) for chore in (self._warm, self._fleet.watch, self._notice_orphanhood)]
        for chore in chores:
            chore.add_done_callback(self._chore_ended)
        try:
            await self._server.serve(sockets=[self._listener])
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            await asyncio.gather(self._fleet.close(), self._desk.close())
            await self._decoder.close()

    def _heard(self) -> None:
        self._heard_at = self._clock.mono()

    def _chore_ended(self, chore: asyncio.Task[None]) -> None:
        """A worker that no longer notices silence calls dead cameras online: better none, and the core starts another."""
        fault = None if chore.cancelled() else chore.exception()
        if fault is not None:
            logger("video").critical("a fault in the video worker's own code; ending", exc_info=fault)
            self.stop()

    async def _warm(self) -> None:
        try:
            await self._decoder.warm()
        except DeviceError as fault:
            logger("video").error("no pictures can be made", reason=str(fault))

    async def _notice_orphanhood(self) -> None:
        while (silence := self._clock.mono() - self._heard_at) < self._orphan_after:
            await self._clock.sleep(max(0.1, self._orphan_after - silence))
        logger("video").warning("no core has spoken to this worker for long; ending", seconds=round(silence))
        self.stop()


class _Server(uvicorn.Server):
    """Signals are the worker's business: uvicorn would raise them again before the cameras have been told goodbye."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(path: Path) -> socket.socket:
    """Listen on a Unix socket, 0600 in a private directory. Raises RunningError, also when a worker is there already."""
    make_private(path.parent)
    if _answers(path):
        raise RunningError(f"another video worker listens on {path}")
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.fspath(path))
        path.chmod(0o600)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise RunningError(f"cannot listen on {path}: {error.strerror or error}") from None
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
        return True


async def _serve(arguments: argparse.Namespace, listener: socket.socket, connect: Connect) -> None:
    worker = Worker(
        listener,
        connect,
        clock=SystemClock(),
        ring=KeyframeRing(arguments.ring_mib * 1024 * 1024, arguments.ring_seconds),
        orphan_after_s=arguments.orphan_after,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    await worker.run()


def rtsp() -> Connect:
    """Connections that share one receive buffer: what it holds is used up before the loop goes on."""
    buffer = ReceiveBuffer()

    def connect(order: CameraOrder) -> RtspSource:
        assert order.url is not None
        return RtspSource(order.id, order.url, order.credential, buffer=buffer)

    return connect


_NICE = 2  # an alarm in the core goes before a picture; the decoder child is five below that


def main(connect: Connect | None = None) -> int:
    """Run a worker until it is stopped; the exit code. ``connect`` is for tests."""
    parser = argparse.ArgumentParser(
        prog="python -m gateway.video.worker", description="A video worker of the gateway."
    )
    parser.add_argument("--socket", type=Path, required=True, metavar="PATH", help="where to listen (a Unix socket)")
    parser.add_argument(
        "--orphan-after", type=float, default=ORPHAN_S, metavar="S", help="end after S s without a core"
    )
    parser.add_argument("--ring-mib", type=int, default=BUDGET_BYTES // 1024 // 1024, metavar="N", help="ring budget")
    parser.add_argument("--ring-seconds", type=float, default=MAX_AGE_S, metavar="S", help="age limit of the ring")
    arguments = parser.parse_args()
    os.umask(0o077)
    os.nice(_NICE)
    configure(os.environ.get("GATEWAY_LOG_LEVEL", "INFO"))
    try:
        listener = listen(arguments.socket)
    except RunningError as fault:
        logger("video").error("the video worker could not start", reason=str(fault))
        return 1
    inode = arguments.socket.stat().st_ino
    try:
        uvloop.run(_serve(arguments, listener, connect or rtsp()))
    finally:
        with contextlib.suppress(OSError):
            if arguments.socket.stat().st_ino == inode:
                arguments.socket.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
