"""The nodes below this one as this one knows them: their cameras and terminals, their figures, whether they are heard.

Lives in memory. After a restart the lower nodes connect again and send the whole picture; only who they are and how they
stood is written down (``roster.py``), so that one that went away meanwhile is missed.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gateway.config.forbidden_places import refusal
from gateway.model import Camera, rfc3339, said_time
from gateway.observability.logs import logger
from gateway.ports import Clock, Report
from gateway.reporting import wire
from gateway.reporting.attendance import Attendance, NodeState
from gateway.reporting.holding import H, HeldCamera, HeldTerminal, Holding, NodeCard, Shelf

MAX_NODES = 500  # that one lower node may speak for
MAX_DEVICES = 100_000  # of all of them together
MAX_WEIGHT = 96 * 1024 * 1024
# Of all lower nodes together, beside which each directly connected one has a share that nobody can take from it.
MAX_NODES_IN_ALL, SHARE_OF_NODES = 3_000, 16
MAX_WEIGHT_IN_ALL, SHARE_OF_WEIGHT = 256 * 1024 * 1024, 4 * 1024 * 1024
_BITE = 100  # devices taken between two turns of others: some 3 ms
_DEPTH = 8  # levels: there are four

_log = logger("reporting")


@dataclass(frozen=True, slots=True)
class NodeView:
    """A lower node as it is shown. ``changes`` rises with every change of its devices, ``reason`` says what is wrong."""

    card: NodeCard
    state: NodeState
    reason: str | None = None
    since: datetime | None = None
    last_heard: datetime | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    cameras: Mapping[str, int] = field(default_factory=dict)
    terminals: Mapping[str, int] = field(default_factory=dict)
    changes: int = 0


@dataclass(slots=True)
class _Picture:
    """A whole picture that comes in parts: which have come, and which of the devices that are kept were in them; None for
    a kind of which some part did not speak: other programs may tell of cameras alone."""

    id: str
    parts: int
    come: set[int] = field(default_factory=set)
    cameras: set[str] | None = field(default_factory=set)
    terminals: set[str] | None = field(default_factory=set)


@dataclass(slots=True)
class _Relayed:
    """What the node between us and another says of that other."""

    state: NodeState
    since: datetime | None
    last_heard: datetime | None


@dataclass(slots=True)
class _Budget:
    """What one directly connected node has taken, with all that it speaks for."""

    nodes: int = 0
    devices: int = 0
    weight: int = 0
    full: bool = False


class Subtree:
    """``nodes``: those that may connect to this one; None where that cannot be told just now."""

    def __init__(
        self,
        own: str,
        clock: Clock,
        nodes: Callable[[], Collection[str] | None] = lambda: None,
    ) -> None:
        self.own = own
        self.attendance = Attendance()
        self.changes = 0  # rises whenever something shown of a node may have changed
        self._clock = clock
        self._nodes = nodes
        self._holdings: dict[str, Holding] = {}
        self._via: dict[str, str] = {}
        self._relayed: dict[str, _Relayed] = {}
        self._pictures: dict[str, _Picture] = {}
        self._budgets: dict[str, _Budget] = {}
        self._in_all = _Budget()
        self._forbidden: dict[tuple[str, str], str] = {}  # (node, camera) → why none may stand there

    # -------------------------------------------------------------------------------- what comes from below

    def heard(self, sender: str) -> None:
        """A sign of life of a directly connected node."""
        if self.attendance.heard(sender, self._clock.now()):
            self.changes += 1

    def refusal(self, node: str, sender: str) -> str | None:
        """Why no more can be kept of this node; None where it can. Asked before its report is taken, on any thread."""
        if node in self._holdings or self._room_for_a_node(self._budgets.get(sender, _Budget())):
            return None
        return f"{sender} speaks for as many nodes as are kept already"

    def _room_for_a_node(self, budget: _Budget) -> bool:
        if budget.nodes < SHARE_OF_NODES:
            return budget.nodes < MAX_NODES
        return budget.nodes < MAX_NODES and self._in_all.nodes < MAX_NODES_IN_ALL

    def take(self, report: Report, sender: str) -> None:
        """A report that the exchange has let in: ``sender`` may speak for ``report.node``."""
        for _ in self.taking(report, sender):
            pass

    def taking(self, report: Report, sender: str) -> Iterator[None]:
        """As ``take``, bite by bite, for who has presses to see to beside: 4 MiB name seventy thousand devices. No other
        report of ``sender`` may be taken meanwhile."""
        holding = self._holding(report.node, sender)
        if holding is None:
            return
        self.changes += 1
        data = report.data
        card = wire.read_card(report.node, data, holding.card)
        holding.card = replace(card, parent=self._parent(report.node, sender, data))
        self._take_state(report, sender)
        for _ in (
            self._take_inventory(holding, data) if report.type == wire.INVENTORY else self._take_health(holding, data)
        ):
            self.changes += 1
            yield
            if self._holdings.get(report.node) is not holding:
                return  # let go of meanwhile
        self.changes += 1

    def _holding(self, node: str, sender: str) -> Holding | None:
        found = self._holdings.get(node)
        if found is not None and self._via[node] == sender:
            return found
        if found is not None:  # it is reached another way now: what was kept counts against nobody twice
            self._remove(node)
        budget = self._budgets.setdefault(sender, _Budget())
        if not self._room_for_a_node(budget):
            return None
        budget.nodes += 1
        self._in_all.nodes += 1
        self._via[node] = sender
        self._holdings[node] = Holding(NodeCard(node))
        return self._holdings[node]

    def _parent(self, node: str, sender: str, data: Mapping[str, Any]) -> str:
        """Directly connected nodes are below us; of the others the one between says whose they are, as far as it goes."""
        if node == sender:
            return self.own
        named = data.get("parent")
        known = isinstance(named, str) and named != node and self._via.get(named) == sender
        return str(named) if known else sender

    def _take_inventory(self, holding: Holding, data: Mapping[str, Any]) -> Iterator[None]:
        at = self._clock.now()
        cameras: set[str] = set()
        terminals: set[str] = set()
        for some in _bites(data.get("cameras")):
            for camera in (wire.read_camera(each, at) for each in some):
                if camera is not None and self._put_camera(holding, camera):
                    cameras.add(camera.id)
            yield
        for some in _bites(data.get("terminals")):
            for terminal in map(wire.read_terminal, some):
                if terminal is not None and self._put_terminal(holding, terminal):
                    terminals.add(terminal.id)
            yield
        if data.get("whole") is False:
            yield from self._take_away(holding, wire.mapping(data.get("gone")))
        else:
            told = cameras if "cameras" in data else None, terminals if "terminals" in data else None
            yield from self._complete(holding, data, *told)

    def _take_away(self, holding: Holding, gone: Mapping[str, Any]) -> Iterator[None]:
        for some in _bites(gone.get("cameras")):
            for id_ in wire.ids(some):
                self._drop(holding, holding.cameras.get(id_))
            yield
        for some in _bites(gone.get("terminals")):
            for id_ in wire.ids(some):
                self._drop(holding, holding.terminals.get(id_))
            yield

    def _complete(
        self, holding: Holding, data: Mapping[str, Any], cameras: set[str] | None, terminals: set[str] | None
    ) -> Iterator[None]:
        """Once all parts of a whole picture have come, what was in none of them is gone."""
        part, parts = _part(data.get("part"))
        name = str(data.get("picture", ""))[:64]
        picture = self._pictures.get(holding.card.id)
        again = (
            picture is not None and part in picture.come and not name
        )  # nameless ones begin anew with a part seen before
        if picture is None or (picture.id, picture.parts) != (name, parts) or again:
            picture = self._pictures[holding.card.id] = _Picture(name, parts)
        picture.come.add(part)
        picture.cameras = _seen(picture.cameras, cameras, holding.cameras)
        picture.terminals = _seen(picture.terminals, terminals, holding.terminals)
        if len(picture.come) < parts:
            return
        del self._pictures[holding.card.id]
        cameras_gone = _absent(holding.cameras, picture.cameras)
        terminals_gone = _absent(holding.terminals, picture.terminals)
        for some in _bites([*cameras_gone, *terminals_gone]):
            for device in some:
                self._drop(holding, device)
            yield

    def _take_health(self, holding: Holding, data: Mapping[str, Any]) -> Iterator[None]:
        at = self._clock.now()
        if isinstance(data.get("figures"), Mapping):
            holding.figures = wire.read_figures(data["figures"])
        for some in _bites(data.get("cameras")):
            for each in some:
                known = holding.cameras.get(wire.id_of(wire.mapping(each)) or "")
                if known is not None:  # else its inventory is on the way, and says how it stands
                    self._put_camera(holding, wire.read_camera_state(each, known, at))
            yield
        for some in _bites(data.get("terminals")):
            for each in some:
                found = holding.terminals.get(wire.id_of(wire.mapping(each)) or "")
                if found is not None:
                    self._put_terminal(holding, wire.read_terminal_state(each, found))
            yield

    def _take_state(self, report: Report, sender: str) -> None:
        if report.node == sender:
            figures = wire.read_figures(report.data.get("figures")) if report.type == wire.HEALTH else {}
            stopping = figures.get("stopping", 0) > 0
            self.attendance.reported(sender, self._clock.now(), stopping=stopping)
            return
        told = report.data
        word = told.get("node_state")
        state = NodeState(word) if isinstance(word, str) and word in frozenset(NodeState) else NodeState.ONLINE
        known = self._relayed.get(report.node)
        last_heard = said_time(told.get("last_heard")) or self._clock.now()
        since = known.since if known is not None and known.state is state else said_time(told.get("since"))
        self._relayed[report.node] = _Relayed(state, since or self._clock.now(), last_heard)

    # -------------------------------------------------------------------------------- what is kept, and how much

    def _put_camera(self, holding: Holding, camera: HeldCamera) -> bool:
        """Whether it is kept."""
        before = holding.cameras.get(camera.id)
        if not self._weighed(holding, camera, before):
            return before is not None
        holding.put_camera(camera)
        told = camera.camera
        if before is None or (before.camera.name, before.camera.place_type) != (told.name, told.place_type):
            self._look_at_place(holding, told)
        return True

    def _look_at_place(self, holding: Holding, camera: Camera) -> None:
        """A lower node's camera is its own: it is not refused here, which would only hide it."""
        reason = refusal(camera.name, camera.place_type)
        if reason is None:
            self._forbidden.pop((holding.card.id, camera.id), None)
        else:
            self._forbidden[holding.card.id, camera.id] = reason

    def _put_terminal(self, holding: Holding, terminal: HeldTerminal) -> bool:
        before = holding.terminals.get(terminal.id)
        if not self._weighed(holding, terminal, before):
            return before is not None
        holding.put_terminal(terminal)
        return True

    def _weighed(
        self, holding: Holding, item: HeldCamera | HeldTerminal, before: HeldCamera | HeldTerminal | None
    ) -> bool:
        """Whether there is room for it among what its way may take."""
        budget = self._budgets[self._via[holding.card.id]]
        more = wire.weight(item) - (wire.weight(before) if before is not None else 0)
        if more > 0 and not self._room_for(budget, more, another=before is None):
            if not budget.full:
                _log.warning(
                    "a lower node tells of more devices than are kept; the rest is left out",
                    node=self._via[holding.card.id],
                    devices=budget.devices,
                )
            budget.full = True
            return False
        budget.weight += more
        self._in_all.weight += more
        budget.devices += before is None
        return True

    def _room_for(self, budget: _Budget, weight: int, *, another: bool) -> bool:
        if budget.weight + weight > MAX_WEIGHT or (another and budget.devices >= MAX_DEVICES):
            return False
        return budget.weight + weight <= SHARE_OF_WEIGHT or self._in_all.weight + weight <= MAX_WEIGHT_IN_ALL

    def _drop(self, holding: Holding, item: HeldCamera | HeldTerminal | None) -> None:
        if item is None:
            return
        budget = self._budgets[self._via[holding.card.id]]
        budget.weight -= wire.weight(item)
        self._in_all.weight -= wire.weight(item)
        budget.devices -= 1
        if isinstance(item, HeldCamera):
            holding.drop_camera(item.id)
            self._forbidden.pop((holding.card.id, item.id), None)
        else:
            holding.drop_terminal(item.id)

    def _remove(self, node: str) -> None:
        holding = self._holdings[node]
        for camera in list(holding.cameras):
            self._drop(holding, camera)
        for terminal in list(holding.terminals):
            self._drop(holding, terminal)
        self._budgets[self._via.pop(node)].nodes -= 1
        self._in_all.nodes -= 1
        del self._holdings[node]
        self._relayed.pop(node, None)
        self._pictures.pop(node, None)
        self.changes += 1

    def forget(self, sender: str) -> None:
        """A directly connected node is none any more, and so are those behind it."""
        for node in [node for node, via in self._via.items() if via == sender]:
            self._remove(node)
        self._budgets.pop(sender, None)
        self.attendance.forget(sender)
        self.changes += 1

    def restore(self, card: NodeCard, via: str) -> Holding | None:
        """A node that was known before a restart; nothing is known of its devices yet."""
        holding = self._holding(card.id, via)
        if holding is not None:
            holding.card = card
        return holding

    # -------------------------------------------------------------------------------- what is asked of it

    def awaited(self) -> Collection[str] | None:
        """The nodes that may connect to this one; None where that cannot be told just now."""
        return self._nodes()

    def via(self, node: str) -> str | None:
        """The directly connected node through which it is reached."""
        return self._via.get(node)

    def holding(self, node: str) -> Holding | None:
        return self._holdings.get(node)

    def holdings(self) -> list[Holding]:
        """In the order of their nodes' ids."""
        return [self._holdings[node] for node in sorted(self._holdings)]

    def camera(self, node: str, id_: str) -> HeldCamera | None:
        holding = self._holdings.get(node)
        return None if holding is None else holding.cameras.get(id_)

    def forbidden(self) -> list[tuple[str, HeldCamera, str]]:
        """Cameras that seem to stand where the law wants none: (node, camera, why)."""
        found = ((node, self.camera(node, id_), why) for (node, id_), why in sorted(self._forbidden.items()))
        return [(node, camera, why) for node, camera, why in found if camera is not None]

    def terminal(self, node: str, id_: str) -> HeldTerminal | None:
        holding = self._holdings.get(node)
        return None if holding is None else holding.terminals.get(id_)

    def views(self) -> list[NodeView]:
        """Every lower node that is known, or may connect, in the order of ids."""
        expected = set(self._nodes() or ()) - {self.own}
        return [self.view(node) for node in sorted(expected | self._holdings.keys() | self.attendance.records.keys())]

    def view(self, node: str) -> NodeView:
        holding = self._holdings.get(node)
        sender = self._via.get(node, node)
        state, reason, since, last_heard = self._direct(node) if sender == node else self._behind(node, sender)
        if holding is None:
            return NodeView(NodeCard(node, parent=self.own), state, reason, since, last_heard)
        return NodeView(
            replace(holding.card, parent=self._upward(holding.card)),
            state,
            reason,
            since,
            last_heard,
            holding.figures,
            Counter(holding.cameras.states),
            Counter(holding.terminals.states),
            holding.revision,
        )

    def state(self, node: str) -> NodeState:
        sender = self._via.get(node, node)
        return (self._direct(node) if sender == node else self._behind(node, sender))[0]

    def _direct(self, node: str) -> tuple[NodeState, str | None, datetime | None, datetime | None]:
        record = self.attendance.records.get(node)
        if record is None:
            return NodeState.UNKNOWN, "it has not been heard yet", None, None
        reason = None
        if record.state is NodeState.SILENT:
            heard = "never" if record.last_heard is None else f"last at {rfc3339(record.last_heard)}"
            reason = f"nothing is heard from it ({heard}): look at its power and its link"
        elif record.state is NodeState.STOPPED:
            reason = "it said that it stops"
        elif record.state is NodeState.UNKNOWN:
            reason = "it has not been heard since this node started"
        return record.state, reason, record.since, record.last_heard

    def _behind(self, node: str, sender: str) -> tuple[NodeState, str | None, datetime | None, datetime | None]:
        told = self._relayed.get(node)
        state, _, since, _ = self._direct(sender)
        last_heard = None if told is None else told.last_heard
        if state is not NodeState.ONLINE or told is None:
            return NodeState.UNKNOWN, f"it is reached through {sender}, which is {state.value}", since, last_heard
        reason = None if told.state is NodeState.ONLINE else f"{sender} tells that it is {told.state.value}"
        return told.state, reason, told.since, last_heard

    def _upward(self, card: NodeCard) -> str:
        """The parent, where the way up from it ends at this node; else the directly connected one, which is sure."""
        node, steps = card.parent, 0
        while node != self.own and steps < _DEPTH:
            above = self._holdings.get(node)
            node, steps = (above.card.parent if above is not None else ""), steps + 1
            if not node:
                break
        return card.parent if node == self.own else self._via.get(card.id, self.own)


def _bites(value: object) -> Iterator[list[Any]]:
    told = wire.items(value)
    return (list(told[start : start + _BITE]) for start in range(0, len(told), _BITE))


def _seen(before: set[str] | None, told: set[str] | None, kept: Shelf[H]) -> set[str] | None:
    """What of a picture has been seen so far: no more than is kept, however many parts come."""
    if before is None or told is None:
        return None
    before |= told
    return before if len(before) <= len(kept) else {id_ for id_ in before if id_ in kept}


def _absent(kept: Shelf[H], seen: set[str] | None) -> list[H]:
    return [] if seen is None else [each for each in kept if each.id not in seen]


def _part(value: object) -> tuple[int, int]:
    """(number, of how many), from ``[i, n]`` with i from 1; a report without it is whole by itself."""
    match value:
        case [int(part), int(parts)] if 1 <= part <= parts <= 100_000:
            return part, parts
    return 1, 1
