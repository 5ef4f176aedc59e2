"""一机一档: cameras as a table, .csv or .xlsx, with the field's headers, English ones or our keys. What is wrong is said row by row."""

import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from gateway.config.csv_table import flattened
from gateway.config.sections.devices import CameraSettings
from gateway.config.tables import nested
from gateway.console.registers import Headers, Table
from gateway.enrolment import codes
from gateway.enrolment.camera_columns import CAMERA_COLUMNS, SYSTEM, TEMPLATE
from gateway.enrolment.columns import Columns
from gateway.enrolment.coordinates import System
from gateway.enrolment.reading import Lines, Reading, read_table, validation_faults
from gateway.enrolment.sheet import content_of, form_of, rows_in, rows_of, write_rows

_WORDS = MappingProxyType({"街道": "street", "街面": "street", "农村": "rural", "村": "village", "村庄": "village",
                           "家庭": "household", "入户": "household", "是": "true", "否": "false", "启用": "true",
                           "停用": "false", "禁用": "false", "未启用": "false", "有": "true", "无": "false",
                           "已设置": "true", "未设置": "false", "已安装": "true", "未安装": "false"})  # fmt: skip
_WORDED = ("scene", "enabled", "clip", "onvif.tls", "onvif.set_clock", "rtsp.allow_basic", "signage")
_SPOKEN = MappingProxyType({"scene": {"street": "街道", "rural": "农村", "village": "村庄", "household": "家庭"}})
_TAKEN_DOWN = ("3", "拆除", "已拆除", "报废")
_OTHER_PORTS = MappingProxyType({"554": "RTSP", "8554": "RTSP", "37777": "Dahua's own protocol", "34567": "a DVR's own protocol",
                                 "8200": "Hikvision's own protocol"})  # fmt: skip
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}[:\-. ]?){5}[0-9A-Fa-f]{2}")
_EXAMPLE = MappingProxyType(
    {"id": "51172400001310000001", "name": "示例-十字口东（填写前删除本行）", "scene": "街道", "onvif.host": "10.0.0.5",
     "onvif.port": "80", "onvif.username": "admin", "place.address": "竹阳街道北大街十字口", "place.lon": "107.2043",
     "place.lat": "30.7361", SYSTEM: "WGS84", "place.area_code": "511724001001", "record.mac": "44:19:B6:00:00:01",
     "record.vendor": "海康威视", "record.direction": "1", "record.device_status": "1"}
)  # fmt: skip


def read_cameras(path: Path, coordinates: str = "") -> Table:
    """Raises UsageError where the file cannot be read, or is no such table; ValueError for a coordinate system that is none."""
    return _table(str(path), rows_of(path), coordinates)


def cameras_in(name: str, content: bytes, coordinates: str = "") -> Table:
    """The same of what somebody sent."""
    return _table(name, rows_in(name, content), coordinates)


def write_cameras(path: Path, cameras: Iterable[Mapping[str, Any]], headers: Headers = Headers.KEYS) -> None:
    """``cameras``: as in the configuration; without passwords. Raises UsageError, RunningError."""
    form_of(path)
    write_rows(path, camera_rows(cameras, headers), "cameras")


def camera_content(form: str, cameras: Iterable[Mapping[str, Any]], headers: Headers) -> bytes:
    return content_of(form, camera_rows(cameras, headers), "cameras")


def camera_rows(cameras: Iterable[Mapping[str, Any]], headers: Headers) -> list[list[str]]:
    """A header and a row for each."""
    made = [_cells(camera, headers) for camera in cameras]
    used = {key for row in made for key, text in row.items() if text} | {"id", "name"}
    return titled(CAMERA_COLUMNS, CAMERA_COLUMNS.ordered(used), made, headers)


def camera_template(form: str, headers: Headers) -> bytes:
    rows = titled(CAMERA_COLUMNS, TEMPLATE, [dict(_EXAMPLE)], headers)
    return content_of(form, rows, "cameras")


