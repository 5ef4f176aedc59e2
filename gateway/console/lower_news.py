"""What the event streams tell of lower nodes: the nodes themselves, and their devices as they change.

A stream is not told of a hundred thousand devices when it begins, nor of a thousand that go dark together: then the
node's ``reload`` rises, and who shows its lists loads them anew.
"""

from collections import Counter
from functools import partial

from gateway.console.below import lower_camera, lower_terminal
from gateway.console.states import States, compact
from gateway.console.views import node_json
from gateway.reporting.holding import Changes, Holding
from gateway.reporting.subtree import NodeView, Subtree

_MOST_AT_ONCE = 100  # devices of one node between two looks
_KEPT = 2000  # devices of all lower nodes whose change is kept for streams that are behind


class LowerNodes:
    """Notes into ``states`` what changed below."""

    def __init__(self, below: Subtree, states: States) -> None:
        self._below = below
        self._states = states
        self._seen: dict[str, int] = {}
        self._reloads: Counter[str] = Counter()
        self._kept: dict[tuple[str, str], str] = {}
        self._changes = -1

    def reloads(self, node: str) -> int:
        return self._reloads[node]

    def begin(self) -> None:
        """Streams begin: what stands now is in the lists that they load."""
        revisions = {holding.card.id: holding.revision for holding in self._below.holdings()}
        for node, revision in revisions.items():
            if self._seen.get(node, revision) != revision:
                self._reloads[node] += 1  # who was away has missed something
        self._seen = revisions
        self._kept.clear()
        self._changes = -1

    def look(self) -> bool:
        """Whether anything is new."""
        if self._below.changes == self._changes:
            return False
        self._changes = self._below.changes
        before = self._states.revision
        for holding in self._below.holdings():
            self._look_at(holding)
        views = self._below.views()
        self._states.forget("node", {view.card.id for view in views})
        for view in views:
            told = compact(node_json(view, self._reloads[view.card.id]))
            self._states.note("node", view.card.id, view.card.area_code, self._key(view), partial(str, told))
        return self._states.revision > before

    def _key(self, view: NodeView) -> tuple[object, ...]:
        """What is news of a node: not that it was heard again, nor each of its figures."""
        counts = (tuple(sorted(each.items())) for each in (view.cameras, view.terminals))
        return (view.card, view.state, view.reason, *counts, self._reloads[view.card.id])

    def _look_at(self, holding: Holding) -> None:
        node = holding.card.id
        seen, self._seen[node] = self._seen.get(node, 0), holding.revision
        changes = holding.changes(seen)
        if changes is None or _many(holding, changes):
            self._reloads[node] += 1
            return
        for id_ in changes.cameras | changes.camera_states:
            camera = holding.cameras.get(id_)
            if camera is not None:
                shown = lower_camera(self._below, node, camera)
                self._note(node, "camera", id_, camera.area_code, compact(shown))
        for id_ in changes.terminals | changes.terminal_states:
            terminal = holding.terminals.get(id_)
            if terminal is not None:
                shown = lower_terminal(self._below, node, terminal)
                self._note(node, "terminal", id_, terminal.area_code, compact(shown))

    def _note(self, node: str, event: str, id_: str, area_code: str | None, data: str) -> None:
        name = f"{node}:{id_}"
        self._states.note(event, name, area_code, (data,), lambda: data)
        self._kept.pop((event, name), None)
        self._kept[event, name] = node
        while len(self._kept) > _KEPT:
            oldest = next(iter(self._kept))
            self._reloads[self._kept.pop(oldest)] += 1
            self._states.drop(*oldest)


def _many(holding: Holding, changes: Changes) -> bool:
    """More than are told one by one, or some that are gone, which has no event."""
    told = (changes.cameras, changes.camera_states, changes.terminals, changes.terminal_states)
    gone = any(each not in holding.cameras for each in changes.cameras)
    return (
        gone or any(each not in holding.terminals for each in changes.terminals) or sum(map(len, told)) > _MOST_AT_ONCE
    )
