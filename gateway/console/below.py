"""Lower nodes' cameras and terminals as the API lists them, under ``node:id``, among this node's own.

Nothing is copied or sorted for a page: each node's devices stand in the order of their ids, and the pages' ids are in the
order of the whole, so that a county of a hundred thousand devices answers as quickly as a village.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from gateway.console.auth import covers
from gateway.console.views import camera_json, terminal_json
from gateway.model import Principal
from gateway.reporting.attendance import NodeState
from gateway.reporting.holding import HeldCamera, HeldTerminal, Holding, Shelf
from gateway.reporting.subtree import Subtree

H = TypeVar("H", HeldCamera, HeldTerminal)
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is asked for; None: any."""

    principal: Principal
    node: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One row: ``render`` makes its JSON, once it is known to be on the page."""

    id: str
    area_code: str | None
    state: str
    render: Callable[[], Json]


def split(id_: str) -> tuple[str, str] | None:
    """(node, the id there) of a lower node's device."""
    node, found, rest = id_.partition(":")
    return (node, rest) if found and node and rest else None


def lower_camera(below: Subtree, node: str, held: HeldCamera) -> Json:
    shown = camera_json(held.camera, held.health)
    shown["id"] = f"{node}:{held.id}"
    state = below.state(node)
    if state is not NodeState.ONLINE and shown["state"] != "disabled":
        # What nobody can know is not shown as if it were well; the contract has no word for it but this one.
        shown["reason"] = f"its node {node} is {state.value}; it was {shown['state']} when last heard of"
        shown["state"] = "offline"
    elif held.health is None and held.camera.enabled:
        shown["reason"] = f"its node {node} has not told of it yet"
    return shown


def lower_terminal(below: Subtree, node: str, held: HeldTerminal) -> Json:
    shown = terminal_json(held.terminal, held.presence)
    shown["id"] = f"{node}:{held.id}"
    if below.state(node) is not NodeState.ONLINE:
        shown["state"] = "unknown"
    return shown


def cameras(below: Subtree | None, own: Iterable[Listed], wanted: Wanted, after: str) -> Iterator[Listed]:
    """Own ones and those of the lower nodes with an id greater than ``after``, in the order of ids."""
    runs = [_own(below, sorted(own, key=_id), wanted, after)]
    for holding in _asked(below, wanted):
        assert below is not None
        runs.append(_run(below, holding, holding.cameras, wanted, after, _camera_state, lower_camera))
    return heapq.merge(*runs, key=_id)


def terminals(below: Subtree | None, own: Iterable[Listed], wanted: Wanted, after: str) -> Iterator[Listed]:
    """As ``cameras``; ``own`` come in the order of ids, after ``after``."""
    runs = [_own(below, own, wanted, after)]
    for holding in _asked(below, wanted):
        assert below is not None
        runs.append(_run(below, holding, holding.terminals, wanted, after, _terminal_state, lower_terminal))
    return heapq.merge(*runs, key=_id)


def _asked(below: Subtree | None, wanted: Wanted) -> list[Holding]:
    holdings = below.holdings() if below is not None else []
    return [each for each in holdings if wanted.node in (None, each.card.id)]


def _own(below: Subtree | None, own: Iterable[Listed], wanted: Wanted, after: str) -> Iterator[Listed]:
    if below is not None and wanted.node not in (None, below.own):
        return
    for row in own:
        if row.id > after and covers(wanted.principal, row.area_code) and wanted.state in (None, row.state):
            yield row


def _id(row: Listed) -> str:
    return row.id


def _run(
    below: Subtree,
    holding: Holding,
    shelf: Shelf[H],
    wanted: Wanted,
    after: str,
    state_of: Callable[[H, bool], str],
    render: Callable[[Subtree, str, H], Json],
) -> Iterator[Listed]:
    """One node's devices that are asked for. Of those that are not, as many as can be are never looked at."""
    node = holding.card.id
    prefix, heard = f"{node}:", below.state(node) is NodeState.ONLINE
    areas = {area for area in shelf.areas if covers(wanted.principal, area)}
    if not areas or (heard and wanted.state is not None and wanted.state not in shelf.states):
        return
    if after > prefix and not after.startswith(prefix):
        return  # what begins with the prefix stands together, and all of it before
    for held in shelf.after(after.removeprefix(prefix) if after > prefix else ""):
        if held.area_code in areas:
            state = state_of(held, heard)
            if wanted.state in (None, state):
                yield Listed(prefix + held.id, held.area_code, state, partial(render, below, node, held))


def _camera_state(held: HeldCamera, heard: bool) -> str:
    return held.state if heard or not held.camera.enabled else "offline"


def _terminal_state(held: HeldTerminal, heard: bool) -> str:
    return held.state if heard else "unknown"
