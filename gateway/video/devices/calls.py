"""The HTTP server that devices call: one that nobody can hold by opening connections and saying nothing."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

_CONNECTIONS = 512
_OF_ONE_ADDRESS = 32
"""A device behind NAT is many; one that keeps more open takes their places."""
_REQUEST_S = 15.0
"""From the connection, or from an answer, to a whole request: its body has ten seconds of its own."""
_HEADER_BYTES = 16 * 1024


class CallServer(uvicorn.Server):
    """Signals are the worker's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def call_server(app: Any) -> CallServer:
    """A server of the ASGI application ``app``, to be given its sockets."""
    return CallServer(
        uvicorn.Config(
            app,
            http=_Connection,
            ws="none",
            interface="asgi3",
            proxy_headers=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=_HEADER_BYTES,
        )
    )


class _Connection(H11Protocol):
    """uvicorn counts connections only once they ask something, and waits for that as long as it takes."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > _CONNECTIONS or self._of_this_address() > _OF_ONE_ADDRESS:
            transport.abort()
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing():
            self._wait()

    def _wait(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(_REQUEST_S, self.transport.abort)

    def _of_this_address(self) -> int:
        host = self.client[0] if self.client else None
        fellows = (each.client for each in self.connections if isinstance(each, _Connection))
        return sum(client is not None and client[0] == host for client in fellows)
