"""The live process: ``python -m gateway.video.live.process --socket PATH``.

Sends cameras' video to browsers (WebRTC), undecoded. Its core starts it with the first view and holds its standard input:
when that ends, the core is gone, and so is everybody's right to look.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from gateway.errors import RunningError
from gateway.observability.logs import configure, logger
from gateway.open_files import raise_limit
from gateway.video.live.api import LiveApi
from gateway.video.live.loop import loop_factory
from gateway.video.live.sessions import Sessions
from gateway.video.workers.run_dir import make_private

_NICE = 1  # an alarm in the core goes before a live view, and that before a picture in a worker


@dataclass(frozen=True, slots=True)
class Reach:
    """``LiveSettings`` as the core has read them: loading the configuration's room would double the time of the start."""

    ports: tuple[int, int] | None = None
    addresses: tuple[str, ...] = ()
    most: int = 64

    @classmethod
    def of(cls, text: str) -> "Reach":
        given = json.loads(text)
        ports = given.get("ports")
        return cls(
            None if ports is None else (int(ports[0]), int(ports[1])),
            tuple(given.get("addresses", ())),
            int(given.get("most", 64)),
        )


class LiveProcess:
    """Everything of the process, put together. ``run`` serves until stopped or cancelled."""

    def __init__(self, listener: socket.socket, reach: Reach) -> None:
        self._listener = listener
        self._sessions = Sessions(reach.most, reach.addresses)
        api = LiveApi(self._sessions, self.stop)
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
                timeout_graceful_shutdown=1,
            )
        )

    def stop(self) -> None:
        self._server.should_exit = True

    async def run(self) -> None:
        watching = asyncio.create_task(self._sessions.watch(), name="watch over live views")
        watching.add_done_callback(self._watch_ended)
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._told)
        try:
            await self._server.serve(sockets=[self._listener])
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await self._sessions.close()

    def _told(self) -> None:
        """Nothing is ever said on the standard input; it ends."""
        if not os.read(sys.stdin.fileno(), 1024):
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self.stop()

    def _watch_ended(self, watching: asyncio.Task[None]) -> None:
        fault = None if watching.cancelled() else watching.exception()
        if fault is not None:
            logger("video").critical("a fault in the live process's own code; ending", exc_info=fault)
            self.stop()


class _Server(uvicorn.Server):
    """Signals are the process's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(path: Path) -> socket.socket:
    """Listen on a Unix socket, 0600 in a private directory; one that a killed process left is taken over. Raises
    RunningError. The core sees to it that nobody listens there."""
    make_private(path.parent)
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


async def _serve(listener: socket.socket, reach: Reach) -> None:
    process = LiveProcess(listener, reach)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.stop)
    await process.run()


def main() -> int:
    """Run until stopped; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m gateway.video.live.process", description="The gateway's live views."
    )
    parser.add_argument("--socket", type=Path, required=True, metavar="PATH", help="where to listen (a Unix socket)")
    parser.add_argument("--settings", default="{}", metavar="JSON", help="the section live of the configuration")
    arguments = parser.parse_args()
    reach = Reach.of(arguments.settings)
    os.umask(0o077)
    os.nice(_NICE)
    raise_limit()
    configure(os.environ.get("GATEWAY_LOG_LEVEL", "INFO"))
    for talkative in ("aioice", "aiortc"):
        logging.getLogger(talkative).setLevel(logging.WARNING)  # each candidate pair of each view, else
    try:
        listener = listen(arguments.socket)
    except RunningError as fault:
        logger("video").error("the live process could not start", reason=str(fault))
        return 1
    inode = arguments.socket.stat().st_ino
    try:
        with asyncio.Runner(loop_factory=loop_factory(reach.ports)) as runner:
            runner.run(_serve(listener, reach))
    finally:
        with contextlib.suppress(OSError):
            if arguments.socket.stat().st_ino == inode:
                arguments.socket.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
