"""Listens to what is done above: the receiving end of the downlink. One attempt; who supervises it tries again."""

import time
from collections.abc import Callable

import aiohttp

from adapters.cascade import wire
from adapters.cascade.addresses import Addresses
from adapters.cascade.answers import HttpAnswer, require_success
from adapters.cascade.link import CONNECT_WITHIN, Link
from adapters.cascade.live_wire import LiveRequest, read_request
from adapters.cascade.settings import CascadeSinkSettings
from adapters.cascade.sse import EventParser, ServerSentEvent
from gateway.errors import AuthFailed, GatewayError, ProtocolFault, Unreachable
from gateway.observability.logs import logger
from gateway.ports import Upper

_log = logger("cascade")

SILENCE = 20.0  # s: EN 50136 SP6, a path failure is reported within 20 s; the upper node pings at least every 10 s


class CascadeDownlink:
    """The connection to the upper node at ``settings.url`` on which its entries come down."""

    def __init__(
        self,
        settings: CascadeSinkSettings,
        node_id: str,
        *,
        silence: float = SILENCE,
        live: Callable[[LiveRequest], None] | None = None,
    ) -> None:
        """``live``: told of every live view that is wanted above; it does not wait."""
        self.id = settings.id
        self._settings = settings
        self._node = node_id
        self._silence = silence
        self._live = live
        self._addresses = Addresses(settings.url, settings.also)

    async def run(self, upper: Upper, on_online: Callable[[], None]) -> None:
        """Take entries until the connection ends, which always raises: Unreachable | AuthFailed | ProtocolFault, or
        StoreFailed where an entry could not be committed. ``on_online`` is called once the stream stands."""
        async with Link(self._settings, self._node, connections=1, addresses=self._addresses) as link:
            address = link.address
            try:
                await self._listen(link, address, upper, on_online)
            except aiohttp.SocketTimeoutError:
                self._addresses.failed(address, time.monotonic())
                raise Unreachable(f"{address}: the downlink was silent for {self._silence:g} s") from None
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self._addresses.failed(address, time.monotonic())
                raise link.unreachable(error, self._silence, address) from error
        raise Unreachable(f"{address}: the upper node ended the downlink")

    async def _listen(self, link: Link, address: str, upper: Upper, on_online: Callable[[], None]) -> None:
        position = await upper.bookmark()
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_WITHIN, sock_read=self._silence)
        async with link.session().get(
            f"{address}/cascade/v1/downlink",
            params={"after": str(position)},
            headers={"Accept": "text/event-stream", "Cache-Control": "no-store", "Last-Event-ID": str(position)},
            timeout=timeout,
            allow_redirects=False,
        ) as response:
            await _require_stream(response, address)
            on_online()
            parser = EventParser()
            async for chunk in response.content.iter_any():
                for event in parser.feed(chunk):
                    position = await self._take(event, position, upper)

    async def _take(self, event: ServerSentEvent, position: int, upper: Upper) -> int:
        """Hand an entry on; the position reached. What cannot be read is logged whole enough to be replayed."""
        if event.event == "ping":
            return position
        if event.event == "live":
            self._show(event)
            return position
        # A foreign node may count otherwise than in whole numbers: then its entries are taken, but not resumed.
        reached = int(event.id) if event.id.isascii() and event.id.isdigit() and len(event.id) < 19 else position
        try:
            entry = wire.read_entry(wire.read_json(event.data.encode("utf-8", "surrogatepass")))
        except ValueError as error:
            _log.warning(
                "an event from above cannot be read", sink=self.id, reason=str(error), event_data=event.data[:2000]
            )
            return reached
        if entry is None:
            return reached
        if entry.node == self._node:
            _log.warning("an entry from above bears this node's name; passed over", sink=self.id, entry=entry.id)
            return reached
        await upper.take(reached, entry)
        return reached

    def _show(self, event: ServerSentEvent) -> None:
        try:
            request = read_request(wire.read_json(event.data.encode("utf-8", "surrogatepass")))
        except ValueError as error:
            _log.warning("a request for a live view cannot be read", sink=self.id, reason=str(error))
            return
        if self._live is not None:
            self._live(request)


async def _require_stream(response: aiohttp.ClientResponse, address: str) -> None:
    if response.status in (401, 403):
        raise AuthFailed(f"{address} does not accept this node's token for the downlink (HTTP {response.status})")
    if response.status in (404, 405):
        raise ProtocolFault(
            f"{address} has no downlink (HTTP {response.status}): is it a gateway with a cascade source?"
        )
    try:
        require_success(HttpAnswer(response.status, response.headers, b""), address)
    except GatewayError as error:
        raise Unreachable(str(error)) from error
    if response.content_type != "text/event-stream":
        raise ProtocolFault(f"{address} answered the downlink with {response.content_type}, not text/event-stream")
