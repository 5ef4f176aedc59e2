"""A camera's main stream: opened when somebody asks, one session for all who ask, closed when nobody has for a while."""

import asyncio
from collections.abc import Callable

from gateway.errors import AuthFailed, DeviceError, Unreachable
from gateway.observability.logs import logger
from gateway.ports import AccessUnit
from gateway.supervision.governor import MOST_URGENT
from gateway.supervision.supervisor import BUSY_CEILING_S, Break
from gateway.video.cameras.stream import Stream, Switchboard
from gateway.video.live.tap import Reader, Taps
from gateway.video.pictures.ring import StoredKeyframe
from gateway.video.wire import CameraOrder

LINGER_S = 10.0
"""How long it stays open for the next who asks: an operator looks twice, and a dial costs the camera more than a stream."""
FRESH_S = 3.0
"""A keyframe no older than this is "now"; else the next one is waited for."""
REST_S = 3.0
"""After an attempt that failed, whoever asks is told why instead of dialling again at once."""


class MainStream:
    """Opens, shares and closes the main stream of one camera. ``check`` is to be called about once a second."""

    def __init__(
        self,
        order: CameraOrder,
        url: str,
        board: Switchboard,
        name: Callable[[AccessUnit], StoredKeyframe],
        changed: Callable[[], None],
    ) -> None:
        self.stream = Stream(order, url, board, self, MOST_URGENT)
        self.taps = Taps(lambda: board.clock.now().timestamp() - board.clock.mono())
        self._camera_id = order.id
        self._clock = board.clock
        self._name = name
        self._changed = changed
        self._session: asyncio.Task[None] | None = None
        self._closing = False
        self._waiting: set[asyncio.Future[StoredKeyframe]] = set()
        self._newest: StoredKeyframe | None = None
        self._asked_at = 0.0
        self._rests_until = 0.0
        self._ended = Break("it was not opened yet")

    async def keyframe(self, within_s: float) -> StoredKeyframe:
        """A keyframe of now. Raises AuthFailed, or Unreachable with the reason in words."""
        now = self._asked_at = self._clock.mono()
        if self._newest is not None and now - self._newest.received_mono <= FRESH_S:
            return self._newest
        if self._session is None:
            self._open(now)
        waiting: asyncio.Future[StoredKeyframe] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            async with asyncio.timeout(within_s):
                return await waiting
        except TimeoutError:
            raise Unreachable(
                f"the main stream of camera {self._camera_id} showed no picture within {within_s:g} s"
            ) from None
        finally:
            self._waiting.discard(waiting)
            self._asked_at = self._clock.mono()

    async def tap(self, within_s: float) -> Reader:
        """Read it as it comes, from a keyframe of now on. Raises AuthFailed or Unreachable."""
        reader = self.taps.open(None, self._newest)
        self.stream.wants_all = True
        try:
            await self.keyframe(within_s)
        except BaseException:
            reader.close()
            raise
        return reader

    def check(self, now_mono: float) -> None:
        """Hang up once nobody has asked for a while; dial again what broke while somebody looks."""
        self.stream.wants_all = self.taps.wanted
        if self.taps.wanted:
            self._asked_at = now_mono
            if self._session is None and now_mono >= self._rests_until:
                self._dial()
        elif self._session is not None and not self._waiting and now_mono - self._asked_at > LINGER_S:
            self._hang_up()

    async def close(self) -> None:
        self.taps.close()
        self._hang_up()
        self._tell(Unreachable(f"camera {self._camera_id} is no longer received by this worker"))
        if self._session is not None:
            await asyncio.wait([self._session])

    # -------------------------------------------------------------------------------------- Audience

    def unit(self, unit: AccessUnit) -> None:
        self.taps.unit(unit)
        if not unit.keyframe:
            return
        frame = self._newest = self._name(unit)
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(frame)

    def changed(self) -> None:
        """Its size and codec are nobody's business: the camera's health is that of the stream always received."""

    def broke(self) -> None:
        self._newest = None
        self.taps.broke()

    # -------------------------------------------------------------------------------------- the session

    def _open(self, now: float) -> None:
        if now < self._rests_until:
            raise self._failure()
        self._dial()

    def _dial(self) -> None:
        self._closing = False
        self._session = asyncio.create_task(self._run(), name=f"main stream of camera {self._camera_id}")
        self._session.add_done_callback(self._over)

    async def _run(self) -> None:
        self._ended = ended = await self.stream.once()
        self._rests_until = self._clock.mono() + max(REST_S, min(ended.after or 0.0, BUSY_CEILING_S))
        if ended.refused:
            self._changed()

    def _hang_up(self) -> None:
        if self._session is not None and not self._closing:
            self._closing = True
            self._session.cancel()

    def _over(self, session: asyncio.Task[None]) -> None:
        self._session = None
        if session.cancelled():
            if self._waiting:
                self._dial()  # somebody asked while it was being closed
        elif (fault := session.exception()) is not None:
            logger("video").error("a fault in the gateway's own code", camera=self._camera_id, exc_info=fault)
            self._tell(Unreachable(f"a fault in the gateway's own code ({type(fault).__name__}); please report it"))
        else:
            self._tell(self._failure())

    def _failure(self) -> DeviceError:
        if self._ended.refused:
            return AuthFailed(self._ended.reason)
        return Unreachable(f"the main stream of camera {self._camera_id}: {self._ended.reason}")

    def _tell(self, error: DeviceError) -> None:
        waiting, self._waiting = self._waiting, set()
        for each in waiting:
            if not each.done():
                each.set_exception(error)
