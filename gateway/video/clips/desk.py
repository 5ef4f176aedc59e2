"""The clip desk: makes the clips that alerts still lack, each from the complete video that its worker holds.

At once the worker is told to keep the span; once the span is over it is cut, stored and recorded. Presses beside one
camera within two seconds share one clip, which covers all of them and says its true span. A clip that cannot be had gets
a state and a reason; nothing here ever delays an alert or a picture.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import DeviceError, StoreFailed, Unreachable
from gateway.model import ClipTask, Draft
from gateway.observability import metrics
from gateway.observability.logs import logger
from gateway.ports import Clock, Ledger, MediaStore, Transaction, VideoService

_TOGETHER_S = 2.0
_SETTLED_S = 1.0  # past the end of the span: what was on its way from the camera has come
_PATIENCE_S = 60.0  # past the end of the span: as long as a worker holds what it was told to
_TRY_AGAIN_S = 2.0
_HOLD_AGAIN_S = (
    10.0  # a worker that was started anew holds nothing, and keeps by itself no more than what comes before a press
)
_TRY_LATER_S = 10.0  # for a ledger that cannot be read or written
_AT_ONCE = 2  # clips in this process's memory, each of up to 48 MiB
_BATCH = 5000
_log = logger("clips")


@dataclass(slots=True)
class Reel:
    """The tasks that one piece of footage serves: of one camera and one boot, their presses close together."""

    tasks: list[ClipTask]
    cut: bool = field(default=False)  # nobody may join any more

    @property
    def camera_id(self) -> str:
        return self.tasks[0].camera_id

    @property
    def boot_id(self) -> str:
        return self.tasks[0].boot_id

    @property
    def begin(self) -> float:
        return min(_begin(task) for task in self.tasks)

    @property
    def end(self) -> float:
        return max(_end(task) for task in self.tasks)

    def takes(self, task: ClipTask) -> bool:
        first = self.tasks[0]
        close = max(abs(_begin(task) - _begin(first)), abs(_end(task) - _end(first))) <= _TOGETHER_S
        return not self.cut and task.boot_id == first.boot_id and close


@dataclass(frozen=True, slots=True)
class Made:
    """A stored clip: what is left of the footage once its bytes are on disk."""

    from_mono: float
    to_mono: float
    codec: str
    sha256: str


class ClipDesk:
    """Works through the ledger's clip tasks for ever."""

    def __init__(self, ledger: Ledger, video: VideoService, media: MediaStore, clock: Clock, *, boot_id: str) -> None:
        self._ledger = ledger
        self._video = video
        self._media = media
        self._clock = clock
        self._boot_id = boot_id
        self._known: set[tuple[str, str]] = set()
        self._reels: dict[str, list[Reel]] = defaultdict(list)
        self._cutting = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        """Give each task to a reel of its camera. Ends by cancellation; what is left is taken up by the next run."""
        seen = 0
        try:
            async with asyncio.TaskGroup() as reels:
                while True:
                    for task in await self._tasks():
                        self._thread(reels, task)
                    seen = await self._ledger.changed("clip", seen)
        finally:
            self._known.clear()
            self._reels.clear()

    async def _tasks(self) -> Sequence[ClipTask]:
        while True:
            try:
                return await self._ledger.read(lambda reader: reader.clip_tasks(_BATCH))
            except StoreFailed as error:
                _log.warning("clips that are still to be made could not be read", reason=str(error))
                await self._clock.sleep(_TRY_LATER_S)

    def _thread(self, reels: asyncio.TaskGroup, task: ClipTask) -> None:
        key = (task.alert_id, task.clip_id)
        if key in self._known:
            return
        self._known.add(key)
        known = next((reel for reel in self._reels[task.camera_id] if reel.takes(task)), None)
        if known is not None:
            known.tasks.append(task)
            return
        reel = Reel([task])
        self._reels[task.camera_id].append(reel)
        reels.create_task(self._serve(reel), name=f"clip {task.camera_id}")

    async def _serve(self, reel: Reel) -> None:
        results = await self._results(reel)
        while not await self._recorded(reel.camera_id, results):
            await self._clock.sleep(_TRY_LATER_S)
        self._known -= {(task.alert_id, task.clip_id) for task in reel.tasks}
        self._reels[reel.camera_id].remove(reel)
        if not self._reels[reel.camera_id]:
            del self._reels[reel.camera_id]

    async def _results(self, reel: Reel) -> list[tuple[ClipTask, dict[str, Any]]]:
        """What is to be said of each task, once there is no more to be hoped for."""
        try:
            if reel.boot_id != self._boot_id:
                raise DeviceError("the box was restarted before the clip could be made")
            await self._keep(reel)
            made = await self._cut(reel)
        except (DeviceError, StoreFailed) as error:
            reel.cut = True
            return [(task, _failure(task, str(error))) for task in reel.tasks]
        return [(task, _success(task, made)) for task in reel.tasks]

    async def _keep(self, reel: Reel) -> None:
        """Have the span held until it is over; a worker that died meanwhile is told again."""
        while True:
            again = _HOLD_AGAIN_S if await self._hold(reel) else _TRY_AGAIN_S
            left = reel.end + _SETTLED_S - self._clock.mono()  # those who join may have moved the end
            if left <= 0:
                return
            await self._clock.sleep(min(left, again))

    async def _hold(self, reel: Reel) -> bool:
        """Whether the worker was told. It is the same span each time, wide enough for all who may join."""
        first = reel.tasks[0]
        try:
            await self._video.hold(reel.camera_id, _begin(first) - _TOGETHER_S, _end(first) + _TOGETHER_S)
        except DeviceError as error:
            _log.debug("the video of an alert could not be held yet", camera=reel.camera_id, reason=str(error))
            return False
        return True

    async def _cut(self, reel: Reel) -> Made:
        """Cut and store it. Raises DeviceError where nothing is kept, or no worker answers for too long, or StoreFailed."""
        reel.cut = True
        while True:
            try:
                async with self._cutting:
                    footage = await self._video.footage(reel.camera_id, reel.begin, reel.end)
                    sha256 = await self._media.put(footage.mp4, "video/mp4")
                    return Made(footage.from_mono, footage.to_mono, footage.codec, sha256)
            except Unreachable:
                if self._clock.mono() >= reel.end + _PATIENCE_S:
                    raise
            await self._clock.sleep(_TRY_AGAIN_S)

    async def _recorded(self, camera_id: str, results: Sequence[tuple[ClipTask, dict[str, Any]]]) -> bool:
        at = self._clock.now()

        def write(tx: Transaction) -> None:
            for task, data in results:
                tx.append(Draft(task.alert_id, "clip", f"camera/{camera_id}", at, data=data))
                tx.clip_done(task.alert_id, task.clip_id)

        try:
            await self._ledger.write(write)
        except StoreFailed as error:
            _log.warning("clips could not be recorded", camera=camera_id, reason=str(error), clips=len(results))
            return False
        for _, data in results:
            metrics.clips.labels(data["state"]).inc()
        return True


def _begin(task: ClipTask) -> float:
    return task.zero_mono + task.from_ms / 1000


def _end(task: ClipTask) -> float:
    return task.zero_mono + task.to_ms / 1000


def _success(task: ClipTask, made: Made) -> dict[str, Any]:
    return {
        "camera": task.camera_id,
        "clip": task.clip_id,
        "state": "ready",
        "from_ms": round((made.from_mono - task.zero_mono) * 1000),
        "to_ms": round((made.to_mono - task.zero_mono) * 1000),
        "sha256": made.sha256,
        "codec": made.codec,
        "reason": None,
    }


def _failure(task: ClipTask, reason: str) -> dict[str, Any]:
    return {
        "camera": task.camera_id,
        "clip": task.clip_id,
        "state": "failed",
        "from_ms": None,
        "to_ms": None,
        "sha256": None,
        "codec": None,
        "reason": reason,
    }
