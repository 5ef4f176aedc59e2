"""All views and feeds of the live process."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import DeviceError, NotSpoken, Unreachable
from gateway.observability.logs import logger
from gateway.video.live.feed import Feed
from gateway.video.live.session import Session
from gateway.video.live.worker_feed import frames

READY_S = 14.0
"""Until a feed shows its first unit: a main stream is dialled, and waited for until its next keyframe."""
PUSHED_S = 5.0
"""Until the core pushes what it said it would."""
LINGER_S = 5.0
"""A feed outlives its last viewer by this: an operator who looks twice finds it running."""
STALE_S = 10.0
"""Who begins a view of a camera that others still wait for is told so instead of being shown nothing."""
SILENT_S = 30.0
"""A camera that shows nothing for so long ends its views: a picture that stands still says nothing, and who asks again is
told why. One that only reconnects is back sooner."""
CHECK_S = 1.0
SHARE = 0.75
"""Of all views, at most, for one user, however often he has logged in: nobody takes all of them from the desk."""


@dataclass(frozen=True, slots=True)
class Own:
    """A camera of this node. ``sockets``: of its video workers, to be tried in turn."""

    camera: str
    stream: str
    sockets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pushed:
    """A lower node's camera, whose frames the core pushes."""

    id: str


@dataclass(frozen=True, slots=True)
class Opened:
    session: Session
    answer: str
    codec: str


@dataclass(slots=True)
class _Running:
    feed: Feed
    task: asyncio.Task[None] | None
    idle_since: float
    pushers: int = 0
    unpushed_since: float = field(default=0.0)


