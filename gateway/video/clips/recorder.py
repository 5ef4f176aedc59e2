"""The complete video of the last seconds, still encoded, by GOP, so that an alert has its clip of before."""

import heapq
from collections import deque

from gateway.errors import DeviceError
from gateway.observability.logs import logger
from gateway.ports import AccessUnit
from gateway.video.clips.footage import CLIP_BYTES, Cut, Segment, runs

CODECS = ("h264", "h265")
"""What goes into an MP4 that a browser plays."""
SEGMENT_S = 0.5
"""Keyframes that follow closer share a segment: a camera that sends nothing else would cost an object for each."""
MARGIN_S = 2.0
"""Kept beyond what was asked for: between a press and the request that holds its span some time passes."""
HELD_S = 60.0
"""How long a held span stays after its end: the core may be restarting when its clip is due."""
MOST_HOLDS = 32
"""Spans held of one camera; of more, the one that ended first goes."""


class Track:
    """Where one camera's access units are kept. ``wants``: complete video is wanted now; may change at any time."""

    __slots__ = ("_holds", "_open", "_recorder", "_restart", "_seconds", "camera_id", "foreign", "segments", "wants")

    def __init__(self, camera_id: str, recorder: "Recorder") -> None:
        self.camera_id = camera_id
        self.wants = False
        self.segments: deque[Segment] = deque()
        self.foreign: str | None = None  # a codec of which no clip can be made
        self._recorder: Recorder | None = recorder
        self._open: Segment | None = None
        self._restart = True
        self._seconds = 0.0
        self._holds: list[tuple[float, float]] = []

    def add(self, unit: AccessUnit) -> None:
        """Keep a unit. Those before the first keyframe are of no use and are let go."""
        segment = self._open
        if unit.keyframe and (segment is None or unit.received_mono - segment.began >= SEGMENT_S):
            self._begin(unit)
            return
        if segment is None:
            return
        self._recorder.bytes += segment.add(unit)  # type: ignore[union-attr]  # a track that was forgotten has nothing open
        if segment.bytes > CLIP_BYTES:
            self._recorder.drop(self, segment)  # type: ignore[union-attr]  # a GOP that can never be a clip

    @property
    def coming(self) -> Segment | None:
        """The GOP that is coming, complete so far, where it is kept."""
        return self._open

    def gap(self) -> None:
        """The connection broke: what follows begins with a keyframe, and perhaps with another clock."""
        self._open = None
        self._restart = True
        self.foreign = None
        self.refresh()

    # ------------------------------------------------------------------------------------ for the recorder

    def keep(self, seconds: float) -> None:
        self._seconds = seconds
        self.refresh()

    def hold(self, from_mono: float, until_mono: float) -> None:
        if (
            from_mono,
            until_mono,
        ) not in self._holds:  # it is said again and again, for a worker may have been started anew
            self._holds.append((from_mono, until_mono))
        if len(self._holds) > MOST_HOLDS:
            self._holds.remove(min(self._holds, key=lambda span: span[1]))
        self.refresh()

    def refresh(self) -> None:
        """Work out ``wants``."""
        recorder = self._recorder
        asked = self._seconds > 0 or (
            recorder is not None and any(until + MARGIN_S >= recorder.now for _, until in self._holds)
        )
        self.wants = asked and self.foreign is None and recorder is not None and recorder.budget > 0
        if not self.wants:
            self._open = None

    def expire(self, now_mono: float) -> bool:
        """Let go of what nobody asked for; whether anything is still kept, held or wanted."""
        if self._holds:
            self._holds = [span for span in self._holds if span[1] + HELD_S >= now_mono]
            self.refresh()
        oldest = now_mono - self._seconds - MARGIN_S
        recorder = self._recorder
        assert recorder is not None
        while self.segments and self.segments[0].last < oldest and not self.held(self.segments[0]):
            recorder.release(self, self.segments[0])
        if self._holds:  # what is held may have others behind it that are not
            for segment in [each for each in self.segments if each.last < oldest and not self.held(each)]:
                recorder.release(self, segment)
        return bool(self.segments or self._holds or self._seconds)

    def held(self, segment: Segment) -> bool:
        return any(start <= segment.last and segment.began <= until for start, until in self._holds)

    def first(self, also_held: bool) -> Segment | None:
        """The oldest segment that may go."""
        if also_held or not self._holds:
            return self.segments[0] if self.segments else None
        return next((segment for segment in self.segments if not self.held(segment)), None)

    def lose(self, segment: Segment) -> None:
        if segment is self._open:
            self._open = None
        if segment is self.segments[0]:
            self.segments.popleft()
        else:
            self.segments.remove(segment)

    def end(self) -> None:
        self.wants = False
        self._open = self._recorder = None
        self.segments.clear()

    def _begin(self, unit: AccessUnit) -> None:
        self._open = None
        if self._recorder is None or not self.wants:
            return
        if unit.codec not in CODECS:
            self.foreign = unit.codec
            self.refresh()
            return
        segment = self._open = Segment(unit, self._restart)
        self._restart = False
        self.segments.append(segment)
        self._recorder.bytes += segment.bytes
        self._recorder.settle()


