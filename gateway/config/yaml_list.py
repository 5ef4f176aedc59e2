"""Changing cameras (or terminals) of a list in a YAML file, and not a letter of anything else. Pure: text in, text out.

A whole file written anew by a YAML library loses what it does not model: the place of comments, quotes, the width of
lines. So only the lines of the camera that changes are made anew; all others are the same bytes. What is between the
cameras (comments, blank lines) belongs to nobody and stays where it is.
"""

import io
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gateway.config import collector
from gateway.errors import UsageError

Patch = Mapping[str, Any]
"""Keys to set; a mapping goes into the mapping that is there, None takes the key away."""

_KEY = "cameras"
_NO_PATCHES: Mapping[str, Patch] = MappingProxyType({})
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$")


@dataclass(frozen=True, slots=True)
class _Item:
    """Lines [start, end) of one record; ``column``: of its dash."""

    id: str
    start: int
    end: int


@dataclass(slots=True)
class _List:
    """Where the list stands. ``key``: its line in a mapping, -1 where it is the whole file. ``value``: (line, from, to) of an
    empty value that is written out (``[]``, ``null``). ``name``: of the key."""

    lines: list[str]
    begins: str
    newline: str
    items: list[_Item]
    column: int
    key: int
    key_end: int
    value: tuple[int, int, int] | None
    name: str


def ids(text: str, *, whole: bool, key: str = _KEY) -> list[str]:
    """The ids in the order of the file. ``whole``: the file is the list; else it stands under ``key``. Raises
    UsageError."""
    return [item.id for item in _parse(text, whole, key).items]


def records(text: str, *, key: str = _KEY) -> list[Mapping[str, Any]]:
    """The cameras as written, secrets unread. Raises UsageError."""
    try:
        document = _yaml().load(text.removeprefix("\ufeff"))
    except YAMLError as error:
        raise UsageError(f"not YAML: {error}") from None
    found = document.get(key) if isinstance(document, Mapping) else document
    return [record for record in found or () if isinstance(record, Mapping)]


def rewritten(
    text: str,
    *,
    whole: bool,
    key: str = _KEY,
    added: Sequence[Mapping[str, Any]] = (),
    changed: Mapping[str, Patch] = _NO_PATCHES,
    removed: Collection[str] = (),
) -> str:
    """With all of that done. Raises UsageError, KeyError for an id that is not there."""
    if changed or removed:
        text = _edited(_parse(text, whole, key), changed, frozenset(removed), whole)
    return _added(_parse(text, whole, key), added, whole) if added else text


def added(text: str, records: Sequence[Mapping[str, Any]], *, whole: bool, key: str = _KEY) -> str:
    """With the records after the last one. Raises UsageError."""
    return rewritten(text, added=records, whole=whole, key=key)


def removed(text: str, record_id: str, *, whole: bool, key: str = _KEY) -> str:
    """Without that record. Raises UsageError, KeyError where it is not there."""
    return rewritten(text, removed=[record_id], whole=whole, key=key)


def changed(text: str, record_id: str, patch: Patch, *, whole: bool, key: str = _KEY) -> str:
    """With that record changed; its comments stay. Raises UsageError, KeyError where it is not there."""
    return rewritten(text, changed={record_id: patch}, whole=whole, key=key)


def _added(found: _List, records: Sequence[Mapping[str, Any]], whole: bool) -> str:
    lines, column = found.lines, found.column
    if found.items:
        at = found.items[-1].end
    elif found.key < 0 and not whole:  # there is no such key yet
        lines += ["", f"{found.name}:"] if lines and lines[-1].strip() else [f"{found.name}:"]
        at = len(lines)
    else:
        if found.value is not None:
            line, start, end = found.value
            lines[line] = (lines[line][:start] + lines[line][end:]).rstrip()
        at = found.key + 1 if not whole else len(lines)
    new = [line for record in records for line in _block(record, column)]
    return _text(found, [*lines[:at], *new, *lines[at:]])


def _edited(found: _List, changed: Mapping[str, Patch], removed: frozenset[str], whole: bool) -> str:
    here = {item.id for item in found.items}
    for name in (*changed, *removed):
        if name not in here:
            raise KeyError(name)
    lines: list[str] = []
    at = 0
    for item in found.items:
        lines += found.lines[at : item.start]
        at = item.end
        if item.id in changed:
            lines += _changed_lines(found, item, changed[item.id])
        elif item.id not in removed:
            lines += found.lines[item.start : item.end]
    rest = found.lines[at:]
    if all(item.id in removed for item in found.items):
        if whole:
            lines.append("[]")
        else:
            key = lines[found.key]
            lines[found.key] = f"{key[: found.key_end]}: []{key[found.key_end :].partition(':')[2]}"
    return _text(found, [*lines, *rest])


