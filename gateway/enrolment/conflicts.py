"""Rows of a register of cameras against each other and against the cameras that there are. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from gateway.config.sections.devices import CameraSettings
from gateway.console.registers import Refusal, Remark, Table
from gateway.enrolment.known import refuse_showing
from gateway.errors import UsageError

_NO_HEX = re.compile(r"[^0-9a-f]")
_UNKNOWN = ("", "-", "0", "无", "未知", "N/A", "n/a", "NULL", "null", "none")
_COMPARED = ("rtsp", "rtsps", "http", "https")


@dataclass(frozen=True, slots=True)
class _Claim:
    """What no two cameras may share. ``what``: in words; ``at``: hosts, where sharing it is what a recorder's channels do.
    ``streams``: it has streams of its own, so that an address may be that of a recorder of several."""

    what: str
    value: str
    at: frozenset[str] = frozenset()
    streams: bool = False

    def excludes(self, other: "_Claim") -> bool:
        return self.at.isdisjoint(other.at) and not (self.streams and other.streams)


def without_conflicts(table: Table, known: Mapping[str, CameraSettings]) -> Table:
    """Rows that claim what another camera has are refused, until the rest agree. ``known``: the cameras that there are."""
    while True:
        refused = list(_refused(table, known))
        if not refused:
            return table
        table = table.without(refused)


def moves(table: Table, known: Mapping[str, CameraSettings]) -> list[Remark]:
    """Known cameras that get another address."""
    found = []
    for row in table.rows:
        before = known.get(row.id)
        host = row.record.get("onvif", {}).get("host")
        if before is not None and before.onvif is not None and host is not None and host != before.onvif.host:
            found.append(Remark(row.line, row.id, f"its address changes from {before.onvif.host} to {host}"))
    return found


def _refused(table: Table, known: Mapping[str, CameraSettings]) -> Iterator[Refusal]:
    rows = {row.id for row in table.rows}
    claimed: dict[tuple[str, str], list[tuple[_Claim, str, int]]] = {}
    for camera in known.values():
        if camera.id not in rows:
            _claim(claimed, _claims(_plain(camera)), camera.id, 0)
    for row in table.rows:
        before = known.get(row.id)
        wanted = _merged({} if before is None else _plain(before), row.record)
        claims = list(_claims(wanted))
        reason = _taken(claimed, claims) or _shown(before, row.record)
        if reason is None:
            _claim(claimed, claims, row.id, row.line)
        else:
            yield Refusal(row.line, row.id, reason, _cells(table, row.record))


def _cells(table: Table, record: Mapping[str, Any]) -> Sequence[str]:
    return table.cells.get(str(record["id"]), ())


def _claim(
    claimed: dict[tuple[str, str], list[tuple[_Claim, str, int]]], claims: Iterable[_Claim], id_: str, line: int
) -> None:
    for claim in claims:
        claimed.setdefault((claim.what, claim.value), []).append((claim, id_, line))


def _taken(claimed: Mapping[tuple[str, str], list[tuple[_Claim, str, int]]], claims: Iterable[_Claim]) -> str | None:
    for claim in claims:
        for other, id_, line in claimed.get((claim.what, claim.value), ()):
            if claim.excludes(other):
                where = f"in line {line} of this table" if line else "here already"
                return f"{claim.what} {claim.value} is that of camera {id_}, which is {where}"
    return None


def _claims(camera: Mapping[str, Any]) -> Iterator[_Claim]:
    onvif, rtsp, record = camera.get("onvif") or {}, camera.get("rtsp") or {}, camera.get("record") or {}
    urls = {rtsp[which] for which in ("main", "sub") if rtsp.get(which)}
    hosts = frozenset(urlsplit(url).hostname or "" for url in urls) | ({onvif["host"]} if onvif else frozenset())
    if onvif:
        source = onvif.get("source")
        channel = f" channel {source}" if source else ""
        yield _Claim(
            "the address", f"{onvif['host']}:{onvif.get('port', 80)}{channel}", streams=bool(urls) and not source
        )
    for url in urls:
        if urlsplit(url).scheme in _COMPARED:
            yield _Claim("the stream", url)
    mac = _NO_HEX.sub("", record.get("mac", "").lower())
    if len(mac) == 12 and mac != "0" * 12:
        yield _Claim("the MAC address", mac, hosts)
    serial = record.get("serial", "").strip()
    if serial not in _UNKNOWN:
        yield _Claim("the serial number", serial, hosts)


def _shown(before: CameraSettings | None, patch: Mapping[str, Any]) -> str | None:
    if before is None:
        return None
    try:
        refuse_showing(before, patch)
    except UsageError as error:
        return str(error)
    return None


def _plain(camera: CameraSettings) -> dict[str, Any]:
    return camera.model_dump(mode="json", include={"id", "onvif", "rtsp", "record"})


def _merged(stands: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(stands)
    for key, value in patch.items():
        there = made.get(key)
        made[key] = _merged(there, value) if isinstance(value, Mapping) and isinstance(there, Mapping) else value
    return made