class Recorder:
    """The recent video of a worker's cameras within one byte budget.

    Two reasons keep a camera's video: ``keep`` (its last seconds, always) and ``hold`` (one span, for a clip that will be
    asked for). Whole GOPs go, never parts: what nobody asked for as time passes, and over the budget the oldest of
    all cameras, held ones last; those are counted in ``dropped``. ``bytes`` includes the book-keeping.
    """

    def __init__(self, budget_bytes: int) -> None:
        self.budget = budget_bytes
        self.bytes = 0
        self.dropped = 0
        self.now = 0.0  # as of the latest prune or hold; nobody is asked for the time per access unit
        self._tracks: dict[str, Track] = {}
        self._active: dict[str, Track] = {}

    def keep(self, camera_id: str, seconds: float) -> None:
        """Keep the last ``seconds`` of this camera complete from now on; 0: nothing but what is held."""
        track = self.track(camera_id)
        track.keep(seconds)
        self._active[camera_id] = track

    def hold(self, camera_id: str, from_mono: float, until_mono: float) -> None:
        """Keep this span as far as it is here or comes, until a minute after its end."""
        track = self.track(camera_id)
        track.hold(from_mono, until_mono)
        self._active[camera_id] = track

    def track(self, camera_id: str) -> Track:
        """The one track of a camera, until it is forgotten."""
        track = self._tracks.get(camera_id)
        if track is None:
            track = self._tracks[camera_id] = Track(camera_id, self)
        return track

    def cut(self, camera_id: str, from_mono: float, to_mono: float) -> Cut:
        """From the keyframe at or before ``from_mono`` (else the first after it) to the last unit at or before ``to_mono``.

        Of two codecs the longer part; at most CLIP_BYTES, then around the middle. Raises DeviceError: nothing is here.
        """
        track = self._tracks.get(camera_id)
        if track is None:
            raise DeviceError(f"camera {camera_id} is not known to the video worker")
        found = runs(track.segments, from_mono, to_mono)
        if not found:
            raise DeviceError(self._why_empty(track))
        longest = max(found, key=lambda run: run.seconds)
        taken = longest.within(CLIP_BYTES)
        if taken.seconds < longest.seconds:
            logger("video").warning(
                "a clip is cut short: too many bytes", camera=camera_id, seconds=round(taken.seconds)
            )
        return taken.cut(camera_id)

    def prune(self, now_mono: float) -> None:
        """Once a second: let go of what has become too old."""
        self.now = now_mono
        for camera_id in [name for name, track in self._active.items() if not track.expire(now_mono)]:
            del self._active[camera_id]
        self.settle()

    def forget(self, camera_id: str) -> None:
        """The camera is gone, or its id now belongs to another view. Its track takes nothing any more."""
        track = self._tracks.pop(camera_id, None)
        self._active.pop(camera_id, None)
        if track is not None:
            self.bytes -= sum(segment.bytes for segment in track.segments)
            track.end()

    def settle(self) -> None:
        """Come back under the budget, and a little below it, so that the search for the oldest is rare."""
        if self.bytes <= self.budget:
            return
        enough = self.budget - self.budget // 32
        for also_held in (False, True):
            oldest: list[tuple[float, str]] = []
            for track in self._active.values():
                self._queue(oldest, track, also_held)
            while oldest and self.bytes > enough:
                track = self._tracks[heapq.heappop(oldest)[1]]
                segment = track.first(also_held)
                assert segment is not None
                self.drop(track, segment)
                self._queue(oldest, track, also_held)

    def _queue(self, oldest: list[tuple[float, str]], track: Track, also_held: bool) -> None:
        segment = track.first(also_held)
        if segment is not None:
            heapq.heappush(oldest, (segment.began, track.camera_id))

    def drop(self, track: Track, segment: Segment) -> None:
        self.dropped += 1
        self.release(track, segment)

    def release(self, track: Track, segment: Segment) -> None:
        self.bytes -= segment.bytes
        track.lose(segment)

    def _why_empty(self, track: Track) -> str:
        if track.foreign == "mjpeg":
            return f"camera {track.camera_id} sends MJPEG, of which no clip is made"
        if track.foreign is not None:
            return f"camera {track.camera_id} sends {track.foreign}, of which no clip is made"
        if self.budget == 0:
            return "no video is kept for clips: video.clip_mib is 0"
        return f"no video of camera {track.camera_id} from that time is kept"
