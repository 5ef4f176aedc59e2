"""How long a camera may take, and when its silence is the end."""

from dataclasses import dataclass

from gateway.errors import Unreachable


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. ``silence``: no RTP at all while playing; ``keyframe``: RTP, but no keyframe."""

    connect: float = 5.0
    answer: float = 10.0
    silence: float = 10.0
    keyframe: float = 30.0
    teardown: float = 1.0

    @property
    def shortest(self) -> float:
        return min(self.answer, self.silence, self.keyframe)


class PlayWatch:
    """Notices a stream that has stopped, by what comes and never by whether the connection stands."""

    __slots__ = ("_authority", "_keyframe_at", "_media_at", "_media_came", "_timeouts")

    def __init__(self, authority: str, timeouts: Timeouts) -> None:
        self._authority = authority
        self._timeouts = timeouts
        self._media_at = 0.0
        self._media_came = False
        self._keyframe_at = 0.0

    def begin(self, now: float) -> None:
        self._media_at = self._keyframe_at = now

    def check(self, now: float, *, media_seen: bool, keyframe_at: float) -> None:
        """``media_seen``: since the last call; ``keyframe_at``: when the last one came, or 0. Raises Unreachable."""
        if media_seen:
            self._media_at = now
            self._media_came = True
        self._keyframe_at = max(self._keyframe_at, keyframe_at)
        if now - self._media_at >= self._timeouts.silence:
            silent = f"{self._authority} sent no video for {self._timeouts.silence:g} s"
            if self._media_came:
                raise Unreachable(f"{silent}; the camera hangs or the way to it is cut: restart it if it stays so")
            raise Unreachable(f"{silent} after PLAY; the camera hangs, or already serves as many viewers as it can")
        if now - self._keyframe_at >= self._timeouts.keyframe:
            raise Unreachable(
                f"{self._authority} sent video without a usable keyframe for {self._timeouts.keyframe:g} s; "
                "set its I-frame interval to a few seconds"
            )
