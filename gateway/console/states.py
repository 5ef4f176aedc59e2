"""The newest state of each camera and terminal, for streams that have seen some of them."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any


@dataclass(frozen=True, slots=True)
class State:
    """A camera's or terminal's state, or an alert that got a receipt. ``revision`` rises over all of them, so a stream
    knows what it has sent."""

    revision: int
    area_code: str | None
    key: tuple[object, ...]  # what counts as a change: a newer keyframe alone does not
    event: str
    data: str


class States:
    """By event and id, in the order of their last change: what is new costs a stream what is new, and not what there is."""

    def __init__(self) -> None:
        self.revision = 0
        self._by_id: dict[tuple[str, str], State] = {}

    def note(
        self,
        event: str,
        id_: str,
        area_code: str | None,
        key: tuple[object, ...],
        render: Callable[[], str],
    ) -> bool:
        """Whether this is a change; only then it is rendered."""
        known = self._by_id.get((event, id_))
        if known is not None and known.key == key:
            return False
        self._by_id.pop((event, id_), None)
        self.revision += 1
        self._by_id[event, id_] = State(self.revision, area_code, key, event, render())
        return True

    def forget(self, event: str, present: Collection[str]) -> None:
        """Drop those of ``event`` that are not ``present`` any more."""
        for known in [key for key in self._by_id if key[0] == event and key[1] not in present]:
            del self._by_id[known]

    def drop(self, event: str, id_: str) -> None:
        self._by_id.pop((event, id_), None)

    def after(self, revision: int) -> list[State]:
        """Those that changed after ``revision``, in the order of their changes."""
        newer = list(takewhile(lambda state: state.revision > revision, reversed(self._by_id.values())))
        return newer[::-1]

    def clear(self) -> None:
        """Forget all; revisions go on."""
        self._by_id.clear()


def compact(value: Mapping[str, Any]) -> str:
    """JSON on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
