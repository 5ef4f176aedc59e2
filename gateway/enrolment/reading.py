"""Rows of a register's table as records, each by itself: what is common to cameras and terminals. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from pydantic import ValidationError

from gateway.config.faults import dotted
from gateway.config.record_keys import LONGEST_VALUE, RECORD
from gateway.console.registers import Refusal, Remark, Row, Table
from gateway.enrolment import codes
from gateway.enrolment.camera_columns import SYSTEM
from gateway.enrolment.columns import Columns, Meaning, header_of
from gateway.enrolment.coordinates import Position, System, position, system_of

_TITLES = 12  # rows that may stand above the header
_ANY_SYSTEM = "no coordinate system is stated: the positions are taken as WGS 84; 高德 and 腾讯 give GCJ-02, 百度 BD-09"
_SHORT = 60

Lines = Iterable[tuple[int, Sequence[str]]]


@dataclass(slots=True)
class Reading:
    """One row: ``texts`` by key. What was found wrong with it, and what is unusual."""

    texts: dict[str, str]
    record: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_table(
    name: str, lines: Lines, columns: Columns, read: Callable[[Reading], None], coordinates: str = ""
) -> Table:
    """``read`` makes the record of a row, or says its faults. ``coordinates``: the system where the table names none. Raises
    UsageError where it is no such table, ValueError for a system that is none."""
    rest = iter(lines)
    first = list(islice(rest, _TITLES))
    at, header = header_of(first, columns)
    if at < 0:
        at, header = 0, list(first[0][1]) if first else []
    meaning = columns.meaning(name, header)
    default = system_of(coordinates) if coordinates else _system_in(header, meaning)
    rows: list[Row] = []
    refused: list[Refusal] = []
    remarks = [Remark(0, "", f"column “{text}” means nothing here; it is kept as it is") for text in meaning.kept]
    remarks += [
        Remark(
            0, "", f"column “{text}” sounds like a password and is not kept; a device's own stand in 用户名 and 密码"
        )
        for text in meaning.secret
    ]
    if default is None and "place.lon" in meaning.keys and SYSTEM not in meaning.keys:
        remarks.append(Remark(0, "", _ANY_SYSTEM))
    seen: dict[str, int] = {}
    sound: dict[str, Sequence[str]] = {}
    for line, cells in chain(first[at + 1 :], rest):
        texts = {key: text.strip() for key, text in zip(meaning.keys, cells, strict=False) if key and text.strip()}
        if not texts:
            continue
        reading = _read(texts, read, default or System.WGS84)
        id_ = texts.get("id", "")
        if not reading.faults and id_ in seen:
            reading.faults.append(f"its id stands in line {seen[id_]} already")
        if reading.faults:
            refused.append(Refusal(line, id_, "; ".join(reading.faults), list(cells)))
        else:
            seen[id_] = line
            rows.append(Row(line, reading.record))
            sound[id_] = list(cells)
            remarks += [Remark(line, id_, text) for text in reading.warnings]
    return Table(rows, refused, remarks, header, meaning.kept, sound)


def validation_faults(error: ValidationError) -> Iterator[str]:
    for each in error.errors():
        yield f"{dotted(each['loc'])}: {each['msg'].removeprefix('Value error, ')}"


def _read(texts: dict[str, str], read: Callable[[Reading], None], default: System) -> Reading:
    reading = Reading(dict(texts))
    for key, text in texts.items():
        if key in ("id", "place.area_code", "cameras", "neighbours") and codes.rounded(text):
            reading.faults.append(
                f"{key}: {text} is a number that has lost its last digits in the spreadsheet; format the column as text and write it again"
            )
        if key.startswith(f"{RECORD}.") and len(text) > LONGEST_VALUE:
            reading.faults.append(f"{key}: at most {LONGEST_VALUE} characters are kept")
    if not reading.faults:
        _place(reading, default)
        read(reading)
    return reading


def _place(reading: Reading, default: System) -> None:
    """Position and area code; the record of the row keeps the position as it was written."""
    texts = reading.texts
    lon, lat = texts.get("place.lon"), texts.get("place.lat")
    stated = texts.pop(SYSTEM, None)
    if (lon is None) != (lat is None):
        reading.faults.append("place: lon (经度) and lat (纬度) belong together; one of them is missing")
    elif lon is not None and lat is not None:
        try:
            found = position(lon, lat, default if stated is None else system_of(stated))
        except ValueError as error:
            reading.faults.append(f"place: {error}")
            del texts["place.lon"], texts["place.lat"]
        else:
            _put(reading, found)
    area = texts.get("place.area_code")
    if area is not None:
        verdict = codes.area_code(area)
        reading.faults += [f"place.area_code: {fault}" for fault in verdict.faults]
        if verdict.faults:
            del texts["place.area_code"]
        reading.warnings += verdict.warnings


def _put(reading: Reading, found: Position | None) -> None:
    texts = reading.texts
    if found is None:
        del texts["place.lon"], texts["place.lat"]
        reading.warnings.append("the position 0, 0 is one that was never set; it is left out")
        return
    texts["place.lon"], texts["place.lat"] = repr(found.lon), repr(found.lat)
    if found.warning is not None:
        reading.warnings.append(found.warning)
    if found.given is not None:
        texts["record.given_system"] = found.system.value
        texts["record.given_lon"], texts["record.given_lat"] = found.given


def _system_in(header: Sequence[str], meaning: Meaning) -> System | None:
    """As in 经度(GCJ-02), 百度经度."""
    for text, key in zip(header, meaning.keys, strict=True):
        if key == "place.lon":
            told = text.upper().replace("-", "").replace("_", "").replace(" ", "")
            for name, system in (("GCJ02", System.GCJ02), ("BD09", System.BD09), ("WGS84", System.WGS84),
                                 ("CGCS2000", System.CGCS2000), ("火星", System.GCJ02), ("高德", System.GCJ02),
                                 ("百度", System.BD09), ("2000", System.CGCS2000), ("84", System.WGS84)):  # fmt: skip
                if name in told:
                    return system
    return None


def settled(record: dict[str, Any], stands: Mapping[str, Any]) -> dict[str, Any]:
    """The record as a patch of what stands there: a new position takes the former one's own writing away."""
    place, kept = record.get("place", {}), record.get(RECORD, {})
    before = stands.get(RECORD, {})
    if "lon" not in place or any(key in kept for key in ("given_system", "given_lon", "given_lat")):
        return record
    gone = {key: None for key in ("given_system", "given_lon", "given_lat") if key in before}
    return {**record, RECORD: {**kept, **gone}} if gone else record
