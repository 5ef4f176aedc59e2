"""The newest changes of alerts, in memory for streams that are a little behind."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

_MOST = 2000
_MOST_CHARACTERS = 8 << 20  # and not more of them than this: a stuck button makes an alert of a megabyte


@dataclass(frozen=True, slots=True)
class AlertChange:
    """An alert as it stands after the entry at feed ``position``, rendered once for all streams."""

    position: int
    alert_id: str
    version: int
    area_code: str | None
    data: str


class Tail:
    """The newest changes of alerts. It covers the feed after ``start`` up to ``position``."""

    def __init__(self, position: int) -> None:
        self.start = position
        self.position = position
        self._changes: deque[AlertChange] = deque()
        self._characters = 0

    def extend(self, changes: Sequence[AlertChange], position: int) -> None:
        self._changes.extend(changes)
        self._characters += sum(len(change.data) for change in changes)
        self.position = position
        while len(self._changes) > _MOST or self._characters > _MOST_CHARACTERS:
            oldest = self._changes.popleft()
            self.start = oldest.position
            self._characters -= len(oldest.data)

    def after(self, position: int) -> list[AlertChange]:
        newer = []
        for change in reversed(self._changes):
            if change.position <= position:
                break
            newer.append(change)
        return newer[::-1]
