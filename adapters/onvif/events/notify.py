"""Base notification: the device calls us with what it notices (WS-BaseNotification 1.3; ONVIF Core, basic notification
interface). For devices whose pull points fail."""

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from adapters.onvif import soap
from adapters.onvif.client import SoapClient
from adapters.onvif.events.subscription import Book, Subscription, addressing, subscribe
from gateway.errors import ProtocolFault, Unreachable

_WSNT: Final = "http://docs.oasis-open.org/wsn/b-2"
_SUBSCRIBE: Final = "http://docs.oasis-open.org/wsn/bw-2/NotificationProducer/SubscribeRequest"
_TEV: Final = "http://www.onvif.org/ver10/events/wsdl"
_PROPERTIES: Final = f"{_TEV}/EventPortType/GetEventPropertiesRequest"
_LONGEST_PROPERTIES: Final = 512 * 1024
_PATH: Final = "/onvif/"
LONGEST_BODY: Final = 1024 * 1024
BODY_WITHIN: Final = 10.0  # seconds; whoever is slower is let go
MOST_AT_ONCE: Final = 64
MOST_OF_A_DEVICE: Final = 4
_REST: Final = 9.0  # times what a call took to read, before the same device's next: it gets a tenth of the loop at most

Message = MutableMapping[str, Any]
Consumer = Callable[[etree._Element], object]
"""Takes a Notify; quick, and never raises."""


class NotifyDesk:
    """Takes what devices post to us, as an ASGI application: an HTTP server of the process runs it.

    ``base_url``: how devices reach that server, such as "http://10.0.0.2:8091". Each device has an address of its own that
    nobody can guess; that is what tells devices from others, for they log in to nobody. All else gets 404.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._callers: dict[str, _Caller] = {}
        self._under_way = 0

    def open(self, device: str, consumer: Consumer) -> str:
        """An address for that device (named so in faults), until it is closed."""
        token = secrets.token_urlsafe(24)
        self._callers[token] = _Caller(device, consumer)
        return f"{self.base_url}{_PATH}{token}"

    def close(self, url: str) -> None:
        self._callers.pop(url.rpartition("/")[2], None)

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            return
        status = await self._status(scope, receive)
        fields = [(b"content-length", b"0")] + ([(b"connection", b"close")] if status != 200 else [])
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": b""})

    async def _status(self, scope: Message, receive: Callable[[], Awaitable[Message]]) -> int:
        path = str(scope["path"])
        caller = self._callers.get(path.removeprefix(_PATH)) if path.startswith(_PATH) else None
        if caller is None:
            return 404
        if scope["method"] != "POST":
            return 405
        if self._under_way >= MOST_AT_ONCE or caller.under_way >= MOST_OF_A_DEVICE:
            return 503
        self._under_way += 1
        caller.under_way += 1
        try:
            async with asyncio.timeout(BODY_WITHIN):
                await asyncio.sleep(max(0.0, caller.free_at - time.monotonic()))
                body = await _body(receive)
        except TimeoutError:
            return 408
        finally:
            self._under_way -= 1
            caller.under_way -= 1
        return caller.take(body)


@dataclass(slots=True)
class _Caller:
    """A device that may call us. ``free_at``: when its next call is read."""

    device: str
    consumer: Consumer
    under_way: int = 0
    free_at: float = 0.0

    def take(self, body: bytes | None) -> int:
        if body is None:
            return 413
        began = time.monotonic()
        try:
            self.consumer(soap.read(body, self.device, "Notify"))
        except ProtocolFault:
            return 400
        finally:
            now = time.monotonic()
            self.free_at = max(self.free_at, now) + (now - began) * _REST
        return 200


async def _body(receive: Callable[[], Awaitable[Message]]) -> bytes | None:
    """The whole body; None where it is longer than any notification, or was not sent to its end."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > LONGEST_BODY:
            return None
        if not message.get("more_body"):
            return bytes(body)


async def ask_to_notify(
    client: SoapClient, events: str, consumer_url: str, book: Book, rng: random.Random
) -> Subscription:
    """Have the device post what it notices to ``consumer_url``. Raises Busy and every other DeviceError."""
    address = soap.escape(consumer_url).decode()

    def body(until: str) -> bytes:
        return (
            f'<Subscribe xmlns="{_WSNT}"><ConsumerReference>'
            f'<Address xmlns="{soap.NS["wsa"]}">{address}</Address></ConsumerReference>'
            f"<InitialTerminationTime>{until}</InitialTerminationTime></Subscribe>"
        ).encode()

    return await subscribe(client, events, _SUBSCRIBE, body, operation="Subscribe", book=book, rng=rng)


async def tells_states(client: SoapClient, events: str) -> bool:
    """Whether the device says that it has events with a state (ONVIF Core, GetEventProperties): with these it answers a
    SetSynchronizationPoint."""
    body = f'<GetEventProperties xmlns="{_TEV}"/>'.encode()
    try:
        answer = await client.call(
            events,
            _PROPERTIES,
            body,
            operation="GetEventProperties",
            headers=addressing(events, _PROPERTIES),
            limit=_LONGEST_PROPERTIES,
        )
    except (ProtocolFault, Unreachable):
        return False
    described = (element for element in answer.iter() if soap.local(element) == "MessageDescription")
    return any(element.get("IsProperty") in ("true", "1") for element in described)
