"""Cameras that are lost together have one cause: which losses belong together, and what has probably failed. Pure.

Each loss is explained by one group that its camera belongs to: those of one host (a recorder), of one subnet (a switch, or
what joins the subnet), of one area (its power) and all of the node (its own network). A group explains nothing unless enough
of it went within a short time. Of the groups that could, the one comes first that explains most and is contradicted least by
cameras that stayed; among equals the smallest. What no group explains is single.
"""

import heapq
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from gateway.model import Cause
from gateway.supervision.sites import Site

_STAYED = 0.5
"""A camera that stayed speaks against a group by half of what a lost one speaks for it: a switch may lose some of its ports."""
_WIDTHS = {cause: width for width, cause in enumerate(Cause)}


@dataclass(frozen=True, slots=True)
class Together:
    """When losses are one: ``fewest`` cameras and ``share`` of the group, lost ``within_s`` seconds of each other."""

    fewest: int = 3
    share: float = 0.5
    within_s: float = 90.0


@dataclass(frozen=True, slots=True)
class Group:
    """What cameras have in common. ``name``: the address, the subnet or the area code; empty for the whole node."""

    kind: Cause
    name: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """``cameras`` are lost, in the order of their ids; ``total``: how many there are in the group."""

    cause: Cause
    group: Group
    cameras: tuple[str, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Every lost camera stands in exactly one of them."""

    incidents: tuple[Incident, ...] = ()
    single: tuple[str, ...] = ()


def groups_of(site: Site) -> Iterator[Group]:
    """The narrowest first."""
    if site.host is not None:
        yield Group(Cause.RECORDER, site.host)
    if site.subnet is not None:
        yield Group(Cause.SUBNET, site.subnet)
    for area in site.areas:
        yield Group(Cause.AREA_POWER, area)
    yield Group(Cause.UPSTREAM)


def explain(losses: Mapping[str, float], sites: Mapping[str, Site], together: Together) -> Explanation:
    """``losses``: when each camera was lost, in seconds of one clock. ``sites``: of these and of all that stand or stood
    beside them; a lost camera without one is single."""
    members = _members(losses, sites)
    left = {camera for camera in losses if camera in sites}
    single = set(losses)
    waiting = [_judged(group, all_, losses, left, together) for group, all_ in members.items()]
    heap = [each for each in waiting if each is not None]
    heapq.heapify(heap)
    incidents = []
    while heap:
        # What a group explains only becomes less as others explain it first: the first that still stands is the best.
        best = heapq.heappop(heap)
        now = _judged(best.group, members[best.group], losses, left, together)
        if now is None:
            continue
        if heap and heap[0] < now:
            heapq.heappush(heap, now)
            continue
        incidents.append(Incident(_cause(now), now.group, tuple(sorted(now.lost)), now.total))
        left -= now.lost
        single -= now.lost
    return Explanation(tuple(incidents), tuple(sorted(single)))


@dataclass(frozen=True, slots=True, order=True)
class _Judged:
    """Orders itself: the best explanation is the least."""

    loss: float
    total: int
    width: float
    name: str
    group: Group = field(compare=False)
    lost: frozenset[str] = field(compare=False)


def _members(losses: Mapping[str, float], sites: Mapping[str, Site]) -> Mapping[Group, Collection[str]]:
    """All cameras of every group that has lost one. An area that holds the whole node says no more than the node does."""
    found: dict[Group, list[str]] = {
        group: [] for camera in losses if camera in sites for group in groups_of(sites[camera])
    }
    for camera, site in sites.items():
        for group in groups_of(site):
            if group in found:
                found[group].append(camera)
    everywhere = {group for group, all_ in found.items() if group.kind is Cause.AREA_POWER and len(all_) == len(sites)}
    return {group: all_ for group, all_ in found.items() if group not in everywhere}


def _judged(
    group: Group, members: Collection[str], losses: Mapping[str, float], left: Collection[str], together: Together
) -> _Judged | None:
    """How well this group explains what is left; None where it explains nothing."""
    lost = _at_once({camera: losses[camera] for camera in members if camera in left}, together.within_s)
    total = len(members)
    if len(lost) < together.fewest or len(lost) < together.share * total:
        return None
    stayed = sum(camera not in losses for camera in members)
    gain = len(lost) - 1 - _STAYED * stayed
    # Where nobody stayed, a subnet that everybody is in has not failed by itself.
    width = _WIDTHS[Cause.RECORDER] + 0.5 if group.kind is Cause.UPSTREAM and not stayed else _WIDTHS[group.kind]
    return _Judged(-gain, total, width, group.name, group, lost)


def _at_once(losses: Mapping[str, float], within_s: float) -> frozenset[str]:
    """The most that were lost within so long; of several such spans the earliest."""
    ordered = sorted(losses.items(), key=lambda loss: (loss[1], loss[0]))
    times = [at for _, at in ordered]
    best, first = 0, 0
    for number, at in enumerate(times):
        many = bisect_right(times, at + within_s) - number
        if many > best:
            best, first = many, number
    return frozenset(camera for camera, _ in ordered[first : first + best])


def _cause(judged: _Judged) -> Cause:
    """Part of a subnet hangs on one switch; all of it on what joins it to the rest."""
    if judged.group.kind is Cause.SUBNET and len(judged.lost) < judged.total:
        return Cause.SWITCH
    return judged.group.kind
