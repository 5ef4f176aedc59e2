"""What a table of cameras would do to those that there are. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.config.forbidden_places import refusal
from gateway.config.record_file import Changes
from gateway.config.sections.devices import CameraSettings
from gateway.console.registers import Allowed, Difference, Import, Refusal, Table
from gateway.enrolment.conflicts import moves, without_conflicts
from gateway.enrolment.differences import differences, new_passwords, without_known_passwords
from gateway.enrolment.reading import settled

WITHHELD = "some rows are refused, and all of the table or nothing was asked for: nothing is written"


def anything(record: Mapping[str, Any], before: Mapping[str, Any] | None) -> str | None:
    """Of who may write the file itself."""
    return None


def planned_cameras(
    table: Table, known: Mapping[str, CameraSettings], *, whole: bool = False, may: Allowed = anything
) -> tuple[Import, Changes]:
    """``whole``: one refused row, and nothing is written. ``may``: what whoever sends it may write."""
    standing = {name: _plain(each) for name, each in known.items()}
    table = allowed(table, standing, lambda record, before: _unfit(record, before) or may(record, before))
    table = without_conflicts(table, known)
    table = replace(table, remarks=[*table.remarks, *moves(table, known)])
    added: list[Mapping[str, Any]] = []
    changed: dict[str, Mapping[str, Any]] = {}
    said: dict[str, list[Difference]] = {}
    for row in table.rows:
        camera = known.get(row.id)
        if camera is None:
            added.append(row.record)
            continue
        stands = standing[row.id]
        record = settled(without_known_passwords(camera, row.record), stands)
        found = [*differences(stands, record), *new_passwords(record)]
        if found:
            said[row.id] = found
            changed[row.id] = {key: value for key, value in record.items() if key != "id"}
    withheld = WITHHELD if whole and table.refused else None
    same = len(table.rows) - len(added) - len(changed)
    ids = [str(each["id"]) for each in added]
    done = Import(ids, list(changed), [], same, table, said, withheld)
    return done, Changes() if withheld else Changes(added=added, changed=changed)


def allowed(table: Table, known: Mapping[str, Mapping[str, Any]], may: Allowed) -> Table:
    """Without the rows that whoever sends them may not write."""
    refused = []
    for row in table.rows:
        reason = may(row.record, known.get(row.id))
        if reason is not None:
            refused.append(Refusal(row.line, row.id, reason, table.cells.get(row.id, ())))
    return table.without(refused) if refused else table


def _unfit(record: Mapping[str, Any], before: Mapping[str, Any] | None) -> str | None:
    """Why a row is no camera, together with what stands there."""
    stands: Mapping[str, Any] = before or {}
    onvif, rtsp = record.get("onvif"), record.get("rtsp") or {}
    if onvif is not None and "host" not in onvif and not stands.get("onvif"):
        return "onvif.host (IP地址) is missing; what else is said of ONVIF belongs to it"
    if before is None and onvif is None and not (rtsp.get("main") or rtsp.get("sub")):
        return "it has no address: onvif.host (IP地址), or rtsp.main (主码流)"
    name, type_ = record.get("name"), (record.get("place") or {}).get("type")
    was, was_type = stands.get("name"), (stands.get("place") or {}).get("type")
    if (name or was, type_ or was_type) == (was, was_type):
        return None
    return refusal(name or was or "", type_ or was_type)


def _plain(camera: CameraSettings) -> dict[str, Any]:
    return camera.model_dump(mode="json")
