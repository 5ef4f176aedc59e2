"""Changing cameras (or terminals) of a .csv table. Pure: text in, text out. Rows that do not change keep their cells as they are."""

import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from gateway.config.tables import nested
from gateway.config.yaml_list import Patch, apply

Row = dict[str, str]
_NO_PATCHES: Mapping[str, Patch] = MappingProxyType({})


_FORMULA = re.compile(r"'*[=@+\-\t\r＝＋－＠]")
_PLAIN = re.compile(r"[+-]?[0-9][0-9 ()./-]*")  # numbers, of telephones too: no spreadsheet runs them


def harmless_cell(text: str) -> str:
    """The cell for people's spreadsheets: a household's name that begins with = must be no formula there."""
    return f"'{text}" if _FORMULA.match(text) and not _PLAIN.fullmatch(text) else text


def cell_text(cell: str) -> str:
    """What ``harmless_cell`` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell


def ids(text: str) -> list[str]:
    return [row.get("id", "").strip() for row in _read(text)[1]]


def records(text: str) -> list[Mapping[str, Any]]:
    """The records as written, secrets unread."""
    return [nested(row) for row in _read(text)[1]]


def rewritten(
    text: str,
    *,
    added: Sequence[Mapping[str, Any]] = (),
    changed: Mapping[str, Patch] = _NO_PATCHES,
    removed: Collection[str] = (),
) -> str:
    """With all of that done: what is added comes after the last, with the columns that it needs. Raises KeyError for an id
    that is not there."""
    columns, rows = _read(text)
    by_id = {row.get("id", "").strip(): row for row in rows}
    for name in removed:
        by_id[name]  # is it there?
    for name, patch in changed.items():
        _change(by_id[name], patch)
    gone = frozenset(removed)
    kept = [row for row in rows if row.get("id", "").strip() not in gone]
    return _write(text, columns, [*kept, *(flattened(record) for record in added)])


def added(text: str, records: Sequence[Mapping[str, Any]]) -> str:
    """With the records after the last one, and the columns that they need."""
    return rewritten(text, added=records)


def removed(text: str, record_id: str) -> str:
    """Raises KeyError where it is not there."""
    return rewritten(text, removed=[record_id])


def changed(text: str, record_id: str, patch: Patch) -> str:
    """Raises KeyError where it is not there."""
    return rewritten(text, changed={record_id: patch})


def _change(row: Row, patch: Patch) -> None:
    kept: dict[str, Any] = {"presets": nested(row)["presets"]} if row.get("presets", "").strip() else {}
    for name in [name for name in row if _is_touched(name, patch)]:
        row[name] = ""
    apply(kept, patch)
    row.update(flattened(kept))


def flattened(record: Mapping[str, Any]) -> Row:
    """A camera or a terminal as cells of dotted columns."""
    return dict(_cells("", record))


def _cells(path: str, value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        name = f"{path}.{key}" if path else str(key)
        if name == "presets" and isinstance(inner, Mapping):
            yield name, "; ".join(f"{camera}={preset}" for camera, preset in inner.items())
        elif name == "masks" and isinstance(inner, list | tuple):
            yield name, "; ".join(" ".join(",".join(map(str, corner)) for corner in polygon) for polygon in inner)
        elif isinstance(inner, list | tuple):
            yield name, " ".join(map(str, inner))
        elif isinstance(inner, Mapping):
            yield from _cells(name, inner)
        elif isinstance(inner, bool):
            yield name, "true" if inner else "false"
        elif inner is not None:
            yield name, str(inner)


def _is_touched(name: str, patch: Any) -> bool:
    """Whether a column is one that the patch sets or takes away, or a secret's other form."""
    key, _, rest = name.partition(".")
    if not isinstance(patch, Mapping) or key not in patch:
        return False
    inner = patch[key]
    if not isinstance(inner, Mapping) or key == "password":
        return True
    return bool(rest) and _is_touched(rest, inner)


def _read(text: str) -> tuple[list[str], list[Row]]:
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), restval="")
    rows = [{name: cell for name, cell in row.items() if name is not None} for row in reader]
    return list(reader.fieldnames or ["id"]), rows


def _write(before: str, columns: Sequence[str], rows: Sequence[Row]) -> str:
    needed = dict.fromkeys(name for row in rows for name, cell in row.items() if cell)
    written = io.StringIO(newline="")
    ending = "\r\n" if "\r\n" in before else "\n"
    writer = csv.DictWriter(written, list(dict.fromkeys([*columns, *needed])), restval="", lineterminator=ending)
    writer.writeheader()
    writer.writerows(rows)
    return ("\ufeff" if before.startswith("\ufeff") else "") + written.getvalue()
