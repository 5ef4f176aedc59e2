"""What is known of one node's cameras and terminals, with a short memory of what changed last."""

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, Protocol, TypeVar

from gateway.model import Camera, CameraHealth, Terminal, TerminalState

_REMEMBERED = 4096  # changes; who is further behind looks at everything


@dataclass(frozen=True, slots=True)
class NodeCard:
    """Who a node is. ``parent``: the node above it; "" for the one at the top of what is known here."""

    id: str
    name: str = ""
    level: str = ""
    area_code: str | None = None
    version: str = ""
    parent: str = ""


@dataclass(frozen=True, slots=True)
class HeldCamera:
    """``health``: None until somebody has told of it."""

    camera: Camera
    health: CameraHealth | None = None

    @property
    def id(self) -> str:
        return self.camera.id

    @property
    def area_code(self) -> str | None:
        return self.camera.place.area_code

    @property
    def state(self) -> str:
        if not self.camera.enabled:
            return "disabled"
        return "connecting" if self.health is None else self.health.state.value


@dataclass(frozen=True, slots=True)
class HeldTerminal:
    terminal: Terminal
    presence: TerminalState

    @property
    def id(self) -> str:
        return self.terminal.id

    @property
    def area_code(self) -> str | None:
        return self.terminal.place.area_code

    @property
    def state(self) -> str:
        online = self.presence.online
        return "unknown" if online is None else "online" if online else "offline"


class Held(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def area_code(self) -> str | None: ...
    @property
    def state(self) -> str: ...


H = TypeVar("H", bound=Held)
C = TypeVar("C")


class Shelf(Generic[H]):
    """Devices of one kind by id, counted by state and by area."""

    def __init__(self) -> None:
        self._by_id: dict[str, H] = {}
        self._order: list[str] | None = None
        self.states: Counter[str] = Counter()
        self.areas: Counter[str | None] = Counter()

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, id_: str) -> bool:
        return id_ in self._by_id

    def __iter__(self) -> Iterator[H]:
        return iter(self._by_id.values())

    def get(self, id_: str) -> H | None:
        return self._by_id.get(id_)

    def ids(self) -> list[str]:
        """In their order; not to be changed by the caller."""
        if self._order is None:
            self._order = sorted(self._by_id)
        return self._order

    def after(self, id_: str) -> Iterator[H]:
        """Those with a greater id, in the order of ids."""
        order = self.ids()
        return (self._by_id[each] for each in islice(order, bisect_right(order, id_), None) if each in self._by_id)

    def put(self, item: H) -> H | None:
        """The one that stood there before."""
        before = self._by_id.get(item.id)
        if before is None:
            self._order = None
        else:
            self._uncount(before)
        self._by_id[item.id] = item
        self.states[item.state] += 1
        self.areas[item.area_code] += 1
        return before

    def drop(self, id_: str) -> H | None:
        gone = self._by_id.pop(id_, None)
        if gone is not None:
            self._order = None
            self._uncount(gone)
        return gone

    def _uncount(self, item: H) -> None:
        _uncount(self.states, item.state)
        _uncount(self.areas, item.area_code)


def _uncount(counter: Counter[C], name: C) -> None:
    counter[name] -= 1
    if not counter[name]:
        del counter[name]


@dataclass(slots=True)
class Changes:
    """Ids: ``cameras`` and ``terminals`` are new or described otherwise, those with ``_states`` have another state only."""

    cameras: set[str] = field(default_factory=set)
    terminals: set[str] = field(default_factory=set)
    camera_states: set[str] = field(default_factory=set)
    terminal_states: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.cameras or self.terminals or self.camera_states or self.terminal_states)


class Holding:
    """``revision`` rises with each change of a device; ``figures`` and ``card`` may change without one."""

    def __init__(self, card: NodeCard) -> None:
        self.card = card
        self.cameras: Shelf[HeldCamera] = Shelf()
        self.terminals: Shelf[HeldTerminal] = Shelf()
        self.figures: Mapping[str, float] = {}
        self.revision = 0
        self._log: deque[tuple[int, str, str]] = deque(maxlen=_REMEMBERED)

    def put_camera(self, item: HeldCamera) -> None:
        before = self.cameras.put(item)
        if before is None or before.camera != item.camera:
            self._note("cameras", item.id)
        elif _camera_key(before.health) != _camera_key(item.health):
            self._note("camera_states", item.id)

    def put_terminal(self, item: HeldTerminal) -> None:
        before = self.terminals.put(item)
        if before is None or before.terminal != item.terminal:
            self._note("terminals", item.id)
        elif _terminal_key(before.presence) != _terminal_key(item.presence):
            self._note("terminal_states", item.id)

    def drop_camera(self, id_: str) -> None:
        if self.cameras.drop(id_) is not None:
            self._note("cameras", id_)

    def drop_terminal(self, id_: str) -> None:
        if self.terminals.drop(id_) is not None:
            self._note("terminals", id_)

    def keep_only(self, cameras: Iterable[str] | None = None, terminals: Iterable[str] | None = None) -> None:
        """Drop the devices that are not among these; None leaves a kind as it is."""
        if cameras is not None:
            for id_ in set(self.cameras.ids()).difference(cameras):
                self.drop_camera(id_)
        if terminals is not None:
            for id_ in set(self.terminals.ids()).difference(terminals):
                self.drop_terminal(id_)

    def changes(self, since: int) -> Changes | None:
        """What changed after that revision; None where that is longer ago than is remembered."""
        if self.revision - since > len(self._log):
            return None
        found = Changes()
        for revision, what, id_ in reversed(self._log):
            if revision <= since:
                break
            getattr(found, what).add(id_)
        found.camera_states -= found.cameras
        found.terminal_states -= found.terminals
        return found

    def _note(self, what: str, id_: str) -> None:
        self.revision += 1
        self._log.append((self.revision, what, id_))


def _camera_key(health: CameraHealth | None) -> tuple[object, ...] | None:
    """What counts as a change: a newer keyframe alone does not."""
    if health is None:
        return None
    return (health.state, health.reason, health.codec, health.width, health.height, health.faults)


def _terminal_key(presence: TerminalState) -> tuple[object, ...]:
    return (presence.online, presence.last_press)
