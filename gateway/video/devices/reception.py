"""Where devices call us that cannot be asked for their events: an HTTP server of the worker, opened when the first needs it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gateway.errors import Unreachable
from gateway.video.devices.calls import CallServer, call_server

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
_Desk = TypeVar("_Desk", bound=App)
ANYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - recognised, not bound to


@dataclass(frozen=True, slots=True)
class Door:
    """Where devices call. ``host``: our address as they reach it, through a port forwarding too; unless told, the one that
    we have towards each. ``port``: 0 takes any, which no firewall lets through."""

    host: str = ""
    port: int = 0


class Reception(Generic[_Desk]):
    """One desk for each of our addresses that devices see, all behind one port. ``make``: a desk from its base URL."""

    def __init__(self, make: Callable[[str], _Desk], door: Door | None = None) -> None:
        self._make = make
        self._door = door or Door()
        self._desks: dict[str, _Desk] = {}
        self._server: CallServer | None = None
        self._serving: asyncio.Task[None] | None = None
        self._port = 0
        self._opening = asyncio.Lock()

    async def desk(self, host: str, port: int) -> _Desk:
        """The one that a device at this address can reach. Raises Unreachable."""
        async with self._opening:
            if self._serving is None or self._serving.done():
                await self._open()
        told = self._door.host not in ANYWHERE
        ours = self._door.host if told else await asyncio.to_thread(_our_address, host, port)
        if ours not in self._desks:
            written = f"[{ours}]" if ":" in ours else ours
            self._desks[ours] = self._make(f"http://{written}:{self._port}")
        return self._desks[ours]

    async def close(self) -> None:
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await asyncio.gather(self._serving, return_exceptions=True)

    async def _open(self) -> None:
        try:
            listener = socket.create_server(("", self._door.port))
        except OSError as error:
            which = f"port {self._door.port} for devices to call (discovery.notify)" if self._door.port else "any port"
            raise Unreachable(f"{which} cannot be opened: {error.strerror}") from None
        self._port = listener.getsockname()[1]
        self._desks.clear()
        self._server = call_server(self._answer)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]), name="devices' calls")

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        named = scope["server"][0] if self._door.host in ANYWHERE else self._door.host
        desk = self._desks.get(named) if scope["type"] == "http" else None
        if desk is None:
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        await desk(scope, receive, send)


def _our_address(host: str, port: int) -> str:
    """Our own address as that host sees it: no packet is sent. Raises Unreachable."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host, port))
            return str(probe.getsockname()[0])
    except OSError as error:
        raise Unreachable(f"{host} cannot be reached, nor reach us: {error.strerror}") from None
