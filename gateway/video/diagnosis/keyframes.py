"""Keyframes that a look stands on, and those that verdicts stand on."""

from collections import OrderedDict
from collections.abc import Sequence

from gateway.video.pictures.ring import KeyframeRing, StoredKeyframe

IN_A_ROW = 4
"""Keyframes of one look: shaking shows only in several."""
ROW_S = 60.0
"""They lie no further apart: a view may change in more."""
EVIDENCE = 64
EVIDENCE_BYTES = 16 * 1024 * 1024
"""Keyframes that verdicts stand on, kept until the core has them: the ring forgets in a minute, a core is updated for longer."""


def newest_row(ring: KeyframeRing, camera_id: str) -> list[StoredKeyframe]:
    """A camera's newest keyframes in a row, of one codec, newest last."""
    names = [frame.id for frame in ring.keyframes(camera_id)[-IN_A_ROW:]]
    frames = [frame for frame in (ring.get(camera_id, name) for name in names) if frame is not None]
    if not frames:
        return []
    newest = frames[-1]
    return [
        frame for frame in frames if frame.codec == newest.codec and newest.received_mono - frame.received_mono <= ROW_S
    ]


def payloads(frames: Sequence[StoredKeyframe]) -> list[bytes]:
    return [frame.payload for frame in frames]


class Evidence:
    """The keyframes that verdicts stand on; of too many the oldest go."""

    def __init__(self) -> None:
        self._frames: OrderedDict[str, StoredKeyframe] = OrderedDict()

    def keep(self, frame: StoredKeyframe) -> None:
        self._frames[frame.id] = frame
        while len(self._frames) > EVIDENCE or sum(len(f.payload) for f in self._frames.values()) > EVIDENCE_BYTES:
            self._frames.popitem(last=False)

    def get(self, camera_id: str, frame_id: str) -> StoredKeyframe | None:
        found = self._frames.get(frame_id)
        return found if found is not None and found.camera_id == camera_id else None

    def forget(self, camera_id: str) -> None:
        """The camera is gone, or its id now belongs to another view, with masks that were not drawn for these."""
        for name in [name for name, frame in self._frames.items() if frame.camera_id == camera_id]:
            del self._frames[name]
