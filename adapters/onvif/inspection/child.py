"""The inspecting process: ``python -m adapters.onvif.inspection.child FD``, over the inherited control socket FD.

It loads zeep and the WSDLs once and then forks for each inspection, which costs milliseconds: so each device is read by a
process of its own, with limits of its own, that has seen no other's password, and that a hostile answer may end without
hurting another inspection. It ends by itself when the gateway hangs up. See inspection_wire.py for what is said.
"""

import asyncio
import gc
import logging
import math
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from adapters.onvif.client import SoapClient, shared_http
from adapters.onvif.clock import DeviceClock
from adapters.onvif.inspection import wire
from adapters.onvif.inspection.inspector import Inspection
from adapters.onvif.inspection.library import Library, Service, load_services
from adapters.onvif.inspection.survey import Survey
from gateway.confinement import confine
from gateway.errors import Busy, DeviceError, Unreachable
from gateway.model import OnvifAddress

ADDRESS_SPACE = 1024**3
DATA = 256 * 1024**2
OPEN_FILES = 64
CPU_SECONDS = 10
"""Of one inspection. A recorder of 64 channels needs less than one here."""
_OVERTIME_S = 3
_SEND_S = 5.0


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    logging.disable()  # zeep logs what it sends, and importing onvif turned logging on
    limit_resources()
    services = asyncio.run(load_services())
    gc.collect()
    confine(network=True)  # and so are their forks
    gc.freeze()  # what is shared with the forks stays shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries them
    control.sendall(wire.READY)
    while peer := _next(control):
        if _forked():
            control.close()
            serve(peer, services)
            os._exit(0)
        peer.close()


def limit_resources() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_DATA, (DATA, DATA))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _next(control: socket.socket) -> socket.socket | None:
    """The socket of the next inspection; None when the gateway hung up."""
    said, descriptors, _, _ = socket.recv_fds(control, 1, 1)
    return socket.socket(fileno=descriptors[0]) if said and descriptors else None


def _forked() -> bool:
    try:
        return os.fork() == 0
    except OSError:
        return False  # no process left; the gateway sees its socket closed


def serve(peer: socket.socket, services: Mapping[str, Service]) -> None:
    """One inspection, asked for and answered over ``peer``."""
    sys.excepthook = _teller(peer)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    peer.settimeout(_SEND_S)
    (size,) = wire.SIZE.unpack(_read(peer, wire.SIZE.size))
    address, seconds = wire.read_request(_read(peer, size))
    signal.alarm(math.ceil(seconds) + _OVERTIME_S)  # its default action ends us even within C code
    _say(peer, asyncio.run(_answer(peer, address, services, seconds)))


async def _answer(
    peer: socket.socket, address: OnvifAddress, services: Mapping[str, Service], seconds: float
) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    loop.add_reader(peer, os._exit, 1)  # nothing more is ever said to us: the gateway hung up
    try:
        inspection = await inspect(address, services, seconds)
    except Busy as error:
        return {"error": "Busy", "text": str(error), "after": error.after}
    except DeviceError as error:
        return {"error": type(error).__name__, "text": str(error)}
    finally:
        loop.remove_reader(peer)
    return {"inspection": asdict(inspection)}


async def inspect(address: OnvifAddress, services: Mapping[str, Service], seconds: float) -> Inspection:
    """Raises DeviceError; Unreachable where it takes longer than ``seconds``."""
    until = asyncio.get_running_loop().time() + seconds
    async with shared_http() as http:
        client = SoapClient(http, address, clock=DeviceClock())
        try:
            async with asyncio.timeout_at(until + 1):
                return await Survey(client, Library(client, services), until).run()
        except TimeoutError:
            raise Unreachable(
                f"{client.device} answers too slowly to be inspected; {seconds:g} s were not enough"
            ) from None


def _read(peer: socket.socket, size: int) -> bytes:
    read = bytearray()
    while len(read) < size:
        piece = peer.recv(size - len(read))
        if not piece:
            os._exit(1)
        read += piece
    return bytes(read)


def _say(peer: socket.socket, values: dict[str, Any]) -> None:
    try:
        peer.sendall(wire.message(values))
    except OSError:
        os._exit(1)


def _teller(peer: socket.socket) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """A fault in our own code: where it is, but not its text, which may hold a password."""
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f" in {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
        _say(peer, {"error": "ours", "text": f"{kind.__name__}{where}"})

    return tell


if __name__ == "__main__":
    main()
