"""The one HTTP client of a lower node towards an upper node: its address, its token, its TLS, its deadlines."""

import asyncio
import contextlib
import io
import socket
import time
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import aiohttp

from adapters.cascade.addresses import Addresses
from adapters.cascade.answers import HttpAnswer
from adapters.cascade.settings import CascadeSinkSettings
from gateway.client_tls import client_context
from gateway.errors import Unreachable

CONNECT_WITHIN = (
    2.0  # seconds; a lane that is down tries one parcel at a time, so a hanging dial delays the newest alarm
)
_MAX_ANSWER = 1024 * 1024
_NOT_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_BULK_AT_ONCE = 4  # of each send buffer; a clip comes alone by its lane
_UPGRADE_WITHIN = 5.0  # s to stand as a WebSocket: the upper node waits 8 s for the first frame
_HEARTBEAT = 10.0  # s; a path that died without a word is found within 15
_MAX_WORD = 64 * 1024  # an upper node says nothing on it but goodbye
_AT_ONCE = 256 * 1024  # larger ones are streamed: a picture of 16 MiB in one write would hold the loop up


class Link:
    """Opened lazily and kept alive. Redirects are never followed: they would carry the token to another host."""

    def __init__(
        self,
        settings: CascadeSinkSettings,
        node_id: str,
        *,
        connections: int,
        addresses: Addresses | None = None,
        bulk: int = _BULK_AT_ONCE,
    ) -> None:
        """``addresses``: those of ``settings``, where their order is to outlive this link. ``bulk``: connections of each
        send buffer at once."""
        self._bulk_at_once = bulk
        self.addresses = addresses or Addresses(settings.url, settings.also)
        self._token = settings.token
        self._node = node_id
        self._connections = connections
        self._tls = client_context(settings.tls) if _any_tls(settings) else None
        self._session: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self._bulk: dict[int, aiohttp.ClientSession] = {}  # by their send buffers

    @property
    def address(self) -> str:
        """The one in use now."""
        return self.addresses.current(time.monotonic())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        for session in (self._session, self._fresh, *self._bulk.values()):
            if session is not None:
                await session.close()
        self._session = self._fresh = None
        self._bulk.clear()

    async def send(
        self, method: str, path: str, content: bytes | None, content_type: str, within: float, *, fresh: bool = False
    ) -> HttpAnswer:
        """One request and its whole answer. Raises Unreachable with a sentence that names the address.

        ``fresh``: on a connection of its own, to another address where there is one, because those that stand may be dead
        without a sign (a NAT box restarted).
        """
        session = self._fresh_session() if fresh else self.session()
        body = io.BytesIO(content) if content is not None and len(content) > _AT_ONCE else content
        headers = {} if content is None else {"Content-Type": content_type}
        return await self._send(session, method, path, body, headers, within, elsewhere=fresh)

    async def upload(
        self,
        method: str,
        path: str,
        pieces: AsyncIterator[bytes],
        size: int,
        content_type: str,
        within: float,
        *,
        send_buffer: int,
    ) -> HttpAnswer:
        """Send what comes in pieces, of which no more than ``send_buffer`` bytes stand in the kernel ahead of others."""
        headers = {"Content-Type": content_type, "Content-Length": str(size)}
        return await self._send(self._bulk_session(send_buffer), method, path, pieces, headers, within)

    async def _send(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        body: bytes | io.BytesIO | AsyncIterator[bytes] | None,
        headers: dict[str, str],
        within: float,
        *,
        elsewhere: bool = False,
    ) -> HttpAnswer:
        """To the first address that can be connected to: nothing of the body has been read before that."""
        timeout = aiohttp.ClientTimeout(total=within, connect=CONNECT_WITHIN)
        *others, last = self.addresses.order(time.monotonic(), elsewhere=elsewhere)
        for address in (*others, last):
            try:
                async with session.request(
                    method, address + path, data=body, headers=headers, timeout=timeout, allow_redirects=False
                ) as response:
                    answer = HttpAnswer(response.status, response.headers, await _read(response))
                    self.addresses.reached(address, time.monotonic())
                    return answer
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                if address == last or not isinstance(error, _NOT_CONNECTED):
                    self.addresses.failed(address, time.monotonic())
                    raise self.unreachable(error, within, address) from error
        raise AssertionError("an upper node without an address")

    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = self._opened(
                aiohttp.TCPConnector(limit=self._connections, ssl=self._tls or True, keepalive_timeout=30)
            )
        return self._session

    def _fresh_session(self) -> aiohttp.ClientSession:
        if self._fresh is None:
            self._fresh = self._opened(
                aiohttp.TCPConnector(limit=self._connections, ssl=self._tls or True, force_close=True)
            )
        return self._fresh

    @contextlib.asynccontextmanager
    async def websocket(self, path: str, *, send_buffer: int) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A WebSocket (RFC 6455) of its own connection, to the first address that can be connected to. Raises Unreachable."""
        session = self._bulk_session(send_buffer)
        *others, last = self.addresses.order(time.monotonic())
        for address in (*others, last):
            try:
                async with asyncio.timeout(_UPGRADE_WITHIN):
                    opened = await session.ws_connect(
                        address + path,
                        timeout=aiohttp.ClientWSTimeout(ws_close=CONNECT_WITHIN),
                        heartbeat=_HEARTBEAT,
                        max_msg_size=_MAX_WORD,
                    )
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                if address == last or not isinstance(error, _NOT_CONNECTED):
                    raise self.unreachable(error, _UPGRADE_WITHIN, address) from error
            else:
                break
        async with opened:
            yield opened

    def _bulk_session(self, send_buffer: int) -> aiohttp.ClientSession:
        def dialled(address: tuple[Any, ...]) -> socket.socket:
            family, kind, proto, *_ = address
            opened = socket.socket(family, kind, proto)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
            return opened

        if send_buffer not in self._bulk:
            self._bulk[send_buffer] = self._opened(
                aiohttp.TCPConnector(
                    limit=self._bulk_at_once, ssl=self._tls or True, force_close=True, socket_factory=dialled
                )
            )
        return self._bulk[send_buffer]

    def _opened(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={
                "Authorization": f"Bearer {self._token.get_secret_value()}",
                "Accept-Encoding": "identity",
                "User-Agent": f"gateway/{self._node}",
            },
        )

    def unreachable(self, error: Exception, within: float, address: str) -> Unreachable:
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
            return Unreachable(f"{address}: its TLS certificate was not accepted; set tls.ca of this sink")
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return Unreachable(f"{address}: no connection within {CONNECT_WITHIN:g} s; is the upper node running?")
        if isinstance(error, TimeoutError):
            return Unreachable(f"{address}: no answer within {within:g} s")
        if isinstance(error, aiohttp.ClientConnectorError):
            reason = error.os_error.strerror or "it could not be reached"
            return Unreachable(f"{address}: {reason.lower()}; is the upper node running?")
        return Unreachable(f"{address}: the connection broke ({type(error).__name__})")


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MAX_ANSWER:
            response.close()
            break
    return bytes(body[:_MAX_ANSWER])


def _any_tls(settings: CascadeSinkSettings) -> bool:
    return any(address.startswith("https:") for address in (settings.url, *settings.also))
