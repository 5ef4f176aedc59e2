"""Answers of real devices, and a device of our own over real sockets that counts the logins it refused."""

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from adapters.onvif.client import SoapClient
from adapters.onvif.clock import DeviceClock
from adapters.onvif.transport import shared_http
from gateway.model import Credential, OnvifAddress

_RECORDINGS = (Path(__file__).parents[3] / "../shared/fixtures/onvif").resolve()
_ENVELOPE = '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>{}</s:Body></s:Envelope>'

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
def recorded() -> Callable[[str], bytes]:
    """``recorded("hikvision/GetServices.xml")``: a real device's answer, which stands beside the checkout, not in it."""

    def read(path: str) -> bytes:
        if not _RECORDINGS.is_dir():
            pytest.skip("no recordings of real devices beside this checkout")
        return (_RECORDINGS / path).read_bytes()

    return read


@pytest.fixture
def recordings() -> Path:
    if not _RECORDINGS.is_dir():
        pytest.skip("no recordings of real devices beside this checkout")
    return _RECORDINGS


def soap_answer(body: str, status: int = 200) -> web.Response:
    return web.Response(body=_ENVELOPE.format(body).encode(), status=status, content_type="application/soap+xml")


def soap_fault(
    subcode: str, reason: str = "", status: int = 400, headers: dict[str, str] | None = None
) -> web.Response:
    body = (
        f"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:{subcode}</s:Value></s:Subcode></s:Code>"
        f"<s:Reason><s:Text>{reason}</s:Text></s:Reason></s:Fault>"
    )
    return web.Response(
        body=_ENVELOPE.format(body).encode(), status=status, content_type="application/soap+xml", headers=headers
    )


