"""The node's own cameras and terminals, and what is known of the terminals' state. Lives in memory: the first are filled
from the configuration, the states from the ledger, where they are kept over restarts (alerts/presence.py)."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, takewhile

from gateway.alerts.linking import CameraIndex, Link
from gateway.model import Camera, Place, Terminal, TerminalState

_MAX_STRANGERS = 10_000


@dataclass(slots=True)
class Presence:
    """``online``: True, False (LWT, or silent for too long) or None while unknown; ``since``: of that state."""

    online: bool | None = None
    last_seen: datetime | None = None
    last_press: datetime | None = None
    since: datetime | None = None
    last_test: datetime | None = None


class Register:
    """Look-ups by id. ``changes`` counts presence changes and ``replaced`` reloads, so that the event stream can follow."""

    def __init__(self, cameras: Iterable[Camera] = (), terminals: Iterable[Terminal] = ()) -> None:
        self._cameras = {camera.id: camera for camera in cameras}
        self._terminals = {terminal.id: terminal for terminal in terminals}
        self._index = CameraIndex(self._cameras.values())
        self._presence: dict[str, Presence] = {}
        self._changed: dict[str, int] = {}  # terminal → count of its last change, in that order
        self._in_order: list[str] | None = None
        self.changes = 0
        self.replaced = 0

    def replace(self, other: "Register") -> None:
        """Take over another register's cameras and terminals; presence is kept."""
        self._cameras, self._terminals, self._index = other._cameras, other._terminals, other._index
        self._in_order = None
        self._changed = {name: count for name, count in self._changed.items() if name in self._terminals}
        self.changes += 1
        self.replaced += 1

    def presence_changes(self, seen: int) -> Sequence[str]:
        """Ids of the terminals here whose presence changed after that count of ``changes``."""
        return [name for name, _ in takewhile(lambda change: change[1] > seen, reversed(self._changed.items()))]

    def cameras(self) -> Sequence[Camera]:
        return list(self._cameras.values())

    def terminals(self) -> Sequence[Terminal]:
        return list(self._terminals.values())

    def terminals_by_id(self, after: str) -> Iterator[Terminal]:
        """Those with an id greater than ``after``, in the order of ids; no more of them are looked at than are taken."""
        if self._in_order is None:
            self._in_order = sorted(self._terminals)
        names = self._in_order
        return (self._terminals[name] for name in islice(names, bisect_right(names, after), None))

    def camera(self, camera_id: str) -> Camera | None:
        return self._cameras.get(camera_id)

    def terminal(self, terminal_id: str) -> Terminal | None:
        return self._terminals.get(terminal_id)

    def link(self, place: Place, named: Sequence[str], *, nearest: int, within_m: float) -> list[Link]:
        """The cameras of an alert at ``place``; see alerts/linking.py."""
        return self._index.link(place, named, nearest=nearest, within_m=within_m)

    def presence(self, terminal_id: str) -> Presence:
        return self._presence.get(terminal_id) or Presence()

    def offline(self) -> Sequence[Terminal]:
        """The terminals that said goodbye, or have been silent for too long."""
        return [each for each in self._terminals.values() if self.presence(each.id).online is False]

    def remember(self, states: Iterable[TerminalState]) -> None:
        """What the ledger kept of the terminals here; what was heard since the start stands."""
        for state in states:
            if state.terminal_id in self._terminals and state.terminal_id not in self._presence:
                self._presence[state.terminal_id] = Presence(
                    state.online, state.last_seen, state.last_press, state.since, state.last_test
                )
                self._note_change(state.terminal_id)

    def state(self, terminal_id: str) -> TerminalState:
        known = self.presence(terminal_id)
        return TerminalState(terminal_id, known.online, known.since, known.last_seen, known.last_press, known.last_test)

    def seen(
        self, terminal_id: str, at: datetime, *, online: bool | None = None, pressed: bool = False, test: bool = False
    ) -> None:
        """A sign of life. Strangers are remembered too, up to a bound: anybody may publish. ``test``: of a press."""
        known = self._presence.get(terminal_id)
        if known is None:
            if terminal_id not in self._terminals and len(self._presence) >= len(self._terminals) + _MAX_STRANGERS:
                return
            known = self._presence[terminal_id] = Presence()
        now_online = online is not False
        if known.online is not now_online:
            known.online, known.since = now_online, at
        if now_online:
            known.last_seen = at
        if pressed:
            known.last_press = at
        if test:
            known.last_test = at
        self._note_change(terminal_id)

    def _note_change(self, terminal_id: str) -> None:
        self.changes += 1
        if terminal_id in self._terminals:
            self._changed.pop(terminal_id, None)
            self._changed[terminal_id] = self.changes