def _changed_lines(found: _List, item: _Item, patch: Patch) -> list[str]:
    own = found.lines[item.start : item.end]
    indent = " " * found.column
    what = f"{found.name.removesuffix('s')} {item.id}"
    if any(line.strip() and not line.startswith(indent) for line in own):
        raise UsageError(f"{what} is indented less than its dash; change it by hand")
    before = "\n".join(line[found.column :] for line in own) + "\n"
    try:
        document = _yaml().load(before)
    except YAMLError:
        raise UsageError(
            f"{what} cannot be changed by itself (it uses an anchor of another place?); change it by hand"
        ) from None
    apply(document[0], patch)
    made = _dumped(document)
    lost = [f"{indent}{comment}" for comment in _lost_comments(before, made)]
    return [*lost, *(f"{indent}{line}" if line else "" for line in made.splitlines())]


def apply(target: Any, patch: Patch) -> None:
    """Put ``patch`` into a mapping in place."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(target.get(key), Mapping) and not _is_reference(value):
            apply(target[key], value)
        else:
            target[key] = _written(value)


# ------------------------------------------------------------------------------------------------ reading


def _parse(text: str, whole: bool, key: str) -> _List:
    with collector.paused():  # until the tree is gone
        return _parsed(text, whole, key)


def _parsed(text: str, whole: bool, key: str) -> _List:
    newline = "\r\n" if "\r\n" in text else "\n"
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if plain and not plain.endswith("\n"):
        plain += "\n"
    try:
        root = _yaml().compose(plain)
    except YAMLError as error:
        raise UsageError(f"not YAML: {error}") from None
    lines = plain.split("\n")[:-1]
    found = _List(
        lines, "\ufeff" if text.startswith("\ufeff") else "", newline, [], 0 if whole else 2, -1, 0, None, key
    )
    sequence = _whole_list(root) if whole else _under_key(root, found)
    if sequence is not None:
        _read_items(sequence, found)
    return found


def _whole_list(root: Node | None) -> Node | None:
    if root is not None and not isinstance(root, SequenceNode):
        raise UsageError("a list is accepted")
    return root


def _under_key(root: Node | None, found: _List) -> Node | None:
    if not isinstance(root, MappingNode) or root.flow_style:
        raise UsageError("a mapping in block style (a key to a line) is needed to write into")
    for key, value in root.value:
        if key.value == found.name:
            found.key, found.key_end = key.start_mark.line, key.end_mark.column
            return value  # type: ignore[no-any-return]
    return None


def _read_items(sequence: Node, found: _List) -> None:
    start, end = sequence.start_mark, sequence.end_mark
    empty = not sequence.value or (isinstance(sequence, ScalarNode) and str(sequence.tag).endswith(":null"))
    if empty:
        if start.line == end.line and end.column > start.column:
            found.value = (start.line, start.column, end.column)
        return
    if not isinstance(sequence, SequenceNode) or sequence.flow_style:
        raise UsageError(
            f"{found.name}: is not written as a list with a dash to each; write it so, or change it by hand"
        )
    found.column = start.column
    starts = [_dash_line(found, node) for node in sequence.value]
    ends = [*starts[1:], min(max(end.line, starts[-1] + 1), len(found.lines))]
    for node, first, last in zip(sequence.value, starts, ends, strict=True):
        while last > first + 1 and _is_between(found.lines[last - 1]):
            last -= 1
        found.items.append(_Item(_id_of(node), first, last))


def _dash_line(found: _List, node: Node) -> int:
    for line in range(node.start_mark.line, -1, -1):
        text = found.lines[line]
        if text[found.column : found.column + 1] == "-" and not text[: found.column].strip():
            return line
    raise UsageError(f"the one at line {node.start_mark.line + 1} has no dash of its own; change it by hand")


def _is_between(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _id_of(node: Node) -> str:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == "id" and isinstance(value, ScalarNode):
                return str(value.value)
    return ""


# ------------------------------------------------------------------------------------------------ writing


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 1 << 16
    yaml.allow_unicode = True
    return yaml


def _block(record: Mapping[str, Any], column: int) -> list[str]:
    made = _dumped([{key: _written(value) for key, value in record.items() if value is not None}])
    return [f"{' ' * column}{line}" for line in made.splitlines()]


def _dumped(document: Any) -> str:
    written = io.StringIO()
    _yaml().dump(document, written)
    return written.getvalue()


def _written(value: Any) -> Any:
    """A secret's ``{file: …}`` and lists on one line, as the contract's example has them; other mappings key by key."""
    if isinstance(value, list | tuple):
        listed = CommentedSeq(value)
        listed.fa.set_flow_style()
        return listed
    if not isinstance(value, Mapping):
        return value
    made = CommentedMap({key: _written(inner) for key, inner in value.items() if inner is not None})
    if _is_reference(value):
        made.fa.set_flow_style()
    return made


def _is_reference(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and not value.keys().isdisjoint({"file", "env"})


def _lost_comments(before: str, after: str) -> Iterator[str]:
    """Those that the library could not keep (inside of a ``{…}`` over several lines); they go above the camera."""
    yield from (Counter(_comments(before)) - Counter(_comments(after))).elements()


def _comments(text: str) -> list[str]:
    return [found[0].strip() for line in text.splitlines() if (found := _COMMENT.search(line))]


def _text(found: _List, lines: Sequence[str]) -> str:
    return found.begins + found.newline.join([*lines, ""])