@dataclass
class Device:
    """Speaks enough ONVIF to be logged in to. ``wants``: what its guard asks for: "", "token", "digest", "both", "either".

    ``failed`` counts what would lock a real one: credentials that were sent and are wrong. ``open``: what needs no login.
    """

    username: str = "operator"
    password: str = "right"
    wants: str = "token"
    algorithm: str = "MD5"
    open: set[str] = field(default_factory=lambda: {"GetSystemDateAndTime"})
    forbidden: set[str] = field(default_factory=set)
    clock_offset: float = 0.0
    window: float = 30.0
    nonce: str = "n1"
    stale: bool = False
    failed: int = 0
    requests: list[tuple[str, bool]] = field(default_factory=list)  # operation, whether a login came with it
    bodies: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: dict[str, Handler | str | bytes] = field(default_factory=dict)
    pages: dict[str, Handler] = field(default_factory=dict)  # path → GET
    port: int = 0
    _used: set[tuple[str, str]] = field(default_factory=set)
    _nonces_seen: set[str] = field(default_factory=set)

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.clock_offset)

    def address(self, password: str = "right", username: str = "operator", **options) -> OnvifAddress:
        return OnvifAddress("127.0.0.1", self.port, Credential(username, password), **options)

    @property
    def operations(self) -> list[str]:
        return [name for name, _ in self.requests]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            return await self.pages[request.path](request)
        body = (await request.read()).decode()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        found = re.search(r"<s:Body>\s*<([\w]+)", body)
        operation = found[1] if found else ""
        carries = "Authorization" in request.headers or "<UsernameToken>" in body
        self.requests.append((operation, carries))
        if operation not in self.open:
            refusal = self.guard(request, body)
            if refusal is not None:
                return refusal
        if operation in self.forbidden:
            return soap_fault("NotAuthorized", "the sender is not authorized")
        return await self.answer(operation, request)

    async def answer(self, operation: str, request: web.Request) -> web.StreamResponse:
        made = self.answers.get(operation)
        if made is None and operation == "GetSystemDateAndTime":
            return soap_answer(clock_body(self.now()))
        if made is None:
            return soap_answer(f"<{operation}Response/>")
        if isinstance(made, str):
            return soap_answer(made)
        if isinstance(made, bytes):
            return web.Response(body=made)
        return await made(request)

    def guard(self, request: web.Request, body: str) -> web.Response | None:
        digest, token = request.headers.get("Authorization"), "<UsernameToken>" in body
        if self.wants == "":
            return None
        if self.wants in ("digest", "both", "either"):
            if self.wants == "either" and digest is None and token:
                return None if self.token_right(body) else self.challenge()
            if digest is None:
                return self.challenge()
            if not self.digest_right(digest, request.method):
                return self.challenge()
            if self.wants == "both" and not (token and self.token_right(body)):
                return soap_fault("NotAuthorized")
            return None
        if not token:
            return soap_fault("NotAuthorized", "Sender not authorized")
        return None if self.token_right(body) else soap_fault("NotAuthorized", "Sender not authorized")

    def challenge(self) -> web.Response:
        stale = ", stale=true" if self.stale else ""
        field = f'Digest realm="cam", nonce="{self.nonce}", qop="auth", algorithm={self.algorithm}{stale}'
        return web.Response(status=401, text="<html>401</html>", headers={"WWW-Authenticate": field})

    def token_right(self, body: str) -> bool:
        parts = [re.search(pattern, body) for pattern in _TOKEN]
        username, digest, nonce, created = (part[1] if part else "" for part in parts)
        made = hashlib.sha1(base64.b64decode(nonce) + created.encode() + self.password.encode()).digest()
        fresh = abs((datetime.fromisoformat(created) - self.now()).total_seconds()) <= self.window
        replayed = nonce in self._nonces_seen
        self._nonces_seen.add(nonce)
        right = username == self.username and base64.b64encode(made).decode() == digest and fresh and not replayed
        self.failed += not right
        return right

    def digest_right(self, field: str, method: str) -> bool:
        given = {name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', field)}
        if given["nonce"] != self.nonce:
            return False  # of a nonce it does not know a device does not even look at the password
        use = (given["nonce"], given["nc"])
        hashed = hashlib.md5 if self.algorithm == "MD5" else hashlib.sha256

        def h(text: str) -> str:
            return hashed(text.encode()).hexdigest()

        secret = h(f"{self.username}:cam:{self.password}")
        rest = f"{given['nonce']}:{given['nc']}:{given['cnonce']}:auth:{h(method + ':' + given['uri'])}"
        right = (
            given["username"] == self.username and given["response"] == h(f"{secret}:{rest}") and use not in self._used
        )
        self._used.add(use)
        self.failed += not right
        return right


_TOKEN = (
    r"<Username>([^<]*)<",
    r"#PasswordDigest\">([^<]*)<",
    r"#Base64Binary\">([^<]*)<",
    r"<Created[^>]*>([^<]*)<",
)


def clock_body(now: datetime) -> str:
    return (
        "<GetSystemDateAndTimeResponse><SystemDateAndTime><DateTimeType>Manual</DateTimeType>"
        "<DaylightSavings>false</DaylightSavings><TimeZone><TZ>CST-8</TZ></TimeZone><UTCDateTime>"
        f"<Time><Hour>{now.hour}</Hour><Minute>{now.minute}</Minute><Second>{now.second}</Second></Time>"
        f"<Date><Year>{now.year}</Year><Month>{now.month}</Month><Day>{now.day}</Day></Date>"
        "</UTCDateTime></SystemDateAndTime></GetSystemDateAndTimeResponse>"
    )


@pytest.fixture
async def device() -> AsyncIterator[Device]:
    made = Device()
    server = web.Server(made.handle)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = site._server.sockets[0].getsockname()[1]
    yield made
    await runner.cleanup()


@pytest.fixture
async def raw_device() -> AsyncIterator[Callable[[bytes, bool], Awaitable[int]]]:
    """``await raw_device(data, endless)``: the port of a listener that says ``data``, again and again if ``endless``."""
    servers: list[asyncio.Server] = []

    async def listen(data: bytes, endless: bool = False) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(data)
                await writer.drain()
                while endless:
                    writer.write(b"x" * 65536)
                    await writer.drain()
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        servers.append(server)
        return server.sockets[0].getsockname()[1]

    yield listen
    for server in servers:
        server.close()
        await server.wait_closed()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with shared_http() as session:
        yield session


@pytest.fixture
def connect(device: Device, http: aiohttp.ClientSession) -> Iterator[Callable[..., SoapClient]]:
    """``connect(password="wrong")``: a client of ``device``."""

    def make(password: str = "right", **options) -> SoapClient:
        return SoapClient(http, device.address(password, **options), clock=DeviceClock())

    return make


@pytest.fixture
def soap_bodies() -> dict[str, Callable[..., web.Response]]:
    """What a device says: ``answer(body)``, ``fault(subcode, reason, status)``, ``clock(now)``."""
    return {"answer": soap_answer, "fault": soap_fault, "clock": lambda now: soap_answer(clock_body(now))}
