"""One stream as a gateway VideoSource, read by a libav child: a single attempt, which raises when it is over."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from adapters.libav.address import parse_address
from adapters.libav.faults import Blame
from adapters.libav.process import Child
from adapters.libav.wire import EVERYTHING, KEYFRAMES, Fault, Message, Opened, Report, Unit
from gateway.errors import Unreachable
from gateway.model import Credential
from gateway.ports import AccessUnit, VideoOutlet

START_S = 20.0
"""Loading PyAV takes 0.2 s on an idle machine."""
GRACE_S = 2.0
"""The child has the same deadlines, and tells more of what happened than our killing it: it goes first."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. ``open``: from dialling to a stream that is understood; ``silence``: no video at all while playing;
    ``keyframe``: video, but no keyframe; ``teardown``: for a child to take leave of the camera."""

    open: float = 15.0
    silence: float = 10.0
    keyframe: float = 30.0
    teardown: float = 1.0


_DEFAULTS = Timeouts()


class LibavSource:
    """Receives one stream with libav: ``rtsp``, ``rtsps``, ``rtp``, ``udp``, ``http``, ``https`` or ``file`` addresses.

    ``credential`` counts before one in the URL; ``transport`` (auto | tcp | udp | multicast) matters to RTSP alone.
    ``width``, ``height`` (pixels, None until known) and ``dropped`` (access units that could not be put together) tell of
    the attempt under way. Codecs: h264, h265 (Annex B) and mjpeg (each picture a JPEG and a keyframe; about three a second
    while not all are wanted).
    """

    def __init__(
        self,
        camera_id: str,
        url: str,
        credential: Credential | None,
        *,
        transport: str = "auto",
        timeouts: Timeouts = _DEFAULTS,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self._camera_id = camera_id
        self._url = url
        self._credential = credential
        self._transport = transport
        self._timeouts = timeouts
        self._mono = mono
        self._attempt: _Attempt | None = None

    @property
    def width(self) -> int | None:
        return (self._attempt.width or None) if self._attempt else None

    @property
    def height(self) -> int | None:
        return (self._attempt.height or None) if self._attempt else None

    @property
    def dropped(self) -> int:
        return self._attempt.dropped if self._attempt else 0

    @property
    def pid(self) -> int | None:
        """The child that reads at present."""
        return self._attempt.pid if self._attempt else None

    async def run(self, outlet: VideoOutlet) -> None:
        """One attempt. Raises Unreachable, AuthFailed or ProtocolFault; when cancelled, the child takes leave and ends."""
        address = parse_address(self._url, self._credential)
        opening = address.opening(self._transport, self._timeouts.open, self._timeouts.silence)
        blame = Blame(
            address.scheme,
            address.place,
            has_credential=address.credential is not None,
            open_s=opening.open_s,
            silence_s=opening.silence_s,
        )
        self._attempt = attempt = _Attempt(self._camera_id, outlet, blame, self._timeouts, self._mono)
        try:
            child = await Child.start()
        except OSError as error:
            raise blame.not_started(error.strerror or str(error)) from None
        attempt.pid = child.pid
        awake = False
        try:
            await attempt.wake(child)
            awake = True
            child.say(opening)
            await attempt.follow(child)
        except (EOFError, OSError):
            pass  # it is gone; what it died of is known in a moment
        finally:
            attempt.pid = None
            how = await child.end(self._timeouts.teardown)
        raise blame.child_died(how) if awake else blame.not_started(how)


class _Attempt:
    """What one child gives to the outlet."""

    def __init__(
        self, camera_id: str, outlet: VideoOutlet, blame: Blame, timeouts: Timeouts, mono: Callable[[], float]
    ) -> None:
        self._camera_id = camera_id
        self._outlet = outlet
        self._blame = blame
        self._timeouts = timeouts
        self._mono = mono
        self._codec: str | None = None
        self._online = False
        self._told = False
        self._video_at = self._keyframe_at = 0.0
        self.pid: int | None = None
        self.width = self.height = self.dropped = 0

    async def wake(self, child: Child) -> None:
        """Wait for its sign of life. Raises Unreachable; EOFError, OSError when the child is gone."""
        try:
            async with asyncio.timeout(START_S):
                if await child.hear() is not None:
                    raise EOFError  # it says what it may not
        except TimeoutError:
            raise self._blame.not_started("no sign of life") from None

    async def follow(self, child: Child) -> None:
        """Until the end of the stream. Raises DeviceError; EOFError, OSError when the child is gone."""
        self._video_at = self._keyframe_at = self._mono()
        while True:
            # Before the stream is understood, too: told later, the child has passed over the first pictures.
            if self._outlet.wants_all is not self._told:
                self._told = self._outlet.wants_all
                child.say(EVERYTHING if self._told else KEYFRAMES)
            self._take(await self._next(child))

    async def _next(self, child: Child) -> Message:
        now, waits = self._mono(), self._timeouts
        silent_at = self._video_at + GRACE_S + (waits.open if self._codec is None else waits.silence)
        blind_at = self._keyframe_at + waits.keyframe if self._codec else silent_at
        try:
            # What has already come is heard even when its time is over.
            async with asyncio.timeout(max(0.0, min(silent_at, blind_at) - now)):
                return await child.hear()
        except TimeoutError:
            raise self._overdue(silent=silent_at <= blind_at) from None

    def _overdue(self, *, silent: bool) -> Unreachable:
        if self._codec is None:
            return self._blame.not_opened()
        return self._blame.silent() if silent else self._blame.without_keyframe(self._timeouts.keyframe)

    def _take(self, message: Message) -> None:
        match message:
            case Opened():
                self._codec, self.width, self.height = message.codec, message.width, message.height
                self._video_at = self._keyframe_at = self._mono()
                self._outlet.playing()
            case Unit() if self._codec is not None:
                self._pass_on(message, self._codec)
            case Report():
                self._video_at = self._mono() if message.video else self._video_at
                self.dropped += message.dropped
                if message.received:
                    self._outlet.received(message.received)
            case Fault():
                raise self._blame.error(message.reason, message.detail, opened=self._codec is not None)
            case _:
                raise EOFError  # it says what it may not: it has been taken over

    def _pass_on(self, unit: Unit, codec: str) -> None:
        now = self._mono()
        self._video_at = now
        self.width, self.height = unit.width, unit.height
        if unit.keyframe:
            self._keyframe_at = now
            if not self._online:
                self._online = True
                self._outlet.online(codec)
        at = unit.at_mono if now - GRACE_S < unit.at_mono < now else now
        self._outlet.unit(AccessUnit(self._camera_id, at, unit.keyframe, codec, unit.payload, unit.rtp_time))
