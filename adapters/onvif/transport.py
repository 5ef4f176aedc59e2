"""HTTP towards devices: one session a worker, everything with a deadline and a limit."""

import errno
import functools
import os
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from adapters.onvif.faults import printable
from gateway.errors import ProtocolFault, Unreachable
from gateway.reach import Reach

MAX_ANSWER = 4 * 1024 * 1024
_CONNECT_WITHIN = 5.0
_PER_DEVICE = 4  # a pull holds one for a minute; renewals, a picture and a dome must not wait behind it
_KEEP_ALIVE = 15.0
_FOUND_DEAD = 1.0
_MOST_SPENT = 0.5  # seconds of our processor on the bytes of one answer; 16 MiB of picture take a tenth of it


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer. ``challenges``: its WWW-Authenticate fields. ``date``: its Date field, as it stood."""

    status: int
    body: bytes = field(repr=False)
    challenges: tuple[str, ...] = ()
    date: str | None = None
    content_type: str = ""


def shared_http(*, limit: int = 0, reach: Reach = Reach()) -> aiohttp.ClientSession:
    """The one session of a process: connections kept, four a device, no cookies, no proxies from the environment.

    ``reach``: which addresses may be dialled. ``limit``: connections at once in all, 0 for no limit: each device has one with a pull on it, so they count themselves.
    A device's certificate is not checked, because they sign their own: TLS keeps listeners out and proves nobody.
    """
    connector = _Connector(
        reach,
        limit=limit,
        limit_per_host=_PER_DEVICE,
        ssl=_any_certificate(),
        keepalive_timeout=_KEEP_ALIVE,
        use_dns_cache=False,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        headers={"User-Agent": "gateway", "Accept-Encoding": "identity"},
    )


class _Costly(aiohttp.ClientError):
    """An answer took more of our time than any sound one."""


class _Connection(ResponseHandler):
    """Lets a device go whose answer costs more to take apart than any sound one: interim answers without end, chunks of one
    byte, a chunk extension that never ends. They are within every limit of size, and would take the others' time."""

    _spent = 0.0

    def set_response_params(self, **params: Any) -> None:
        self._spent = 0.0
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        began = time.thread_time()
        super().data_received(data)
        self._spent += time.thread_time() - began
        if self._spent > _MOST_SPENT and self.transport is not None:
            self.set_exception(_Costly())
            self.transport.abort()


class _Connector(aiohttp.TCPConnector):
    """``reach``: every address is looked at after its name was looked up, and dialled as it was found."""

    def __init__(self, reach: Reach, **options: Any) -> None:
        super().__init__(**options)
        self._reach = reach
        # aiohttp has no public way to give one.
        self._factory = functools.partial(_Connection, loop=self._loop)  # type: ignore[assignment]

    async def _resolve_host(self, host: str, port: int, traces: Any = None) -> list[ResolveResult]:
        # aiohttp asks its public resolver for names alone, and not for addresses.
        found = await super()._resolve_host(host, port, traces)
        self._reach.require(host, [each["host"] for each in found])
        return found


async def exchange(
    http: aiohttp.ClientSession,
    method: str,
    url: URL,
    *,
    device: str,
    operation: str,
    timeout: float,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    limit: int = MAX_ANSWER,
    resend: bool = True,
) -> Answer:
    """One request and its whole answer, within ``timeout`` seconds.

    ``resend``: once more where the device had closed a kept connection just before. Raises Unreachable, or ProtocolFault
    for an answer over ``limit`` bytes and for a redirect, which is never followed.
    """
    began = time.monotonic()
    try:
        return await _exchange(http, method, url, body, headers, timeout, limit, device, operation)
    except (aiohttp.ServerDisconnectedError, ConnectionResetError, BrokenPipeError) as error:
        # Later it is the device that ends a call, as Tapo does with pulls after 10 s, and not a connection found dead.
        if not resend or time.monotonic() - began > _FOUND_DEAD:
            raise _unreachable(error, device, operation, timeout) from error
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise _unreachable(error, device, operation, timeout) from error
    return await exchange(
        http,
        method,
        url,
        device=device,
        operation=operation,
        timeout=timeout,
        body=body,
        headers=headers,
        limit=limit,
        resend=False,
    )


async def _exchange(
    http: aiohttp.ClientSession,
    method: str,
    url: URL,
    body: bytes | None,
    headers: Mapping[str, str] | None,
    timeout: float,
    limit: int,
    device: str,
    operation: str,
) -> Answer:
    limits = aiohttp.ClientTimeout(total=timeout, sock_connect=min(_CONNECT_WITHIN, timeout))
    async with http.request(method, url, data=body, headers=headers, timeout=limits, allow_redirects=False) as response:
        if response.status in (301, 302, 303, 307, 308):
            raise ProtocolFault(_redirected(response, device, operation))
        content = await _content(response, limit)
        if content is None:
            response.close()
            raise ProtocolFault(f"{device} answered {operation} with more than {limit // 1024} KiB")
        fields = response.headers
        return Answer(
            response.status,
            content,
            tuple(fields.getall("WWW-Authenticate", ())),
            fields.get("Date"),
            fields.get("Content-Type", ""),
        )


async def _content(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    first = await response.content.readany()
    if response.content.at_eof():
        return first if len(first) <= limit else None
    whole = bytearray(first)
    while piece := await response.content.readany():
        whole += piece
        if len(whole) > limit:
            return None
    return bytes(whole)


def _redirected(response: aiohttp.ClientResponse, device: str, operation: str) -> str:
    target = printable(response.headers.get("Location", ""), 120)
    advice = "set tls: true and its port" if target.startswith("https:") else "correct its host and port"
    return (
        f"{device} sends {operation} on to {target or 'nowhere'}, and a login is never taken there; if that is "
        f"the device, {advice}"
    )


def _unreachable(error: Exception, device: str, operation: str, timeout: float) -> Unreachable:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Unreachable(f"{device} did not take the connection for {operation}")
    if isinstance(error, TimeoutError):
        return Unreachable(f"{device} did not answer {operation} within {timeout:g} s")
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return Unreachable(
            f"{device} does not speak TLS, or none that is still safe (1.2 or later); is its port right?"
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return Unreachable(f"{device} cannot be reached for {operation}: {_why_not(error.os_error)}")
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError):
        return Unreachable(f"{device} closed the connection in place of an answer to {operation}")
    if isinstance(error, _Costly):
        return Unreachable(f"{device} answered {operation} in a way that costs more time than it may; it was let go")
    if isinstance(error, aiohttp.ClientPayloadError):
        return Unreachable(f"{device} broke off its answer to {operation}")
    if isinstance(error, aiohttp.ClientResponseError):
        return Unreachable(f"{device} answered {operation} with something that is no HTTP")
    return Unreachable(f"{device}: the connection for {operation} broke ({type(error).__name__})")


def _why_not(error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED:
        return "nothing listens on that port"
    # asyncio writes addresses and tuples into strerror; the resolver's numbers are negative, and its words its own.
    number = error.errno or 0
    words = os.strerror(number) if number > 0 else error.strerror or "it could not be reached"
    return words.lower()


def _any_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
