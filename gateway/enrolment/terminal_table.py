"""The register of households as a table, .csv or .xlsx, with Chinese, English, dotted or short headers. What is wrong is said row by row."""

import csv
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from gateway.config.csv_table import flattened
from gateway.config.sections.devices import TerminalSettings
from gateway.config.tables import nested
from gateway.console.households import not_here, phone_fault
from gateway.console.registers import Headers, Refusal, Table
from gateway.enrolment.camera_columns import SYSTEM
from gateway.enrolment.coordinates import System
from gateway.enrolment.reading import Lines, Reading, read_table, validation_faults
from gateway.enrolment.sheet import content_of, form_of, rows_in, rows_of, write_rows
from gateway.enrolment.table import titled
from gateway.enrolment.terminal_columns import TEMPLATE, TERMINAL_COLUMNS

_LISTS = ("cameras", "neighbours")
_SEPARATORS = re.compile(r"[\s,;，；、/|]+")
_EXAMPLE = MappingProxyType(
    {"id": "tv-0001", "household.name": "示例（填写前删除本行）", "household.phone": "0818-1234567", "household.address": "北大街 1 号",
     "place.lon": "107.2043", "place.lat": "30.7361", SYSTEM: "WGS84", "place.area_code": "511724001001",
     "cameras": "51172400001310000001", "neighbours": "tv-0002 tv-0003"}
)  # fmt: skip


def read_terminals(path: Path, coordinates: str = "") -> Table:
    """Each row by itself; ``checked`` looks at what it names. Raises UsageError where the file cannot be read, or is no such
    table; ValueError for a coordinate system that is none."""
    return _table(str(path), rows_of(path), coordinates)


def terminals_in(name: str, content: bytes, coordinates: str = "") -> Table:
    """The same of what somebody sent."""
    return _table(name, rows_in(name, content), coordinates)


def checked(table: Table, cameras: Collection[str], others: Collection[str]) -> Table:
    """Without the rows that name a camera or a neighbour that there is not. ``others``: terminals that stand in the
    configuration and stay there. Who names a refused row as its neighbour is refused with it."""
    while True:
        here = {row.id for row in table.rows} | set(others)
        refused = [
            Refusal(row.line, row.id, fault, table.cells.get(row.id, ()))
            for row in table.rows
            if (fault := _unknown(row.record, cameras, here)) is not None
        ]
        if not refused:
            return table
        table = table.without(refused)


def one_sided(neighbours: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Pairs in which the first names the second as its neighbour, and the second does not name the first."""
    return [
        (terminal, other)
        for terminal, named in neighbours.items()
        for other in named
        if other in neighbours and terminal not in neighbours[other]
    ]


def write_terminals(path: Path, terminals: Iterable[Mapping[str, Any]], headers: Headers = Headers.KEYS) -> None:
    """``terminals``: as in the configuration. Raises UsageError, RunningError."""
    form_of(path)
    write_rows(path, terminal_rows(terminals, headers), "terminals")


def terminal_content(form: str, terminals: Iterable[Mapping[str, Any]], headers: Headers) -> bytes:
    return content_of(form, terminal_rows(terminals, headers), "terminals")


def terminal_rows(terminals: Iterable[Mapping[str, Any]], headers: Headers) -> list[list[str]]:
    """A header and a row for each."""
    made = [flattened(terminal) for terminal in terminals]
    for row in made:
        if row.get("place.lon"):
            row[SYSTEM] = System.WGS84.value
    used = {key for row in made for key, text in row.items() if text} | {"id"}
    return titled(TERMINAL_COLUMNS, TERMINAL_COLUMNS.ordered(used), made, headers)


def terminal_template(form: str, headers: Headers) -> bytes:
    return content_of(form, titled(TERMINAL_COLUMNS, TEMPLATE, [dict(_EXAMPLE)], headers), "terminals")


def _table(name: str, lines: Lines, coordinates: str) -> Table:
    return read_table(name, lines, TERMINAL_COLUMNS, _read, coordinates)


def _read(reading: Reading) -> None:
    texts = {name: _text(name, text) for name, text in reading.texts.items()}
    try:
        settings = TerminalSettings.model_validate(nested(texts))
    except csv.Error as error:
        reading.faults.append(str(error))
    except ValidationError as error:
        reading.faults += validation_faults(error)
    else:
        fault = _fault(settings)
        if fault is None:
            reading.record = settings.model_dump(mode="json", exclude_unset=True)
        else:
            reading.faults.append(fault)


def _text(name: str, text: str) -> str:
    plain = text.strip()
    if name in _LISTS:
        return " ".join(part for part in _SEPARATORS.split(plain) if part)
    return plain.replace("；", ";").replace("＝", "=") if name == "presets" else plain


def _fault(terminal: TerminalSettings) -> str | None:
    if terminal.id in terminal.neighbours:
        return "neighbours: it names itself"
    fault = phone_fault(terminal.household.phone)
    return None if fault is None else f"household.phone: {fault}"


def _unknown(record: Mapping[str, Any], cameras: Collection[str], terminals: Collection[str]) -> str | None:
    for key, what, known in (
        ("cameras", "camera", cameras),
        ("presets", "camera", cameras),
        ("neighbours", "terminal", terminals),
    ):
        for name in record.get(key, ()):
            if name not in known:
                return not_here(key, what, name, known)
    return None
