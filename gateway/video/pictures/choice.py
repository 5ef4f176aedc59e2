"""Which keyframe of a camera's ring a snapshot is taken from. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.model import Keyframe, PictureTask

PATIENCE_S = 15.0  # past the wanted moment: longer than the longest usual GOP (10 s) and one reconnect
LOOK_AGAIN_S = 0.5
_STALE_S = 30.0  # the ring keeps a camera's last keyframe for ever; one this old shows another time, not this alert


@dataclass(frozen=True, slots=True)
class Choice:
    """The verdict for one task now: a keyframe, or a reason why there is none, or wait this many seconds."""

    keyframe: Keyframe | None = None
    offset_ms: int = 0
    reason: str | None = None
    wait: float = 0.0


def choose(
    task: PictureTask, keyframes: Sequence[Keyframe], now_mono: float, *, patience: float = PATIENCE_S
) -> Choice:
    """Pick the keyframe for ``task.wanted_ms``; keyframes are oldest first. Pure.

    Wanted ≤ 0: the newest at or before the wanted moment, else the oldest before the press; never one after it.
    Wanted > 0: the first at or after the wanted moment; once patience ends, the newest after the press.
    """
    zero = task.zero_mono
    wanted = zero + task.wanted_ms / 1000
    if task.wanted_ms <= 0:
        before = _count_until(keyframes, zero)
        at_or_before = _count_until(keyframes, wanted)
        frame = keyframes[max(at_or_before - 1, 0)] if before else None
        if frame is not None and frame.received_mono >= wanted - _STALE_S:
            return _picked(frame, zero)
        if task.wanted_ms < 0:
            return Choice(reason=_nothing_before(frame, zero))
    if now_mono < wanted:
        return Choice(wait=wanted - now_mono)
    at_or_after = bisect_left(keyframes, wanted, key=_received)
    if at_or_after < len(keyframes):
        return _picked(keyframes[at_or_after], zero)
    if now_mono < wanted + patience:
        return Choice(wait=LOOK_AGAIN_S)
    after = _count_until(keyframes, zero) < len(keyframes)
    return _picked(keyframes[-1], zero) if after else Choice(reason="no picture came from the camera")


def _received(frame: Keyframe) -> float:
    return frame.received_mono


def _count_until(keyframes: Sequence[Keyframe], moment: float) -> int:
    return bisect_right(keyframes, moment, key=_received)


def _nothing_before(newest: Keyframe | None, zero: float) -> str:
    if newest is None:
        return "no picture from before the press was kept"
    return f"the camera had sent no picture for {round(zero - newest.received_mono)} s before the press"


def _picked(frame: Keyframe, zero: float) -> Choice:
    return Choice(keyframe=frame, offset_ms=round((frame.received_mono - zero) * 1000))
