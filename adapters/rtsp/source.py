"""One camera's stream as a gateway VideoSource: a single attempt, which raises when it is over."""

import asyncio
import time
from collections.abc import Callable

from adapters.rtsp.address import Address, parse_address
from adapters.rtsp.h264 import H264Depacketiser
from adapters.rtsp.h264_syntax import parameter_sets, sprop_nals
from adapters.rtsp.session import CODEC, Session, Timeouts
from adapters.rtsp.transport import Connection, ReceiveBuffer
from gateway.errors import ProtocolFault, Unreachable
from gateway.model import Credential
from gateway.ports import AccessUnit, VideoOutlet

_CODEC = "h264"
_DEFAULTS = Timeouts()
_MAX_INTERVAL = 1.0  # the outlet hears of received bytes about once a second


class RtspSource:
    """Receives one camera over RTSP, RTP interleaved in its TCP connection.

    ``credential`` counts before one in the URL. ``buffer`` is shared by all sources of an event loop; without it the
    source has its own. ``width``, ``height`` (pixels, None until known) and ``dropped`` (access units that could not be
    put together) tell of the attempt under way.
    """

    def __init__(
        self,
        camera_id: str,
        url: str,
        credential: Credential | None,
        *,
        allow_basic: bool = True,
        timeouts: Timeouts = _DEFAULTS,
        buffer: ReceiveBuffer | None = None,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self._camera_id = camera_id
        self._url = url
        self._credential = credential
        self._allow_basic = allow_basic
        self._timeouts = timeouts
        self._buffer = buffer or ReceiveBuffer()
        self._mono = mono
        self._attempt: _Attempt | None = None

    @property
    def width(self) -> int | None:
        return self._attempt.depacketiser.sets.width if self._attempt and self._attempt.depacketiser else None

    @property
    def height(self) -> int | None:
        return self._attempt.depacketiser.sets.height if self._attempt and self._attempt.depacketiser else None

    @property
    def dropped(self) -> int:
        return self._attempt.depacketiser.dropped if self._attempt and self._attempt.depacketiser else 0

    async def run(self, outlet: VideoOutlet) -> None:
        """One attempt. Raises Unreachable, AuthFailed or ProtocolFault; sends TEARDOWN when cancelled."""
        address = parse_address(self._url)
        credential = self._credential or address.credential
        session = Session(address, credential, self._timeouts, allow_basic=self._allow_basic)
        self._attempt = attempt = _Attempt(self._camera_id, session, outlet)
        waits = (self._timeouts.answer, self._timeouts.silence, self._timeouts.keyframe)
        connection = Connection(
            session,
            self._buffer,
            self._mono,
            authority=address.authority,
            interval=min(_MAX_INTERVAL, min(waits) / 4),
            before_walk=attempt.before_walk,
            on_message_done=attempt.attach,
            on_tick=attempt.report,
            keyframe_at=lambda: attempt.keyframe_at,
        )
        await self._connect(address, connection)
        try:
            await connection.ended
        except ProtocolFault as fault:
            sentence = str(fault)
            known = sentence.startswith(address.authority)
            raise ProtocolFault(sentence if known else f"{address.authority} sent {sentence}") from None
        finally:
            await connection.close(self._timeouts.teardown)

    async def _connect(self, address: Address, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        connected = False
        try:
            async with asyncio.timeout(self._timeouts.connect):
                await loop.create_connection(lambda: connection, address.host, address.port)
            connected = True
        except TimeoutError:
            raise Unreachable(
                f"{address.authority} did not accept a connection within {self._timeouts.connect:g} s; "
                "is the camera powered and on the network?"
            ) from None
        except UnicodeError:
            raise ProtocolFault(f"“{address.host}” is not a host name") from None
        except OSError as error:
            why = error.strerror or str(error)
            raise Unreachable(
                f"{address.authority} cannot be connected: {why}; look at address, port and power"
            ) from None
        finally:
            if not connected:
                connection.abandon()


class _Attempt:
    """What one connection gives to the outlet."""

    __slots__ = ("_all", "_camera_id", "_outlet", "_session", "depacketiser", "keyframe_at")

    def __init__(self, camera_id: str, session: Session, outlet: VideoOutlet) -> None:
        self._camera_id = camera_id
        self._session = session
        self._outlet = outlet
        self._all = False
        self.depacketiser: H264Depacketiser | None = None
        self.keyframe_at = 0.0

    def attach(self, connection: Connection) -> None:
        """Receive media as soon as SETUP is answered: some cameras send it ahead of the answer to PLAY."""
        if self.depacketiser is not None or self._session.channel is None or self._session.media is None:
            return
        sprop = self._session.media.parameters(CODEC).get("sprop-parameter-sets", "")
        self.depacketiser = H264Depacketiser(parameter_sets(sprop_nals(sprop)), self._emit)
        self.before_walk()
        connection.demultiplexer.attach(self._session.channel, self.depacketiser)

    def before_walk(self) -> None:
        wanted = self._outlet.wants_all
        if wanted is not self._all and self.depacketiser is not None:
            self._all = wanted
            self.depacketiser.want_all(wanted)

    def report(self, received: int) -> None:
        if received:
            self._outlet.received(received)

    def _emit(self, keyframe: bool, payload: bytes, rtp_time: int, at: float) -> None:
        if keyframe:
            if not self.keyframe_at:
                self._outlet.online(_CODEC)
            self.keyframe_at = at
        self._outlet.unit(AccessUnit(self._camera_id, at, keyframe, _CODEC, payload, rtp_time))
