"""Cameras and terminals in a table beside the file: .csv with dotted column names, or a YAML list."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml.comments import CommentedSeq

from gateway.config.faults import dotted, unknown_key
from gateway.config.record_keys import RECORD
from gateway.config.sections.devices import CameraSettings, TerminalSettings
from gateway.config.settings import Settings
from gateway.config.yaml_text import parsed
from gateway.errors import ConfigError

COLUMNS = {
    "cameras": ("id", "name", "scene", "enabled", "place.lon", "place.lat", "place.address", "place.area_code",
                "place.type", "rtsp.main", "rtsp.sub", "rtsp.username", "rtsp.password",
                "rtsp.password.file", "rtsp.password.env", "rtsp.transport",
                "rtsp.allow_basic", "clip", "onvif.host", "onvif.port",
                "onvif.username", "onvif.password", "onvif.password.file", "onvif.password.env", "onvif.tls", "onvif.source", "onvif.identity", "onvif.events",
                "onvif.set_clock", "masks", "consent.given_by", "consent.given_on", "consent.until", "signage"),
    "terminals": ("id", "household.name", "household.phone", "household.address", "household.instructions", "place.lon", "place.lat",
                  "place.address", "place.area_code", "cameras", "neighbours", "presets", "model"),
}  # fmt: skip


def with_files(settings: Settings, instead: Mapping[Path, str]) -> Settings:
    """``instead``: what a file, by its resolved path, shall be taken to hold."""
    update: dict[str, Any] = {}
    if settings.cameras_file is not None:
        update["cameras"] = settings.cameras + tuple(
            _read_table(settings.cameras_file, "cameras", CameraSettings, instead)
        )
    if settings.terminals_file is not None:
        update["terminals"] = settings.terminals + tuple(
            _read_table(settings.terminals_file, "terminals", TerminalSettings, instead)
        )
    return settings.model_copy(update=update)


def _read_table(path: Path, what: str, row_type: type[BaseModel], instead: Mapping[Path, str]) -> Iterator[Any]:
    """A .csv (UTF-8, header of dotted keys) or a YAML list of the same shape as in the configuration."""
    try:
        text = instead.get(path.resolve())
        if text is None:
            text = path.read_text(encoding="utf-8")
        text = text.removeprefix("\ufeff")
        rows = list(_csv_rows(path, text, COLUMNS[what]) if path.suffix.lower() == ".csv" else _yaml_rows(path, text))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}; {what}_file names it"]) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError([f"{path}: cannot be read as {path.suffix or 'YAML'}: {error}"]) from None
    faults: list[str] = []
    found: list[Any] = []
    for line, row in rows:
        try:
            found.append(row_type.model_validate(row, context={"base": path.resolve().parent}))
        except ValidationError as error:
            faults += [f"{path}:{line}: {dotted(fault['loc'])}: {_plain(fault)}" for fault in error.errors()]
    if faults:
        raise ConfigError(faults)
    yield from found


def _plain(fault: Any) -> str:
    return "unknown key" if fault["type"] == "extra_forbidden" else str(fault["msg"]).removeprefix("Value error, ")


def _yaml_rows(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    document = parsed(path, text)
    if not isinstance(document, CommentedSeq):
        raise ConfigError([f"{path}:1: a list is accepted"])
    for index, row in enumerate(document):
        yield int(document.lc.item(index)[0]) + 1, row


def _csv_rows(path: Path, text: str, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    for name in reader.fieldnames or ():
        if name not in columns and not name.startswith(f"{RECORD}."):
            raise ConfigError([f"{path}:1: {name}: {unknown_key(name, columns)}"])
    for row in reader:
        yield reader.line_num, nested(row)


def _presets(text: str) -> dict[str, str]:
    """``CAMERA=PRESET; CAMERA=PRESET``."""
    pairs = [part.partition("=") for part in text.split(";") if part.strip()]
    if not all(camera.strip() and sign and preset.strip() for camera, sign, preset in pairs):
        raise csv.Error(f"presets: {text.strip()[:80]!r}: CAMERA=PRESET is accepted, several with a ; between them")
    return {camera.strip(): preset.strip() for camera, _, preset in pairs}


def _masks(text: str) -> list[list[list[str]]]:
    """``X,Y X,Y X,Y; …``: a polygon's corners, several polygons with a ; between them. The numbers are checked as in YAML."""
    polygons = [[corner.split(",") for corner in part.split()] for part in text.split(";") if part.strip()]
    if not all(len(corner) == 2 for polygon in polygons for corner in polygon):
        raise csv.Error(
            f"masks: {text.strip()[:80]!r}: X,Y X,Y X,Y is accepted, several polygons with a ; between them"
        )
    return polygons


def nested(row: Mapping[str, str | None]) -> dict[str, Any]:
    """A row of dotted columns as the mapping it stands for; empty cells are left out."""
    built: dict[str, Any] = {}
    for name, text in row.items():
        if text is None or not text.strip():
            continue
        value: Any = text.strip()
        if name in ("cameras", "neighbours"):
            value = text.split()
        elif name == "presets":
            value = _presets(text)
        elif name == "masks":
            value = _masks(text)
        *rooms, key = name.split(".", 1) if name.startswith(f"{RECORD}.") else name.split(".")
        within = built
        for room in rooms:
            within = within.setdefault(room, {})
            if not isinstance(within, dict):
                raise csv.Error(f"{name}: stands beside a plain {room}; only one of them can be meant")
        within[key] = value
    return built
