"""The snapshot desk: takes the pictures that alerts still lack, per camera and not per alert.

One look at a camera's ring serves every alert that waits on it, and each keyframe is decoded and stored once, so a
hundred presses beside one camera cost one picture. A picture that cannot be had gets a state and a reason; nothing
here ever delays an alert.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gateway.errors import DeviceError, StoreFailed
from gateway.model import Draft, Keyframe, PictureTask, rfc3339
from gateway.observability import metrics
from gateway.observability.logs import logger
from gateway.ports import Clock, Ledger, MediaStore, Transaction, VideoService

_PATIENCE_S = 15.0  # past the wanted moment: longer than the longest usual GOP (10 s) and one reconnect
_STALE_S = 30.0  # the ring keeps a camera's last keyframe for ever; one this old shows another time, not this alert
_LOOK_AGAIN_S = 0.5
_GATHER_S = 0.2  # between two looks at one camera: in a storm its presses share a look, a decode and a commit
_BATCH = 5000
_log = logger("snapshots")


@dataclass(frozen=True, slots=True)
class Choice:
    """The verdict for one task now: a keyframe, or a reason why there is none, or wait this many seconds."""

    keyframe: Keyframe | None = None
    offset_ms: int = 0
    reason: str | None = None
    wait: float = 0.0


def choose(
    task: PictureTask, keyframes: Sequence[Keyframe], now_mono: float, *, patience: float = _PATIENCE_S
) -> Choice:
    """Pick the keyframe for ``task.wanted_ms``; keyframes are oldest first. Pure.

    Wanted ≤ 0: the newest at or before the wanted moment, else the oldest before the press; never one after it.
    Wanted > 0: the first at or after the wanted moment; once patience ends, the newest after the press.
    """
    zero = task.zero_mono
    wanted = zero + task.wanted_ms / 1000
    if task.wanted_ms <= 0:
        before = [frame for frame in keyframes if frame.received_mono <= zero]
        at_or_before = [frame for frame in before if frame.received_mono <= wanted]
        frame = at_or_before[-1] if at_or_before else before[0] if before else None
        if frame is not None and frame.received_mono >= wanted - _STALE_S:
            return _picked(frame, zero)
        if task.wanted_ms < 0:
            return Choice(reason=_nothing_before(frame, zero))
    if now_mono < wanted:
        return Choice(wait=wanted - now_mono)
    at_or_after = next((frame for frame in keyframes if frame.received_mono >= wanted), None)
    if at_or_after is not None:
        return _picked(at_or_after, zero)
    if now_mono < wanted + patience:
        return Choice(wait=_LOOK_AGAIN_S)
    after = [frame for frame in keyframes if frame.received_mono > zero]
    return _picked(after[-1], zero) if after else Choice(reason="no picture came from the camera")


def _nothing_before(newest: Keyframe | None, zero: float) -> str:
    if newest is None:
        return "no picture from before the press was kept"
    return f"the camera had sent no picture for {round(zero - newest.received_mono)} s before the press"


def _picked(frame: Keyframe, zero: float) -> Choice:
    return Choice(keyframe=frame, offset_ms=round((frame.received_mono - zero) * 1000))


class SnapshotDesk:
    """Works through the ledger's picture tasks for ever."""

    def __init__(
        self, ledger: Ledger, video: VideoService, media: MediaStore, clock: Clock, *, boot_id: str, width: int
    ) -> None:
        self._ledger = ledger
        self._video = video
        self._media = media
        self._clock = clock
        self._boot_id = boot_id
        self._width = width
        self._seats: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, dict[tuple[str, str], PictureTask]] = defaultdict(dict)
        self._knock: dict[str, asyncio.Event] = {}

    async def run(self) -> None:
        """Hand each camera's tasks to that camera's seat. Ends by cancellation."""
        seen = 0
        try:
            async with asyncio.TaskGroup() as seats:
                while True:
                    for task in await self._ledger.read(lambda reader: reader.picture_tasks(_BATCH)):
                        self._seat(seats, task)
                    seen = await self._ledger.changed("picture", seen)
        finally:
            self._seats.clear()

    def _seat(self, seats: asyncio.TaskGroup, task: PictureTask) -> None:
        waiting = self._waiting[task.camera_id]
        key = (task.alert_id, task.snapshot_id)
        if key in waiting:
            return
        waiting[key] = task
        self._knock.setdefault(task.camera_id, asyncio.Event()).set()
        if task.camera_id not in self._seats:
            seat = seats.create_task(self._serve(task.camera_id), name=f"snapshots {task.camera_id}")
            self._seats[task.camera_id] = seat

    async def _serve(self, camera_id: str) -> None:
        """One camera until nothing waits on it."""
        waiting, knock = self._waiting[camera_id], self._knock[camera_id]
        while waiting:
            knock.clear()
            pause = await self._look(camera_id, list(waiting.values()))
            if waiting:
                await self._clock.sleep(_GATHER_S)
            if pause > _GATHER_S and waiting:
                await _first(knock.wait(), self._clock.sleep(pause - _GATHER_S))
        del self._seats[camera_id], self._waiting[camera_id], self._knock[camera_id]

    async def _look(self, camera_id: str, tasks: Sequence[PictureTask]) -> float:
        """Serve what can be served now; return how long to wait before the next look."""
        trouble: str | None = None
        frames: list[Keyframe] = []
        try:
            frames = await self._video.keyframes(camera_id)
        except DeviceError as error:
            trouble = str(error)
        now = self._clock.mono()
        pause = float("inf")
        chosen: dict[Keyframe, list[tuple[PictureTask, int]]] = defaultdict(list)
        failed: list[tuple[PictureTask, str]] = []
        for task in tasks:
            verdict = self._verdict(task, frames, now, trouble)
            if verdict.keyframe is not None:
                chosen[verdict.keyframe].append((task, verdict.offset_ms))
            elif verdict.reason is not None:
                failed.append((task, verdict.reason))
            else:
                pause = min(pause, verdict.wait)
        if failed:
            await self._record(camera_id, [(task, _failure(task, reason)) for task, reason in failed])
        for frame, wanting in chosen.items():
            await self._take(camera_id, frame, wanting)
        return 0.0 if chosen or failed else max(0.05, min(pause, _PATIENCE_S))

    def _verdict(self, task: PictureTask, frames: Sequence[Keyframe], now: float, trouble: str | None) -> Choice:
        if task.boot_id != self._boot_id:
            return Choice(reason="the box was restarted before the picture could be taken")
        if trouble is None:
            return choose(task, frames, now)
        # the worker may be starting anew: its ring is not lost with the core, so ask again before giving up
        due = task.zero_mono + max(0.0, task.wanted_ms / 1000)
        return Choice(reason=trouble) if now >= due + _PATIENCE_S else Choice(wait=_LOOK_AGAIN_S)

    async def _take(self, camera_id: str, frame: Keyframe, wanting: Sequence[tuple[PictureTask, int]]) -> None:
        try:
            picture = await self._video.picture(camera_id, frame.id, self._width)
            sha256 = await self._media.put(picture.jpeg, "image/jpeg")
        except (DeviceError, StoreFailed) as error:
            reason = str(error)
            await self._record(camera_id, [(task, _failure(task, reason)) for task, _ in wanting])
            return
        now, now_mono = self._clock.now(), self._clock.mono()
        taken_at = now - timedelta(seconds=now_mono - frame.received_mono)
        results: list[tuple[PictureTask, dict[str, Any]]] = []
        for task, offset_ms in wanting:
            due = max(task.zero_mono, task.zero_mono + task.wanted_ms / 1000)
            metrics.snapshot_duration.labels("ring").observe(max(0.0, now_mono - due))
            results.append(
                (
                    task,
                    {
                        "camera": task.camera_id,
                        "snapshot": task.snapshot_id,
                        "state": "ready",
                        "offset_ms": offset_ms,
                        "taken_at": rfc3339(taken_at),
                        "sha256": sha256,
                        "width": picture.width,
                        "height": picture.height,
                        "reason": None,
                    },
                )
            )
        await self._record(camera_id, results)

    async def _record(self, camera_id: str, results: Sequence[tuple[PictureTask, dict[str, Any]]]) -> None:
        at = self._clock.now()

        def write(tx: Transaction) -> None:
            for task, data in results:
                tx.append(Draft(task.alert_id, "picture", f"camera/{camera_id}", at, data=data))
                tx.picture_done(task.alert_id, task.snapshot_id)

        try:
            await self._ledger.write(write)
        except StoreFailed as error:
            # the tasks stay in the ledger: they are taken up again when it can be written
            _log.warning("pictures could not be recorded", camera=camera_id, reason=str(error), pictures=len(results))
            await self._clock.sleep(_PATIENCE_S)
            return
        for task, data in results:
            metrics.snapshots.labels("ring", data["state"]).inc()
            self._waiting[camera_id].pop((task.alert_id, task.snapshot_id), None)


def _failure(task: PictureTask, reason: str) -> dict[str, Any]:
    return {
        "camera": task.camera_id,
        "snapshot": task.snapshot_id,
        "state": "failed",
        "offset_ms": None,
        "taken_at": None,
        "sha256": None,
        "width": None,
        "height": None,
        "reason": reason,
    }


async def _first(*waits: Any) -> None:
    """Wait until the first of these is done; end the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
