"""Which terminals are to be told of as offline. Pure bookkeeping on the monotonic clock: wall clocks jump by years."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

_TOGETHER_S = 120.0  # a broker that dies takes its terminals along within one and a half keep-alives
_FEWEST_AT_ONCE = 10
_SHARE_AT_ONCE = 0.2


@dataclass(frozen=True, slots=True)
class TerminalModel:
    """When a terminal's silence is a fault, in seconds: ``heartbeat`` is its own interval, of which it may miss one;
    ``grace``: from offline to the alert. ``alert``: whether there is one at all."""

    heartbeat: float = 24 * 3600.0
    grace: float = 600.0
    alert: bool = True


class Silences:
    """``model_of``: the terminal's model. Times are seconds of one monotonic clock."""

    def __init__(self, model_of: Callable[[str], TerminalModel]) -> None:
        self._model_of = model_of
        self._heard: dict[float, dict[str, float]] = {}  # heartbeat → terminals by when they were heard, oldest first
        self._home: dict[str, float] = {}
        self._offline: dict[str, float] = {}  # since when, oldest first

    def note(self, terminal: str, online: bool | None, now: float) -> None:
        """What is known of the terminal now, which has just changed or been confirmed."""
        self.forget_heard(terminal)
        if online is False:
            self._offline.setdefault(terminal, now)
            return
        self._offline.pop(terminal, None)
        if online:
            heartbeat = self._model_of(terminal).heartbeat
            self._home[terminal] = heartbeat
            self._heard.setdefault(heartbeat, {})[terminal] = now

    def keep_only(self, terminals: Collection[str]) -> None:
        """The others are in no household any more."""
        for terminal in [each for each in (*self._home, *self._offline) if each not in terminals]:
            self.forget_heard(terminal)
            self._offline.pop(terminal, None)

    def forget_heard(self, terminal: str) -> None:
        heartbeat = self._home.pop(terminal, None)
        if heartbeat is not None:
            del self._heard[heartbeat][terminal]

    def is_offline(self, terminal: str) -> bool:
        return terminal in self._offline

    def silent(self, now: float) -> list[str]:
        """Those that were online and have been heard of for two heartbeats no more."""
        found = []
        for heartbeat, heard in self._heard.items():
            for terminal, at in heard.items():
                if now - at < 2 * heartbeat:
                    break
                found.append(terminal)
        return found

    def overdue(self, now: float) -> list[str]:
        """Those that have been offline for their grace and longer, the longest first."""
        return [
            terminal
            for terminal, since in self._offline.items()
            if (model := self._model_of(terminal)).alert and now - since >= model.grace
        ]

    def together(self, terminals: Sequence[str], known: int) -> list[str]:
        """Of these, those that went with so many others of the ``known`` that it is one outage and not theirs."""
        times = sorted(self._offline.values())
        least = max(_FEWEST_AT_ONCE, _SHARE_AT_ONCE * known)

        def at_once(since: float) -> int:
            return bisect_right(times, since + _TOGETHER_S) - bisect_left(times, since - _TOGETHER_S)

        return [each for each in terminals if each in self._offline and at_once(self._offline[each]) >= least]
