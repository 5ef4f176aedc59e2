"""One connection's worth of a camera: the dialogue, the way RTP comes, and what the outlet is told."""

from collections.abc import Callable

from adapters.rtsp.address import Address
from adapters.rtsp.buffer import ReceiveBuffer
from adapters.rtsp.deadlines import Timeouts
from adapters.rtsp.payload.depacketiser import Depacketiser, depacketiser
from adapters.rtsp.reports import DatagramReports, InterleavedReports
from adapters.rtsp.route import Interleaved, Route
from adapters.rtsp.sdp import Media
from adapters.rtsp.session import Session, State
from adapters.rtsp.transport import Connection
from adapters.rtsp.udp import UdpPorts
from gateway.errors import NotSpoken, ProtocolFault
from gateway.model import Credential
from gateway.ports import AccessUnit, VideoOutlet

_TICK = 1.0  # the outlet hears of received bytes about once a second


class Attempt:
    """Owns one Connection and, where RTP comes by UDP, the ports for it."""

    def __init__(
        self,
        camera_id: str,
        address: Address,
        credential: Credential | None,
        outlet: VideoOutlet,
        *,
        transport: str,
        allow_basic: bool,
        timeouts: Timeouts,
        buffer: ReceiveBuffer,
        mono: Callable[[], float],
    ) -> None:
        self.depacketiser: Depacketiser | None = None
        self.session = Session(
            address, credential, timeouts, allow_basic=allow_basic, transport=transport, open_ports=self._open_ports
        )
        self.connection = Connection(
            self.session, buffer, mono, self, authority=address.authority, interval=min(_TICK, timeouts.shortest / 4)
        )
        self._camera_id = camera_id
        self._authority = address.authority
        self._outlet = outlet
        self._buffer = buffer
        self._mono = mono
        self._teardown = timeouts.teardown
        self._all = False
        self._attached = False
        self._playing = False
        self._keyframe_at = 0.0
        self._udp: UdpPorts | None = None
        self._reports: InterleavedReports | DatagramReports | None = None

    @property
    def lost(self) -> int:
        """RTP packets that the network lost (UDP only)."""
        return self._udp.reception.lost if self._udp else 0

    async def run(self) -> None:
        """From the standing connection to its end, which is raised; TEARDOWN whatever happens."""
        try:
            await self.connection.ended
        except ProtocolFault as fault:
            if str(fault).startswith(self._authority):
                raise
            raise ProtocolFault(f"{self._authority} sent {fault}") from None
        finally:
            self._close_ports()
            await self.connection.close(self._teardown)

    # ------------------------------------------------------------------------------------------ the connection's owner

    def message_read(self, connection: Connection) -> None:
        """Receive media as soon as SETUP is answered: some cameras send it ahead of the answer to PLAY."""
        if self.depacketiser is None and self.session.media is not None:
            self._choose_depacketiser(self.session.media)
        if not self._attached and self.depacketiser is not None and self.session.route is not None:
            self._attached = True
            self._attach(self.depacketiser, self.session.route)
        if not self._playing and self.session.state is State.PLAYING:
            self._playing = True
            if self._udp is not None:
                self._udp.report(self._mono())  # at once: it opens the way through a NAT
            self._outlet.playing()

    def before_walk(self) -> None:
        wanted = self._outlet.wants_all
        if wanted is not self._all and self.depacketiser is not None:
            self._all = wanted
            self.depacketiser.want_all(wanted)

    def tick(self, now: float) -> bytes:
        connection, udp = self.connection, self._udp
        size, connection.size = connection.size, 0
        seen, connection.demultiplexer.media_seen = connection.demultiplexer.media_seen, False
        if udp is not None:
            size, udp.size = size + udp.size, 0
            seen, udp.media_seen = seen or udp.media_seen, False
        if size:
            self._outlet.received(size)
        asked = self.session.tick(now, media_seen=seen, keyframe_at=self._keyframe_at)
        if self._playing and self._reports is not None:
            return asked + self._reports.due(now)
        return asked

    # ------------------------------------------------------------------------------------------ media

    def _choose_depacketiser(self, media: Media) -> None:
        try:
            self.depacketiser = depacketiser(media, self._emit)
        except NotSpoken as fault:
            raise NotSpoken(f"{self._authority} offers {fault}") from None

    def _attach(self, sink: Depacketiser, route: Route) -> None:
        self.before_walk()
        connection = self.connection
        if isinstance(route, Interleaved):
            self._close_ports()  # asked for UDP, and got this all the same
            connection.demultiplexer.attach(route.rtp, sink)
            if route.rtcp is not None:
                self._reports = InterleavedReports(connection.demultiplexer, route.rtp, route.rtcp, sink)
        elif self._udp is not None:
            _, camera = connection.addresses
            self._udp.start(camera, route, sink, self._buffer, self._mono, self.before_walk)
            self._reports = DatagramReports(self._udp)

    def _open_ports(self) -> int:
        ours, _ = self.connection.addresses
        self._udp = UdpPorts(ours)
        return self._udp.port

    def _close_ports(self) -> None:
        if self._udp is not None:
            self._udp.close()
            self._udp = None

    def _emit(self, keyframe: bool, payload: bytes, rtp_time: int, at: float) -> None:
        assert self.depacketiser is not None, "it is what emits"
        codec = self.depacketiser.codec
        if keyframe:
            if not self._keyframe_at:
                self._outlet.online(codec)
            self._keyframe_at = at
        self._outlet.unit(AccessUnit(self._camera_id, at, keyframe, codec, payload, rtp_time))
