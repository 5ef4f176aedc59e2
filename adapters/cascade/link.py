"""The one HTTP client of a lower node towards an upper node: its address, its token, its TLS, its deadlines."""

import io
import ssl
from types import TracebackType
from typing import Self

import aiohttp

from adapters.cascade.answers import HttpAnswer
from adapters.cascade.settings import CascadeSinkSettings
from gateway.errors import ConfigError, Unreachable
from gateway.settings import ClientTls

CONNECT_WITHIN = (
    2.0  # seconds; a lane that is down tries one parcel at a time, so a hanging dial delays the newest alarm
)
_MAX_ANSWER = 1024 * 1024
_AT_ONCE = 256 * 1024  # larger ones are streamed: a clip of 64 MiB in one write would hold the loop up


class Link:
    """Opened lazily and kept alive. Redirects are never followed: they would carry the token to another host."""

    def __init__(self, settings: CascadeSinkSettings, node_id: str, *, connections: int) -> None:
        self.address = settings.url
        self._token = settings.token
        self._node = node_id
        self._connections = connections
        self._tls = _tls_context(settings.tls) if settings.url.startswith("https:") else None
        self._session: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        for session in (self._session, self._fresh):
            if session is not None:
                await session.close()
        self._session = self._fresh = None

    async def send(
        self, method: str, path: str, content: bytes, content_type: str, within: float, *, fresh: bool = False
    ) -> HttpAnswer:
        """One request and its whole answer. Raises Unreachable with a sentence that names the address.

        ``fresh``: on a connection of its own, because those that stand may be dead without a sign (a NAT box restarted).
        """
        timeout = aiohttp.ClientTimeout(total=within, connect=CONNECT_WITHIN)
        try:
            async with (self._fresh_session() if fresh else self.session()).request(
                method,
                self.address + path,
                data=content if len(content) <= _AT_ONCE else io.BytesIO(content),
                headers={"Content-Type": content_type},
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                body = await _read(response)
                return HttpAnswer(response.status, response.headers, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self.unreachable(error, within) from error

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

    def unreachable(self, error: Exception, within: float) -> Unreachable:
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
            return Unreachable(f"{self.address}: its TLS certificate was not accepted; set tls.ca of this sink")
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return Unreachable(f"{self.address}: no connection within {CONNECT_WITHIN:g} s; is the upper node running?")
        if isinstance(error, TimeoutError):
            return Unreachable(f"{self.address}: no answer within {within:g} s")
        if isinstance(error, aiohttp.ClientConnectorError):
            reason = error.os_error.strerror or "it could not be reached"
            return Unreachable(f"{self.address}: {reason.lower()}; is the upper node running?")
        return Unreachable(f"{self.address}: the connection broke ({type(error).__name__})")


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MAX_ANSWER:
            response.close()
            break
    return bytes(body[:_MAX_ANSWER])


def _tls_context(tls: ClientTls | None) -> ssl.SSLContext:
    """Raises ConfigError where a certificate or key cannot be read."""
    wanted = tls or ClientTls()
    try:
        context = ssl.create_default_context(cafile=wanted.ca)
        if wanted.certificate is not None:
            context.load_cert_chain(wanted.certificate, wanted.key)
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(str(path) for path in (wanted.ca, wanted.certificate, wanted.key) if path is not None)
        raise ConfigError([f"tls: cannot use {names}: {error.strerror or error}"]) from error
    return context
