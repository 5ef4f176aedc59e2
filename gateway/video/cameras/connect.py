"""Which adapter reads which stream: our own RTSP where it is spoken, libav for all the rest."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from adapters.libav.source import LibavSource
from adapters.libav.source import Timeouts as LibavTimeouts
from adapters.rtsp import ReceiveBuffer, RtspSource
from adapters.rtsp import Timeouts as RtspTimeouts
from gateway.errors import NotSpoken, ProtocolFault, Unreachable
from gateway.observability.logs import logger
from gateway.open_files import running_out
from gateway.ports import AccessUnit, VideoOutlet
from gateway.reach import Reach
from gateway.video.cameras.stream import CameraSource
from gateway.video.wire import CameraOrder

REMEMBER_S = 3600.0
"""So long a camera that our RTSP could not read goes straight to libav: an hour after its encoding was changed to H.264 it
costs a tenth again."""
REFUSED_S = 600.0
"""So long a camera that neither reads is not shown to libav again: a process for nothing, every few seconds."""
REMEMBERED = 4096
_SPOKEN = ("h264", "h265")  # by our own RTSP
AT_ONCE = 64
"""Streams that libav reads at once, at about 14 MB each. More of them are a mistake in the camera list, or an attack."""


class Connector:
    """Makes the connection of one attempt. One for each worker: its RTSP connections share the receive ``buffer``. ``reach``:
    which addresses may be dialled."""

    def __init__(
        self,
        buffer: ReceiveBuffer | None = None,
        *,
        reach: Reach = Reach(),
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self._buffer = buffer or ReceiveBuffer()
        self._reach = reach
        self._mono = mono
        self._not_spoken = _Memory(mono, REMEMBER_S)
        self._needs_libav = _Memory(mono, REMEMBER_S)
        self._refused = _Memory(mono, REFUSED_S)
        self._reading: set[object] = set()

    def __call__(self, order: CameraOrder, url: str, keyframe_s: float) -> CameraSource:
        """For one stream (``url``) of a camera; ``keyframe_s``: how long video without a keyframe is borne.

        Raises Unreachable where this process may hardly open another file: its core has to be heard all the same.
        """
        if running_out():
            raise Unreachable(
                "the video worker has as many connections as its limit on open files allows; raise the hard limit "
                "(LimitNOFILE= of the service, or ulimit -Hn)"
            )
        libav = _Few(
            _Allowed(
                LibavSource(
                    order.id,
                    url,
                    order.credential,
                    transport=order.transport,
                    timeouts=LibavTimeouts(keyframe=keyframe_s),
                    mono=self._mono,
                ),
                url,
                self._reach,
            ),
            self._reading,
        )
        ours = url.strip().lower().startswith(("rtsp://", "rtsps://")) and order.transport != "multicast"
        # The order's credential and transport belong to the name: what changes is tried afresh.
        name = (order.id, url, order.transport, order.allow_basic, order.credential)
        if not ours or name in self._needs_libav:
            return libav
        if name in self._not_spoken:
            return _UntilSpoken(libav, partial(self._not_spoken.put, name, False))
        rtsp = RtspSource(
            order.id,
            url,
            order.credential,
            transport=order.transport,
            allow_basic=order.allow_basic,
            timeouts=RtspTimeouts(keyframe=keyframe_s),
            buffer=self._buffer,
            reach=self._reach,
            mono=self._mono,
        )
        return _RtspFirst(order.id, rtsp, None if name in self._refused else libav, partial(self._remember, name))

    def _remember(self, name: object, codec: str | None) -> None:
        self._not_spoken.put(name, codec is not None and codec not in _SPOKEN)
        self._needs_libav.put(name, codec in _SPOKEN)  # encrypted, or by multicast only
        self._refused.put(name, codec is None)


class _Through:
    """A source that stands before another one."""

    def __init__(self, source: CameraSource) -> None:
        self.source = source

    @property
    def width(self) -> int | None:
        return self.source.width

    @property
    def height(self) -> int | None:
        return self.source.height

    @property
    def dropped(self) -> int:
        return self.source.dropped


class _RtspFirst(_Through):
    """Our RTSP; where the camera offers only what it does not speak, libav takes over within the same attempt.

    ``remember`` is told which codec libav reads there (empty until it is known), so that it begins the next time, or None:
    it is not to be tried (``libav`` None).
    """

    def __init__(
        self, camera_id: str, rtsp: CameraSource, libav: CameraSource | None, remember: Callable[[str | None], None]
    ) -> None:
        super().__init__(rtsp)
        self._camera_id = camera_id
        self._libav = libav
        self._remember = remember

    async def run(self, outlet: VideoOutlet) -> None:
        try:
            await self.source.run(outlet)
        except NotSpoken as fault:
            if self._libav is None:
                raise
            not_spoken = fault
        else:
            return
        logger("video").debug("a camera is read by libav", camera=self._camera_id, reason=str(not_spoken))
        self.source = self._libav
        self._remember("")
        try:
            await self._libav.run(_Listening(outlet, self._remember))
        except ProtocolFault as fault:
            if self._libav.width is not None:
                raise  # it did read the camera, and may again
            # Neither speaks it: our own says better what the camera has to be set to.
            self._remember(None)
            raise ProtocolFault(f"{not_spoken} (read by libav: {fault})") from None


class _UntilSpoken(_Through):
    """libav, for a camera whose codec our RTSP did not speak; once it sends one that is spoken, the attempt ends and our
    RTSP may try again: it costs a tenth."""

    def __init__(self, libav: CameraSource, forget: Callable[[], None]) -> None:
        super().__init__(libav)
        self._forget = forget

    async def run(self, outlet: VideoOutlet) -> None:
        spoken: list[str] = []

        def heard(codec: str) -> None:
            if codec in _SPOKEN:
                spoken.append(codec)
                reading.cancel()

        reading = asyncio.ensure_future(self.source.run(_Listening(outlet, heard)))
        try:
            await reading
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not spoken or (task is not None and task.cancelling()):
                raise
            self._forget()
            raise Unreachable(
                f"the camera sends {spoken[0]} now, which is received without libav; connecting anew"
            ) from None


class _Listening:
    """The outlet, with an ear for the codec that comes online."""

    def __init__(self, outlet: VideoOutlet, heard: Callable[[str], None]) -> None:
        self._outlet = outlet
        self._heard = heard

    @property
    def wants_all(self) -> bool:
        return self._outlet.wants_all

    @wants_all.setter
    def wants_all(self, wanted: bool) -> None:
        self._outlet.wants_all = wanted

    def playing(self) -> None:
        self._outlet.playing()

    def online(self, codec: str) -> None:
        self._outlet.online(codec)
        self._heard(codec)

    def unit(self, unit: AccessUnit) -> None:
        self._outlet.unit(unit)

    def received(self, size: int) -> None:
        self._outlet.received(size)


class _Allowed(_Through):
    """A libav source whose host is looked at before it is dialled. libav looks names up by itself, so a name that answers
    otherwise the second time is not noticed; an address is."""

    def __init__(self, source: CameraSource, url: str, reach: Reach) -> None:
        super().__init__(source)
        self._url = url
        self._reach = replace(reach, multicast=True) if url.startswith(("rtp:", "udp:")) else reach

    async def run(self, outlet: VideoOutlet) -> None:
        host = urlsplit(self._url).hostname
        if host is not None:
            try:
                await self._reach.addresses(host, 0)
            except (OSError, UnicodeError) as error:
                raise Unreachable(f"{host} is no name that can be looked up: {error}") from None
        await self.source.run(outlet)


class _Few(_Through):
    """A libav source that is refused where too many are ``reading`` already."""

    def __init__(self, source: CameraSource, reading: set[object]) -> None:
        super().__init__(source)
        self._reading = reading

    async def run(self, outlet: VideoOutlet) -> None:
        if len(self._reading) >= AT_ONCE:
            raise Unreachable(
                f"libav reads {AT_ONCE} streams in this video worker already; set cameras to H.264 or H.265 over RTSP, which "
                "cost a tenth and have no such limit"
            )
        self._reading.add(self)
        try:
            await self.source.run(outlet)
        finally:
            self._reading.discard(self)


class _Memory:
    """Names, for ``seconds`` each, the newest ``REMEMBERED`` of them."""

    def __init__(self, mono: Callable[[], float], seconds: float) -> None:
        self._mono = mono
        self._seconds = seconds
        self._until: OrderedDict[object, float] = OrderedDict()

    def put(self, name: object, kept: bool) -> None:
        self._until.pop(name, None)
        if kept:
            self._until[name] = self._mono() + self._seconds
        while len(self._until) > REMEMBERED:
            self._until.popitem(last=False)

    def __contains__(self, name: object) -> bool:
        until = self._until.get(name)
        return until is not None and self._mono() < until
