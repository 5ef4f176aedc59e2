"""One camera's stream as a gateway VideoSource: a single attempt, which raises when it is over."""

import asyncio
import ssl
import time
from collections.abc import Callable

from adapters.rtsp.address import Address, parse_address
from adapters.rtsp.attempt import Attempt
from adapters.rtsp.buffer import ReceiveBuffer
from adapters.rtsp.deadlines import Timeouts
from adapters.rtsp.refusal import Redirected, UdpOnly, follow
from adapters.rtsp.route import OFFERS, UDP
from adapters.rtsp.tls import any_certificate
from gateway.errors import AuthFailed, ProtocolFault, Unreachable
from gateway.model import Credential
from gateway.ports import VideoOutlet
from gateway.reach import Reach

_DEFAULTS = Timeouts()
_MAX_CONNECTIONS = 4  # of one attempt: three redirections are more than anybody means


class RtspSource:
    """Receives one camera over RTSP or RTSPS; RTP within the connection, or by UDP.

    ``transport``: ``tcp``, ``udp``, or ``auto``, which asks for TCP and takes UDP from cameras that refuse it.
    ``credential`` counts before one in the URL. ``buffer`` is shared by all sources of an event loop; without it the
    source has its own. ``reach``: which addresses may be dialled, the first and those that a camera redirects to. ``width``, ``height`` (pixels, None until known) and ``lost`` (RTP packets, by UDP) tell of the
    connection under way, ``dropped`` (access units that could not be put together) of all.
    """

    def __init__(
        self,
        camera_id: str,
        url: str,
        credential: Credential | None,
        *,
        transport: str = "auto",
        allow_basic: bool = False,
        timeouts: Timeouts = _DEFAULTS,
        buffer: ReceiveBuffer | None = None,
        reach: Reach = Reach(),
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        if transport not in OFFERS:
            raise ValueError(f"transport is one of {', '.join(OFFERS)}, not {transport}")
        self._camera_id = camera_id
        self._url = url
        self._credential = credential
        self._transport = transport
        self._allow_basic = allow_basic
        self._timeouts = timeouts
        self._buffer = buffer or ReceiveBuffer()
        self._reach = reach
        self._mono = mono
        self._attempt: Attempt | None = None
        self._dropped = 0  # on connections that were redirected

    @property
    def width(self) -> int | None:
        return self._attempt.depacketiser.width if self._attempt and self._attempt.depacketiser else None

    @property
    def height(self) -> int | None:
        return self._attempt.depacketiser.height if self._attempt and self._attempt.depacketiser else None

    @property
    def dropped(self) -> int:
        newest = self._attempt.depacketiser.dropped if self._attempt and self._attempt.depacketiser else 0
        return self._dropped + newest

    @property
    def lost(self) -> int:
        return self._attempt.lost if self._attempt else 0

    async def run(self, outlet: VideoOutlet) -> None:
        """One attempt, on another connection where the camera redirects. Raises Unreachable (Busy where the camera has
        no session left), AuthFailed or ProtocolFault (NotSpoken); sends TEARDOWN, also when cancelled."""
        first = address = parse_address(self._url)
        credential = self._credential or address.credential
        transport = self._transport
        for _ in range(_MAX_CONNECTIONS):
            try:
                await self._receive(address, credential, transport, outlet)
            except Redirected as elsewhere:
                address, credential = follow(address, credential, elsewhere.location)
            except UdpOnly:
                transport = UDP
            except AuthFailed as refused:
                if address.host == first.host:
                    raise
                raise ProtocolFault(
                    f"{first.authority} redirects to another host, which wants a login: {refused}; our credential goes "
                    "to no other host than its own: configure that address"
                ) from None
        raise ProtocolFault(f"{first.authority} redirects again and again; correct the stream address")

    async def _receive(
        self, address: Address, credential: Credential | None, transport: str, outlet: VideoOutlet
    ) -> None:
        self._dropped = self.dropped
        self._attempt = attempt = Attempt(
            self._camera_id,
            address,
            credential,
            outlet,
            transport=transport,
            allow_basic=self._allow_basic,
            timeouts=self._timeouts,
            buffer=self._buffer,
            mono=self._mono,
        )
        await self._connect(address, attempt)
        await attempt.run()

    async def _dial(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: asyncio.BaseProtocol,
        address: Address,
        tls: ssl.SSLContext | None,
    ) -> None:
        """At each address of the host in turn: those that were looked at, so that no second look-up finds another."""
        name = None if tls is None else address.host
        *others, last = await self._reach.addresses(address.host, address.port)
        for place in others:
            try:
                await loop.create_connection(lambda: connection, place, address.port, ssl=tls, server_hostname=name)
            except OSError:
                continue
            return
        await loop.create_connection(lambda: connection, last, address.port, ssl=tls, server_hostname=name)

    async def _connect(self, address: Address, attempt: Attempt) -> None:
        connection = attempt.connection
        loop = asyncio.get_running_loop()
        connected = False
        try:
            async with asyncio.timeout(self._timeouts.connect):
                tls = any_certificate() if address.tls else None
                await self._dial(loop, connection, address, tls)
            connected = True
        except TimeoutError:
            raise Unreachable(
                f"{address.authority} did not accept a connection within {self._timeouts.connect:g} s; "
                "is the camera powered and on the network?"
            ) from None
        except UnicodeError:
            raise ProtocolFault(f"“{address.host}” is not a host name") from None
        except ssl.SSLError as error:
            why = (error.reason or "it broke off").replace("_", " ").lower()
            raise ProtocolFault(
                f"{address.authority} and we agree on no TLS ({why}); is this the port of rtsps://?"
            ) from None
        except OSError as error:
            why = error.strerror or str(error)
            raise Unreachable(
                f"{address.authority} cannot be connected: {why}; look at address, port and power"
            ) from None
        finally:
            if not connected:
                connection.abandon()
