"""Order by cause: the parents' graph of an alert's entries, whatever a hostile node has drawn into it. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from gateway.model import Entry


def order(entries: Iterable[Entry]) -> list[Entry]:
    """A linear extension of the causal order, the same for every arrival order: by (depth, node, seq, id), where depth
    is one more than the deepest known parent's. Linear in entries and parents, whatever a hostile node has drawn."""
    known = {entry.id: entry for entry in entries}
    depth, _ = _depths(_known_parents(known))
    return sorted(known.values(), key=lambda entry: (depth[entry.id], entry.node, entry.seq, entry.id))


def unseen_by(author: Entry, entries: Iterable[Entry]) -> list[Entry]:
    """Those of ``entries`` that the author of ``author`` had not seen when it was written: all but its ancestors."""
    known = {entry.id: entry for entry in entries}
    seen, stack = {author.id}, list(author.parents)
    while stack:
        id = stack.pop()
        if id not in seen and id in known:
            seen.add(id)
            stack.extend(known[id].parents)
    return [entry for id, entry in known.items() if id not in seen]


def heads(entries: Iterable[Entry]) -> list[str]:
    """The ids that a new entry has to name as parents to follow all of these: those that none of them names, and those
    on forged cycles, which name each other."""
    known = {entry.id: entry for entry in entries}
    parents = _known_parents(known)
    _, cyclic = _depths(parents)
    named = {parent for named in parents.values() for parent in named}.difference(cyclic)
    return [id for id in known if id not in named]


def _known_parents(known: Mapping[str, Entry]) -> dict[str, list[str]]:
    return {id: [p for p in dict.fromkeys(entry.parents) if p in known and p != id] for id, entry in known.items()}


def _depths(parents: Mapping[str, Sequence[str]]) -> tuple[dict[str, int], list[str]]:
    """The depth of every entry, and the entries on cycles."""
    children: dict[str, list[str]] = {id: [] for id in parents}
    for id, named in parents.items():
        for parent in named:
            children[parent].append(id)
    depth: dict[str, int] = {}
    waiting = {id: len(named) for id, named in parents.items()}
    _descend([id for id, count in waiting.items() if not count], parents, children, waiting, depth)
    # Only a forger draws cycles. Their members count from their parents outside; who follows them honestly still does.
    cyclic = _cyclic(parents, children, depth)
    waiting.update(dict.fromkeys(cyclic, 0))
    _descend(cyclic, parents, children, waiting, depth)
    return depth, cyclic


def _descend(
    ready: list[str],
    parents: Mapping[str, Sequence[str]],
    children: Mapping[str, Sequence[str]],
    waiting: dict[str, int],
    depth: dict[str, int],
) -> None:
    """Give a depth to every entry whose parents all have one (Kahn's algorithm); ``ready`` all at once."""
    depth.update({id: 1 + max((depth.get(parent, 0) for parent in parents[id]), default=0) for id in ready})
    stack = list(ready)
    while stack:
        for child in children[stack.pop()]:
            waiting[child] -= 1
            if waiting[child] == 0:
                depth[child] = 1 + max(depth[parent] for parent in parents[child])
                stack.append(child)


def _cyclic(
    parents: Mapping[str, Sequence[str]], children: Mapping[str, Sequence[str]], done: Mapping[str, int]
) -> list[str]:
    """Of the entries without a depth, those that lie on cycles or between them: the rest merely follows."""
    left = {id: sum(child not in done for child in children[id]) for id in parents if id not in done}
    stack = [id for id, count in left.items() if not count]
    while stack:
        id = stack.pop()
        del left[id]
        for parent in parents[id]:
            if parent in left:
                left[parent] -= 1
                if left[parent] == 0:
                    stack.append(parent)
    return list(left)
