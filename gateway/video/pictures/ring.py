"""The keyframe ring: what a camera showed in the last minute, still encoded, so that a press has its pictures of before."""

import heapq
import secrets
from dataclasses import dataclass, field

from gateway.model import Keyframe
from gateway.ports import AccessUnit

BUDGET_BYTES = 256 * 1024 * 1024
MAX_AGE_S = 60.0


@dataclass(frozen=True, slots=True)
class StoredKeyframe:
    """An encoded keyframe. ``payload`` is Annex B with its parameter sets first."""

    id: str
    camera_id: str
    received_mono: float
    codec: str
    payload: bytes = field(repr=False)


class KeyframeRing:
    """The keyframes of all cameras of a worker, within one byte budget and one age limit (seconds).

    What is over either goes, oldest of all cameras first; the newest keyframe of a camera always stays. Adding costs
    O(log n). Ids are unique per worker run, so that an id from before a restart is never another picture's.
    """

    def __init__(self, budget_bytes: int = BUDGET_BYTES, max_age_s: float = MAX_AGE_S) -> None:
        self._budget = budget_bytes
        self.max_age_s = max_age_s
        self._run = secrets.token_hex(4)
        self._count = 0
        self._cameras: dict[str, dict[str, StoredKeyframe]] = {}
        # Only superseded keyframes stand here: what may go is then found without walking past the last ones of a
        # thousand dark cameras.
        self._superseded: list[tuple[float, int, str, str]] = []
        self._newest: dict[str, tuple[float, int, str, str]] = {}
        self.bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return sum(len(frames) for frames in self._cameras.values())

    def add(self, unit: AccessUnit) -> StoredKeyframe:
        """Keep a keyframe; the caller gives keyframes only."""
        frame = self.name(unit)
        previous = self._newest.get(unit.camera_id)
        if previous is not None:
            heapq.heappush(self._superseded, previous)
        self._newest[unit.camera_id] = (frame.received_mono, self._count, frame.id, unit.camera_id)
        self._cameras.setdefault(unit.camera_id, {})[frame.id] = frame
        self.bytes += len(frame.payload)
        self.prune(unit.received_mono)
        return frame

    def name(self, unit: AccessUnit) -> StoredKeyframe:
        """Give a keyframe its id without keeping it: for those of a main stream, which are shown and let go."""
        self._count += 1
        return StoredKeyframe(
            f"{self._run}-{self._count}", unit.camera_id, unit.received_mono, unit.codec, unit.payload
        )

    def newest(self, camera_id: str) -> StoredKeyframe | None:
        entry = self._newest.get(camera_id)
        return None if entry is None else self._cameras[camera_id].get(entry[2])

    def prune(self, now_mono: float) -> None:
        """Let go of what is too old or over the budget."""
        oldest_allowed = now_mono - self.max_age_s
        while self._superseded:
            received_mono, _, frame_id, camera_id = self._superseded[0]
            if self.bytes <= self._budget and received_mono >= oldest_allowed:
                return
            heapq.heappop(self._superseded)
            frame = self._cameras.get(camera_id, {}).pop(frame_id, None)
            if frame is not None:
                self.bytes -= len(frame.payload)
                self.dropped += received_mono >= oldest_allowed

    def keyframes(self, camera_id: str) -> list[Keyframe]:
        """Oldest first; empty for a camera that has not shown anything."""
        return [Keyframe(frame.id, frame.received_mono) for frame in self._cameras.get(camera_id, {}).values()]

    def get(self, camera_id: str, frame_id: str) -> StoredKeyframe | None:
        return self._cameras.get(camera_id, {}).get(frame_id)

    def forget(self, camera_id: str) -> None:
        """The camera is gone, or its id now belongs to another view."""
        frames = self._cameras.pop(camera_id, {})
        self._newest.pop(camera_id, None)
        self.bytes -= sum(len(frame.payload) for frame in frames.values())
        # Its entries stay in the heap until they are old, a minute at most, and name nothing then: taking them out would
        # cost a walk over all cameras' keyframes for each of five hundred that a reload removes.
