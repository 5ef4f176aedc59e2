"""A park of devices for a test, and a client by hand that writes its own SOAP."""

import asyncio
import base64
import hashlib
import secrets
import socket
import time
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from gateway.authentication import Authenticator, choose, parse_challenges
from gateway.lab.onvif.park import OnvifPark
from gateway.lab.onvif.soap import NAMESPACES
from gateway.model import Credential

LOGIN = Credential("admin", "s3cret")
_WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_DIGEST = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"


@dataclass
class Answer:
    status: int
    fields: list[tuple[str, str]]
    content: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    def element(self, name: str) -> ET.Element:
        found = ET.fromstring(self.content).find(f".//{{*}}{name}")
        assert found is not None, self.content
        return found

    def text(self, name: str) -> str:
        return (self.element(name).text or "").strip()

    def texts(self, name: str) -> list[str]:
        return [(one.text or "").strip() for one in ET.fromstring(self.content).iterfind(f".//{{*}}{name}")]

    @property
    def subcodes(self) -> list[str]:
        return self.texts("Value")[1:]


class Client:
    """Calls device ``number``; ``login`` as wsse, digest, or not at all; ``clock_s``: its clock beside the true time."""

    def __init__(self, park: OnvifPark, number: int = 1) -> None:
        self.park, self.number = park, number
        self.credential, self.login, self.clock_s = LOGIN, "wsse", 0.0
        self.authenticator: Authenticator | None = None

    async def request(self, method: str, path: str, content: bytes = b"", **fields: str) -> Answer:
        device = self.park.devices[self.number]
        async with asyncio.timeout(60):
            reader, writer = await asyncio.open_connection(device.host, device.port)
            try:
                lines = [f"{name}: {value}\r\n" for name, value in fields.items()]
                head = f"{method} {path} HTTP/1.1\r\nHost: {device.host}\r\n{''.join(lines)}"
                writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
                first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
                told = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in rest)]
                length = int(dict(told).get("content-length", "0"))
                return Answer(int(first.split()[1]), told, await reader.readexactly(length))
            finally:
                writer.close()

    async def call(
        self, operation: str, inner: str = "", *, to: str = "/onvif/device_service", header: str = ""
    ) -> Answer:
        """``operation`` such as tds:GetScopes."""
        prefix, _, name = operation.partition(":")
        body = f'<{name} xmlns="{NAMESPACES[prefix]}">{inner}</{name}>'
        token = self._token() if self.login == "wsse" else ""
        content = (
            f'<s:Envelope xmlns:s="{NAMESPACES["s"]}"><s:Header>{token}{header}</s:Header><s:Body>{body}</s:Body>'
            "</s:Envelope>"
        ).encode()
        answer = await self.request("POST", to, content)
        if self.login == "digest" and answer.status == 401:
            answer = await self.again("POST", to, content, answer)
        return answer

    async def again(self, method: str, path: str, content: bytes, refused: Answer) -> Answer:
        """The same request with the login that the refusal asks for."""
        challenge = choose(parse_challenges(refused.all("www-authenticate")), allow_basic=False)
        assert challenge is not None, refused
        authenticator = Authenticator(self.credential)
        authenticator.accept(challenge)
        return await self.request(method, path, content, Authorization=authenticator.field(method, path) or "")

    async def subscribe(self, lease: str = "PT60S") -> str:
        """The path of a new pull point."""
        created = await self.call(
            "tev:CreatePullPointSubscription", f"<InitialTerminationTime>{lease}</InitialTerminationTime>"
        )
        assert created.status == 200, created
        return "/" + created.text("Address").split("/", 3)[3]

    async def pull(self, point: str, timeout: str = "PT20S", header: str = "") -> list[tuple[str, str, str]]:
        """Topic, operation and state of each message."""
        inner = f"<Timeout>{timeout}</Timeout><MessageLimit>100</MessageLimit>"
        answer = await self.call("tev:PullMessages", inner, to=point, header=header)
        assert answer.status == 200, answer
        return messages(answer.content)

    def _token(self) -> str:
        nonce, created = secrets.token_bytes(16), datetime.fromtimestamp(time.time() + self.clock_s, UTC)
        at = created.strftime("%Y-%m-%dT%H:%M:%SZ")
        digest = hashlib.sha1(nonce + at.encode() + self.credential.password.encode()).digest()
        return (
            f'<o:Security xmlns:o="{_WSSE}"><o:UsernameToken><o:Username>{self.credential.username}</o:Username>'
            f'<o:Password Type="{_DIGEST}">{base64.b64encode(digest).decode()}</o:Password>'
            f'<o:Nonce>{base64.b64encode(nonce).decode()}</o:Nonce><u:Created xmlns:u="{_WSU}">{at}</u:Created>'
            "</o:UsernameToken></o:Security>"
        )


def messages(content: bytes) -> list[tuple[str, str, str]]:
    told = []
    for one in ET.fromstring(content).iterfind(".//{*}NotificationMessage"):
        message, item = one.find(".//{*}Message/{*}Message"), one.find(".//{*}Data/{*}SimpleItem")
        assert message is not None and item is not None
        topic = one.findtext("{*}Topic") or ""
        told.append((topic, message.get("PropertyOperation", ""), item.get("Value", "")))
    return told


OpenPark = Callable[..., Awaitable[OnvifPark]]


@pytest.fixture
async def open_park() -> AsyncIterator[OpenPark]:
    """Starts parks, with a login unless told otherwise, and ends them after the test."""
    opened: list[OnvifPark] = []

    async def start(count: int = 1, **options: object) -> OnvifPark:
        park = OnvifPark(count, **{"credential": LOGIN, **options})  # type: ignore[arg-type]
        opened.append(park)
        await park.start()
        return park

    yield start
    for park in opened:
        await park.stop()


@pytest.fixture
def client() -> Callable[..., Client]:
    return Client


@pytest.fixture
def notified() -> Callable[[], object]:
    """A receiver of base notifications: gives its address and the messages as they come."""

    @asynccontextmanager
    async def listening() -> AsyncIterator[tuple[str, "asyncio.Queue[tuple[str, str, str]]"]]:
        heard: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue()

        async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            content = await reader.readexactly(int(head.partition("content-length: ")[2].split("\r\n")[0]))
            for one in messages(content):
                heard.put_nowait(one)
            writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(receive, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/notify/1", heard

    return listening


@pytest.fixture
def free_udp_port(free_port: Callable[[], int]) -> int:
    """As ``free_port``: no socket that asks for any port is given it before it is used."""
    while True:
        port = free_port()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
