"""What the console asks of the rooms it does not own, as narrow protocols."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from gateway.model import Camera, Terminal


class NodeInfo(Protocol):
    """This node, as configured."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def level(self) -> str: ...


class PresenceView(Protocol):
    """A terminal's state. ``online``: None while unknown."""

    @property
    def online(self) -> bool | None: ...
    @property
    def last_seen(self) -> datetime | None: ...
    @property
    def last_press(self) -> datetime | None: ...
    @property
    def last_test(self) -> datetime | None: ...


class Inventory(Protocol):
    """The node's own cameras and terminals. ``changes`` rises with every change of a terminal's presence, ``replaced``
    when a reload has put others in their place."""

    @property
    def changes(self) -> int: ...
    @property
    def replaced(self) -> int: ...
    def presence_changes(self, seen: int) -> Sequence[str]:
        """Ids of the terminals whose presence changed after that count of ``changes``."""

    def cameras(self) -> Sequence[Camera]: ...
    def terminals(self) -> Sequence[Terminal]: ...
    def terminals_by_id(self, after: str) -> Iterable[Terminal]:
        """Those with an id greater than ``after``, in the order of ids."""

    def camera(self, camera_id: str) -> Camera | None: ...
    def terminal(self, terminal_id: str) -> Terminal | None: ...
    def presence(self, terminal_id: str) -> PresenceView: ...