class Sessions:
    """``most``: views at once. ``addresses``: of this box as browsers reach it, beside its own."""

    def __init__(self, most: int, addresses: tuple[str, ...] = (), mono: Callable[[], float] = time.monotonic) -> None:
        self.first_frames: deque[float] = deque(maxlen=1000)
        self._most = most
        self._addresses = addresses
        self._mono = mono
        self._sessions: dict[str, Session] = {}
        self._feeds: dict[str, _Running] = {}
        self._opening: list[str] = []  # for whom
        self._sent = 0
        self._repairs = 0
        self._dropped = 0

    def figures(self) -> dict[str, Any]:
        """``first_frames``: seconds, of those since the last look."""
        first_frames = [round(seconds, 4) for seconds in self.first_frames]
        self.first_frames.clear()
        return {
            "sessions": len(self._sessions),
            "feeds": len(self._feeds),
            "sent": self._sent + sum(session.sent for session in self._sessions.values()),
            "repairs": self._repairs + sum(session.repairs for session in self._sessions.values()),
            "dropped": self._dropped + sum(running.feed.dropped for running in self._feeds.values()),
            "first_frames": first_frames,
        }

    async def open(self, source: Own | Pushed, offer: str, viewer: str) -> Opened:
        """A new view. Raises DeviceError: nothing is to be seen; NotSpoken: a codec that browsers do not play, or no offer."""
        self._require_room(viewer)
        began = self._mono()
        self._opening.append(viewer)
        try:
            running = await self._feed(source)
            running.feed.watchers += 1
            try:
                return await self._open(running.feed, source, offer, viewer, began)
            except BaseException:
                self._unwatch(running.feed)
                raise
        finally:
            self._opening.remove(viewer)

    async def trickle(self, session_id: str, fragment: str) -> bool:
        session = self._sessions.get(session_id)
        if session is not None:
            await session.trickle(fragment)
        return session is not None

    async def end(self, session_id: str, reason: str = "closed by the browser") -> bool:
        """Whether it was there."""
        session = self._sessions.pop(session_id, None)
        if session is None:
            return False
        logger("video").info("a live view ends", feed=session.feed.name, viewer=session.viewer, reason=reason)
        self._sent += session.sent
        self._repairs += session.repairs
        await session.close()
        self._unwatch(session.feed)
        return True

    async def end_of(self, viewer: str) -> int:
        """End all of them; how many there were."""
        mine = [session.id for session in self._sessions.values() if session.viewer == viewer]
        await asyncio.gather(*(self.end(session_id, "the login has ended") for session_id in mine))
        return len(mine)

    def push(self, feed_id: str) -> Feed:
        """The feed that somebody begins to push; ``pushed`` is to be called when he ends."""
        running = self._feeds.get(feed_id) or self._begin(feed_id, f"the uplink {feed_id}", None)
        running.pushers += 1
        return running.feed

    def pushed(self, feed: Feed) -> None:
        running = self._feeds.get(feed.key)
        if running is not None and running.feed is feed:
            running.pushers -= 1
            running.unpushed_since = self._mono()
            feed.gap()

    async def watch(self) -> None:
        """Notice who has gone, for ever."""
        while True:
            await asyncio.sleep(CHECK_S)
            await self.check(self._mono())

    async def check(self, now_mono: float) -> None:
        for session in list(self._sessions.values()):
            reason = session.check(now_mono)
            if reason is not None:
                await self.end(session.id, reason)
        for running in list(self._feeds.values()):
            unwatched = running.feed.watchers == 0 and now_mono - running.idle_since > LINGER_S
            unpushed = running.task is None and not running.pushers and now_mono - running.unpushed_since > LINGER_S
            silent = running.feed.codec is not None and now_mono - running.feed.came_at > SILENT_S
            if unwatched or unpushed or silent or running.feed.over.is_set():
                self._drop(running)

    async def close(self) -> None:
        await asyncio.gather(*(self.end(session_id, "this node stops") for session_id in list(self._sessions)))
        for running in list(self._feeds.values()):
            self._drop(running)

    # -------------------------------------------------------------------------------------- inside

    def _require_room(self, viewer: str) -> None:
        """Raises Unreachable."""
        viewers = [*self._opening, *(session.viewer for session in self._sessions.values())]
        if len(viewers) >= self._most:
            raise Unreachable(f"{self._most} live views are open, and no more are allowed (live.most)")
        user, share = _user(viewer), math.ceil(self._most * SHARE)
        if sum(_user(each) == user for each in viewers) >= share:
            raise Unreachable(f"{user} has {share} live views open, and the others are left to others: close some")

    async def _open(self, feed: Feed, source: Own | Pushed, offer: str, viewer: str, began: float) -> Opened:
        codec = await feed.ready(READY_S)
        if self._mono() - feed.came_at > STALE_S:
            raise feed.failure or Unreachable(f"{feed.name} has shown nothing for {STALE_S:g} s")
        _playable(feed, codec, source)
        session = Session(viewer, feed, began, self.first_frames.append)
        try:
            answer = await session.answer(offer, self._addresses)
        except BaseException:
            await session.close()
            raise
        self._sessions[session.id] = session
        return Opened(session, answer, codec)

    async def _feed(self, source: Own | Pushed) -> _Running:
        if isinstance(source, Pushed):
            return await self._awaited(source.id)
        key = f"{source.stream}/{source.camera}"
        running = self._feeds.get(key)
        if running is not None:
            if not running.feed.over.is_set():
                return running
            self._drop(running)  # else its task would outlive it, with nobody left who knows of it
        name = f"the {'main stream' if source.stream == 'main' else 'sub-stream'} of camera {source.camera}"
        return self._begin(key, name, source)

    async def _awaited(self, feed_id: str) -> _Running:
        deadline = self._mono() + PUSHED_S
        while (running := self._feeds.get(feed_id)) is None:
            if self._mono() > deadline:
                raise Unreachable(f"nothing comes from the lower node (uplink {feed_id})")
            await asyncio.sleep(0.02)
        return running

    def _begin(self, key: str, name: str, source: Own | None) -> _Running:
        feed = Feed(key, name)
        task = None
        if source is not None:
            task = _start(feed.run(lambda: frames(source.sockets, source.camera, source.stream)), feed)
        now = self._mono()
        running = self._feeds[key] = _Running(feed, task, now, unpushed_since=now)
        return running

    def _unwatch(self, feed: Feed) -> None:
        feed.watchers -= 1
        running = self._feeds.get(feed.key)
        if running is not None and running.feed is feed:
            running.idle_since = self._mono()
            if feed.codec is None and feed.failure is not None:
                self._drop(running)  # it never was: who asks again is to be told how it is then

    def _drop(self, running: _Running) -> None:
        if self._feeds.get(running.feed.key) is running:
            del self._feeds[running.feed.key]
            self._dropped += running.feed.dropped
        running.feed.end()
        if running.task is not None:
            running.task.cancel()


def _user(viewer: str) -> str:
    """Of one of his logins."""
    return viewer.rpartition("/")[0] or viewer


def _start(work: Coroutine[Any, Any, None], feed: Feed) -> asyncio.Task[None]:
    task = asyncio.create_task(work, name=f"feed {feed.key}")

    def over(done: asyncio.Task[None]) -> None:
        fault = None if done.cancelled() else done.exception()
        if fault is not None:
            logger("video").error("a fault in the gateway's own code", feed=feed.name, exc_info=fault)
            feed.failure = DeviceError(f"a fault in the gateway's own code ({type(fault).__name__}); please report it")
            feed.end()

    task.add_done_callback(over)
    return task


def _playable(feed: Feed, codec: str, source: Own | Pushed) -> None:
    """Raises NotSpoken: what it is, why it is not shown, and what would do."""
    sub = isinstance(source, Own) and source.stream != "main"
    instead = "set that stream to H.264 in the camera" if sub else "the sub-stream may be H.264, or can be set to it"
    if codec == "h265":
        raise NotSpoken(
            f"{feed.name} is H.265, which many browsers do not play live: {instead}; pictures each second do"
        )
    if codec != "h264":
        raise NotSpoken(
            f"{feed.name} is {codec.upper()}, which WebRTC does not carry: {instead}; pictures each second do"
        )
    if feed.reordered:
        raise NotSpoken(
            f"{feed.name} has B-frames, which browsers show out of order live: switch them off in the camera (profile "
            "Baseline, or Main without B-frames); pictures each second do"
        )
