"""Cameras and terminals in a table beside the file: .csv with dotted column names, or a YAML list."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.error import YAMLError

from gateway.config.faults import dotted, unknown_key
from gateway.config.settings import CameraSettings, Settings, TerminalSettings
from gateway.errors import ConfigError

_COLUMNS = {
    "cameras": ("id", "name", "scene", "enabled", "place.lon", "place.lat", "place.address", "place.area_code",
                "rtsp.main", "rtsp.sub", "rtsp.username", "rtsp.password", "onvif.host", "onvif.port",
                "onvif.username", "onvif.password"),
    "terminals": ("id", "household.name", "household.phone", "household.address", "place.lon", "place.lat",
                  "place.address", "place.area_code", "cameras", "neighbours"),
}  # fmt: skip


def with_files(settings: Settings) -> Settings:
    update: dict[str, Any] = {}
    if settings.cameras_file is not None:
        update["cameras"] = settings.cameras + tuple(_read_table(settings.cameras_file, "cameras", CameraSettings))
    if settings.terminals_file is not None:
        update["terminals"] = settings.terminals + tuple(
            _read_table(settings.terminals_file, "terminals", TerminalSettings)
        )
    return settings.model_copy(update=update)


def _read_table(path: Path, what: str, row_type: type[BaseModel]) -> Iterator[Any]:
    """A .csv (UTF-8, header of dotted keys) or a YAML list of the same shape as in the configuration."""
    try:
        rows = list(_csv_rows(path, _COLUMNS[what])) if path.suffix.lower() == ".csv" else list(_yaml_rows(path))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}; {what}_file names it"]) from None
    except (UnicodeDecodeError, csv.Error, YAMLError) as error:
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


def _yaml_rows(path: Path) -> Iterator[tuple[int, Any]]:
    document = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    if not isinstance(document, CommentedSeq):
        raise ConfigError([f"{path}:1: a list is accepted"])
    for index, row in enumerate(document):
        yield int(document.lc.item(index)[0]) + 1, row


def _csv_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        for name in reader.fieldnames or ():
            if name not in columns:
                raise ConfigError([f"{path}:1: {name}: {unknown_key(name, columns)}"])
        for row in reader:
            yield reader.line_num, _nested(row)


def _nested(row: Mapping[str, str | None]) -> dict[str, Any]:
    built: dict[str, Any] = {}
    for name, text in row.items():
        if text is None or not text.strip():
            continue
        value: Any = text.split() if name in ("cameras", "neighbours") else text.strip()
        room, _, key = name.rpartition(".")
        (built.setdefault(room, {}) if room else built)[key] = value
    return built