def titled(
    columns: Columns, keys: Iterable[str], rows: Iterable[Mapping[str, str]], headers: Headers
) -> list[list[str]]:
    ordered = list(keys)
    title = [columns.title(key, headers) for key in ordered]
    return [title, *([row.get(key, "") for key in ordered] for row in rows)]


def _cells(camera: Mapping[str, Any], headers: Headers) -> dict[str, str]:
    cells = {name: text for name, text in flattened(camera).items() if ".password" not in name}
    if cells.get("record.device_status") in _TAKEN_DOWN:
        cells.setdefault("enabled", "true")
    if "place.lon" in cells:
        cells[SYSTEM] = System.WGS84.value
    if headers is Headers.ZH:
        for name in _WORDED:
            if name in cells:
                cells[name] = _SPOKEN.get(name, {"true": "是", "false": "否"}).get(cells[name], cells[name])
    return cells


def _table(name: str, lines: Lines, coordinates: str) -> Table:
    return read_table(name, lines, CAMERA_COLUMNS, _read, coordinates)


def _read(reading: Reading) -> None:
    texts = reading.texts
    for key in _WORDED:
        if key in texts:
            texts[key] = _WORDS.get(texts[key], texts[key])
    if texts.get("record.device_status") in _TAKEN_DOWN and "enabled" not in texts:
        texts["enabled"] = "false"
        reading.warnings.append("its 设备状态 says that it was taken down: it is switched off (enabled: false)")
    _to_streams(texts)
    _look_at_codes(reading)
    try:
        camera = nested(texts)
        settings = CameraSettings.model_validate({key: _unread(key, value) for key, value in camera.items()})
    except csv.Error as error:
        reading.faults.append(str(error))
    except ValidationError as error:
        reading.faults += validation_faults(error)
    else:
        reading.record = _record(settings, camera)


def _to_streams(texts: dict[str, str]) -> None:
    """用户名 and 密码 of a camera that is known by its stream alone are those of the stream."""
    if "onvif.host" in texts or not ("rtsp.main" in texts or "rtsp.sub" in texts):
        return
    for key in ("username", "password", "password.file", "password.env"):
        if f"onvif.{key}" in texts:
            texts.setdefault(f"rtsp.{key}", texts.pop(f"onvif.{key}"))


def _look_at_codes(reading: Reading) -> None:
    texts = reading.texts
    verdict = codes.camera_id(texts.get("id", ""))
    reading.faults += [f"id: {fault}" for fault in verdict.faults]
    reading.warnings += verdict.warnings
    differs = codes.disagreement(texts.get("id", ""), texts.get("place.area_code"))
    if differs is not None:
        reading.warnings.append(differs)
    port = texts.get("onvif.port", "")
    if port in _OTHER_PORTS:
        reading.warnings.append(f"port {port} is usually that of {_OTHER_PORTS[port]}; ONVIF often answers at 80")
    mac = texts.get("record.mac")
    if mac is not None and not _MAC.fullmatch(mac):
        reading.warnings.append(f"record.mac: “{mac[:40]}” is no MAC address")


def _record(settings: CameraSettings, camera: Mapping[str, Any]) -> dict[str, Any]:
    """What the row says, and nothing else; passwords as they were written."""
    hidden = {"onvif": {"password"}, "rtsp": {"password"}}
    record: dict[str, Any] = settings.model_dump(mode="json", exclude_unset=True, exclude=hidden)
    for room in hidden:
        password = camera.get(room, {}).get("password")
        if password is not None:
            record[room]["password"] = password
    if "host" not in camera.get("onvif", {"host": ""}):
        del record["onvif"]["host"]
    return record


def _unread(key: str, value: Any) -> Any:
    """Without references to files: where they lie is known once the whole configuration is read. A row may say of a known
    camera what is new alone: its host is asked for where there is none (``planning``)."""
    if not isinstance(value, dict):
        return value
    kept = {name: inner for name, inner in value.items() if name != "password" or not isinstance(inner, dict)}
    return {"host": "unsaid", **kept} if key == "onvif" else kept
