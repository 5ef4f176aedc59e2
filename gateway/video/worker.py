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

from gateway.errors import DeviceError, RunningError
from gateway.observability.logs import configure, logger
from gateway.open_files import raise_limit
from gateway.ports import Clock
from gateway.reach import Reach, parse_network
from gateway.supervision.clock import SystemClock
from gateway.supervision.governor import Budget
from gateway.video.api import WorkerApi
from gateway.video.cameras.camera import Connect
from gateway.video.cameras.connect import Connector
from gateway.video.cameras.fleet import Fleet
from gateway.video.clips.recorder import Recorder
from gateway.video.decoder.decoder import Decoder
from gateway.video.decoder.muxer import Muxer
from gateway.video.devices.connect import OnvifConnector
from gateway.video.devices.link import DeviceConnector
from gateway.video.devices.memory import DeviceMemory
from gateway.video.devices.outbox import Outbox
from gateway.video.devices.reception import Door
from gateway.video.diagnosis.patrol import Patrol
from gateway.video.pictures.desk import PictureDesk
from gateway.video.pictures.ring import BUDGET_BYTES, MAX_AGE_S, KeyframeRing
from gateway.video.roster import Roster
from gateway.video.workers.run_dir import make_private

MIB = 1024 * 1024
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
        recorder: Recorder,
        budget: Budget,
        orphan_after_s: float = ORPHAN_S,
        connector: DeviceConnector | None = None,
        memory: DeviceMemory | None = None,
    ) -> None:
        self._listener = listener
        self._clock = clock
        self._orphan_after = orphan_after_s
        self._heard_at = clock.mono()
        self._decoder = Decoder()
        self._muxer = Muxer()
        self._fleet = Fleet(connect, ring, clock, recorder=recorder, budget=budget, differ=self._decoder.difference)
        memory = memory or DeviceMemory()
        self._roster = Roster(self._fleet, connector or OnvifConnector(memory), clock, Outbox(), memory)
        self._desk = PictureDesk(self._decoder)
        self._patrol = Patrol(self._fleet, self._decoder, self._roster.outbox, clock, is_dome=self._roster.is_dome)
        api = WorkerApi(self._roster, self._desk, self._decoder, self._muxer, self.stop, self._heard, self._patrol)
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
        self._roster.leave()
        self._fleet.end_taps()
        self._fleet.changes.release()
        self._roster.outbox.changes.release()

    async def run(self) -> None:
        roster = self._roster
        works = (
            self._warm,
            self._fleet.watch,
            self._notice_orphanhood,
            roster.follow,
            roster.watch,
            self._patrol.run,
        )
        chores = [asyncio.create_task(work()) for work in works]
        for chore in chores:
            chore.add_done_callback(self._chore_ended)
        try:
            await self._server.serve(sockets=[self._listener])
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            await asyncio.gather(self._roster.close(), self._desk.close())
            await asyncio.gather(self._decoder.close(), self._muxer.close())

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


async def _serve(
    arguments: argparse.Namespace, listener: socket.socket, connect: Connect, connector: DeviceConnector | None
) -> None:
    memory = DeviceMemory(arguments.socket.with_suffix(".devices.json"))
    worker = Worker(
        listener,
        connect,
        clock=SystemClock(),
        ring=KeyframeRing(arguments.ring_mib * MIB, arguments.ring_seconds),
        recorder=Recorder(arguments.clip_mib * MIB),
        budget=arguments.dials,
        orphan_after_s=arguments.orphan_after,
        connector=connector or OnvifConnector(memory, door=arguments.notify, reach=Reach(tuple(arguments.allow))),
        memory=memory,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    await worker.run()


_NICE = 2  # an alarm in the core goes before a picture; the decoder child is five below that


def main(connect: Connect | None = None, connector: DeviceConnector | None = None) -> int:
    """Run a worker until it is stopped; the exit code. ``connect`` and ``connector`` are for tests."""
    parser = argparse.ArgumentParser(
        prog="python -m gateway.video.worker", description="A video worker of the gateway.", fromfile_prefix_chars="@"
    )
    parser.add_argument("--socket", type=Path, required=True, metavar="PATH", help="where to listen (a Unix socket)")
    parser.add_argument(
        "--orphan-after", type=float, default=ORPHAN_S, metavar="S", help="end after S s without a core"
    )
    parser.add_argument("--ring-mib", type=int, default=BUDGET_BYTES // MIB, metavar="N", help="ring budget")
    parser.add_argument("--clip-mib", type=int, default=512, metavar="N", help="budget of complete video for clips")
    parser.add_argument(
        "--dials",
        type=_dials,
        default=Budget(),
        metavar="BOX,SUBNET,HOST",
        help="cameras dialled at once: in all, in one subnet, behind one address",
    )
    parser.add_argument(
        "--notify",
        type=_door,
        metavar="HOST:PORT",
        help="where ONVIF devices call that cannot be asked for their events",
    )
    parser.add_argument(
        "--allow",
        type=parse_network,
        action="append",
        default=[],
        metavar="NETWORK",
        help="dial cameras in these alone",
    )
    parser.add_argument("--ring-seconds", type=float, default=MAX_AGE_S, metavar="S", help="age limit of the ring")
    arguments = parser.parse_args()
    os.umask(0o077)
    os.nice(_NICE)
    raise_limit()
    configure(os.environ.get("GATEWAY_LOG_LEVEL", "INFO"))
    try:
        listener = listen(arguments.socket)
    except RunningError as fault:
        logger("video").error("the video worker could not start", reason=str(fault))
        return 1
    inode = arguments.socket.stat().st_ino
    try:
        uvloop.run(_serve(arguments, listener, connect or Connector(reach=Reach(tuple(arguments.allow))), connector))
    finally:
        with contextlib.suppress(OSError):
            if arguments.socket.stat().st_ino == inode:
                arguments.socket.unlink()
    return 0


def _dials(text: str) -> Budget:
    numbers = text.split(",")
    if len(numbers) != 3 or not all(number.isdecimal() and int(number) > 0 for number in numbers):
        raise argparse.ArgumentTypeError("three whole numbers from 1 on, separated by commas")
    return Budget(*map(int, numbers))


def _door(text: str) -> Door:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError("HOST:PORT is accepted")
    return Door(host, int(port))


if __name__ == "__main__":
    sys.exit(main())
