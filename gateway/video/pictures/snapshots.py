"""The snapshot desk: takes the pictures that alerts still lack, per camera and not per alert.

One look at a camera's ring serves every alert that waits on it, and each keyframe is decoded and stored once, so a
hundred presses beside one camera cost one picture. A picture that cannot be had gets a state and a reason; nothing
here ever delays an alert.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from gateway.calm import Calm
from gateway.errors import DeviceError, StoreFailed
from gateway.model import Draft, Keyframe, Picture, PictureTask, rfc3339
from gateway.observability import metrics
from gateway.observability.logs import logger
from gateway.ports import Clock, DeviceService, Ledger, MediaStore, Transaction, VideoService
from gateway.video.pictures.choice import LOOK_AGAIN_S, PATIENCE_S, Choice, choose

_GATHER_S = 0.2  # between two looks at one camera: in a storm its presses share a look, a decode and a commit
_PAGE = 1_000  # tasks read at once
_MOST_WAITING = 50_000  # tasks in memory; more stay in the ledger until these are done
_GIVE_WAY_S = 2.0  # a camera's look waits so long for presses to become fewer; the ring keeps what it wants
_TRY_LATER_S = 2.0  # for a ledger that cannot be read; no longer, because the ring forgets meanwhile
_BITE = 16  # pictures in one transaction: a press must not wait for more
_log = logger("snapshots")
_Key = tuple[str, str]  # alert, snapshot


class SnapshotDesk:
    """Works through the ledger's picture tasks for ever. ``devices``: the second source, where a camera's stream is dark."""

    def __init__(
        self,
        ledger: Ledger,
        video: VideoService,
        media: MediaStore,
        clock: Clock,
        *,
        boot_id: str,
        width: int,
        devices: DeviceService | None = None,
        calm: Calm | None = None,
    ) -> None:
        self._calm = calm or Calm()
        self._devices = devices
        self._said_no: dict[_Key, str] = {}  # what the device answered in place of a picture; it is asked once
        self._ledger = ledger
        self._video = video
        self._media = media
        self._clock = clock
        self._boot_id = boot_id
        self._width = width
        self._seats: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, dict[_Key, PictureTask]] = defaultdict(dict)
        self._knock: dict[str, asyncio.Event] = {}

    async def run(self) -> None:
        """Hand each camera's tasks to that camera's seat. Ends by cancellation."""
        seen = after = 0
        try:
            async with asyncio.TaskGroup() as seats:
                while True:
                    page = await self._page(after)
                    for task in page:
                        self._seat(seats, task)
                        after = task.id
                    while sum(map(len, self._waiting.values())) >= _MOST_WAITING:
                        await self._clock.sleep(LOOK_AGAIN_S)
                    if len(page) < _PAGE:
                        seen = await self._ledger.changed("picture", seen)
        finally:
            self._seats.clear()

    async def _page(self, after: int) -> Sequence[PictureTask]:
        while True:
            try:
                return await self._ledger.read(lambda reader: reader.picture_tasks(_PAGE, after))
            except StoreFailed as error:
                _log.warning("pictures that are still to be taken could not be read", reason=str(error))
                await self._clock.sleep(_TRY_LATER_S)

    def _seat(self, seats: asyncio.TaskGroup, task: PictureTask) -> None:
        waiting = self._waiting[task.camera_id]
        key = _key(task)
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
        now = self._clock.mono()
        due = [task for task in tasks if self._due(task) <= now]
        if not due:
            return max(0.05, min(PATIENCE_S, *(self._due(task) - now for task in tasks)))
        await self._calm.rest(_GIVE_WAY_S)
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
        dark: list[PictureTask] = []
        for task in due:
            verdict = self._verdict(task, frames, now, trouble)
            if self._is_for_the_device(task, verdict, now, trouble):
                dark.append(task)
            elif verdict.keyframe is not None:
                chosen[verdict.keyframe].append((task, verdict.offset_ms))
            elif verdict.reason is not None:
                failed.append((task, self._why(task, verdict.reason)))
            else:
                pause = min(pause, verdict.wait)
        if failed:
            await self._record(camera_id, [(task, _failure(task, reason)) for task, reason in failed])
        for frame, wanting in chosen.items():
            await self._take(camera_id, frame, wanting)
        if dark:
            await self._ask_device(camera_id, dark)
        return 0.0 if chosen or failed or dark else max(0.05, min(pause, PATIENCE_S))

    def _verdict(self, task: PictureTask, frames: Sequence[Keyframe], now: float, trouble: str | None) -> Choice:
        if task.boot_id != self._boot_id:
            return Choice(reason="the box was restarted before the picture could be taken")
        if trouble is None:
            return choose(task, frames, now)
        # the worker may be starting anew: its ring is not lost with the core, so ask again before giving up
        return Choice(reason=trouble) if now >= self._due(task) + PATIENCE_S else Choice(wait=LOOK_AGAIN_S)

    def _due(self, task: PictureTask) -> float:
        """When it can be taken at the earliest; another boot's moments say nothing."""
        if task.boot_id != self._boot_id:
            return 0.0
        return task.zero_mono + max(0, task.wanted_ms) / 1000

    def _is_for_the_device(self, task: PictureTask, verdict: Choice, now: float, trouble: str | None) -> bool:
        """Whether its snapshot address is the better hope: for pictures of the press and after it, once they are due, where
        the stream is not received, or has shown nothing until the end of patience."""
        if self._devices is None or _key(task) in self._said_no or task.boot_id != self._boot_id:
            return False
        if verdict.keyframe is not None or task.wanted_ms < 0 or now < task.zero_mono + task.wanted_ms / 1000:
            return False
        return (trouble is not None or verdict.reason is not None) and self._devices.device(task.camera_id) is not None

    def _why(self, task: PictureTask, reason: str) -> str:
        said = self._said_no.get(_key(task))
        return reason if said is None else f"{reason}; and its snapshot address: {said}"

    async def _ask_device(self, camera_id: str, tasks: Sequence[PictureTask]) -> None:
        assert self._devices is not None
        try:
            async with asyncio.timeout(PATIENCE_S):
                frame, picture = await self._devices.device_picture(camera_id, self._width)
        except (DeviceError, TimeoutError) as error:
            said = str(error) or f"no answer within {PATIENCE_S:g} s"
            self._said_no.update({_key(task): said for task in tasks})
            return
        wanting = [(task, round((frame.received_mono - task.zero_mono) * 1000)) for task in tasks]
        await self._keep(camera_id, frame, picture, wanting, "device")

    async def _take(self, camera_id: str, frame: Keyframe, wanting: Sequence[tuple[PictureTask, int]]) -> None:
        try:
            picture = await self._video.picture(camera_id, frame.id, self._width)
        except DeviceError as error:
            reason = str(error)
            await self._record(camera_id, [(task, _failure(task, reason)) for task, _ in wanting])
            return
        await self._keep(camera_id, frame, picture, wanting, "ring")

    async def _keep(
        self,
        camera_id: str,
        frame: Keyframe,
        picture: Picture,
        wanting: Sequence[tuple[PictureTask, int]],
        source: str,
    ) -> None:
        try:
            sha256 = await self._media.put(picture.jpeg, "image/jpeg")
        except StoreFailed as error:
            reason = str(error)
            await self._record(camera_id, [(task, _failure(task, reason)) for task, _ in wanting])
            return
        now, now_mono = self._clock.now(), self._clock.mono()
        taken_at = now - timedelta(seconds=now_mono - frame.received_mono)
        results: list[tuple[PictureTask, dict[str, Any]]] = []
        for task, offset_ms in wanting:
            due = max(task.zero_mono, task.zero_mono + task.wanted_ms / 1000)
            metrics.snapshot_duration.labels(source).observe(max(0.0, now_mono - due))
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
        await self._record(camera_id, results, source)

    async def _record(
        self, camera_id: str, results: Sequence[tuple[PictureTask, dict[str, Any]]], source: str = "ring"
    ) -> None:
        at = self._clock.now()

        def write(tx: Transaction, bite: Sequence[tuple[PictureTask, dict[str, Any]]]) -> None:
            for task, data in bite:
                tx.append(Draft(task.alert_id, "picture", f"camera/{camera_id}", at, data=data))
                tx.picture_done(task.alert_id, task.snapshot_id)

        try:
            for start in range(0, len(results), _BITE):
                bite = results[start : start + _BITE]
                await self._ledger.write(partial(write, bite=bite))
                self._recorded(camera_id, bite, source)
        except StoreFailed as error:
            # the tasks stay in the ledger: they are taken up again when it can be written
            _log.warning("pictures could not be recorded", camera=camera_id, reason=str(error), pictures=len(results))
            await self._clock.sleep(PATIENCE_S)

    def _recorded(self, camera_id: str, bite: Sequence[tuple[PictureTask, dict[str, Any]]], source: str) -> None:
        for task, data in bite:
            metrics.snapshots.labels(source, data["state"]).inc()
            self._said_no.pop(_key(task), None)
            self._waiting[camera_id].pop(_key(task), None)


def _key(task: PictureTask) -> _Key:
    return task.alert_id, task.snapshot_id


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
