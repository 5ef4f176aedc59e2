"""How often an address may be used: so many messages in any minute. Pure."""

from collections import deque
from dataclasses import dataclass, field

ROBOT_A_MINUTE = 18
"""WeCom and DingTalk take 20 a minute and robot, and DingTalk is silent for ten minutes after one too many."""
_MINUTE_S = 60.0


@dataclass(slots=True)
class Pace:
    """``sent``: the moments (monotonic) of the newest ``a_minute`` messages."""

    a_minute: int = ROBOT_A_MINUTE
    sent: deque[float] = field(default_factory=deque)
    closed_until: float = 0.0

    def take(self, now: float) -> float:
        """0 where a message may go now, else the seconds until one may."""
        if now < self.closed_until:
            return self.closed_until - now
        if len(self.sent) >= self.a_minute:
            wait = self.sent[0] + _MINUTE_S - now
            if wait > 0:
                return wait
            self.sent.popleft()
        self.sent.append(now)
        return 0.0

    def close(self, now: float, seconds: float) -> None:
        """The receiver said that it was too much."""
        self.closed_until = max(self.closed_until, now + seconds)
