"""The node's own cameras and terminals, and what is known of the terminals' state. Lives in memory, filled from the
configuration; presence is heard anew after every start (status messages are retained at the broker)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.model import Camera, Terminal

_MAX_STRANGERS = 10_000


@dataclass(slots=True)
class Presence:
    """``online``: True, False (LWT) or None while unknown."""

    online: bool | None = None
    last_seen: datetime | None = None
    last_press: datetime | None = None


class Register:
    """Look-ups by id. ``changes`` counts presence changes, so that the event stream can follow."""

    def __init__(self, cameras: Iterable[Camera] = (), terminals: Iterable[Terminal] = ()) -> None:
        self._cameras = {camera.id: camera for camera in cameras}
        self._terminals = {terminal.id: terminal for terminal in terminals}
        self._presence: dict[str, Presence] = {}
        self.changes = 0

    def replace(self, other: "Register") -> None:
        """Take over another register's cameras and terminals; presence is kept."""
        self._cameras, self._terminals = other._cameras, other._terminals
        self.changes += 1

    def cameras(self) -> Sequence[Camera]:
        return list(self._cameras.values())

    def terminals(self) -> Sequence[Terminal]:
        return list(self._terminals.values())

    def camera(self, camera_id: str) -> Camera | None:
        return self._cameras.get(camera_id)

    def terminal(self, terminal_id: str) -> Terminal | None:
        return self._terminals.get(terminal_id)

    def presence(self, terminal_id: str) -> Presence:
        return self._presence.get(terminal_id, Presence())

    def seen(self, terminal_id: str, at: datetime, *, online: bool | None = None, pressed: bool = False) -> None:
        """A sign of life. Strangers are remembered too, up to a bound: anybody may publish."""
        known = self._presence.get(terminal_id)
        if known is None:
            if terminal_id not in self._terminals and len(self._presence) >= len(self._terminals) + _MAX_STRANGERS:
                return
            known = self._presence[terminal_id] = Presence()
        if online is False:
            known.online = False
        else:
            known.online, known.last_seen = True, at
        if pressed:
            known.last_press = at
        self.changes += 1
