"""What the rows of a table may do: no more than the same person may do to one device over the API."""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.console.api.linking import Linking
from gateway.console.auth import Caller, covers
from gateway.console.registers import Allowed
from gateway.model import Camera, Scene


def may_place(found: Caller) -> Allowed:
    """Devices of the caller's own areas alone, before and after."""

    def may(record: Mapping[str, Any], before: Mapping[str, Any] | None) -> str | None:
        area = (record.get("place") or {}).get("area_code") or _area(before)
        if covers(found.principal, area) and (before is None or covers(found.principal, _area(before))):
            return None
        return (
            f"your areas are {', '.join(found.principal.areas)}: its area code is to be, and to have been, within them"
        )

    return may


def may_terminal(found: Caller, cameras: Iterable[Camera]) -> Allowed:
    """What the same person may do to one terminal over the API, row by row. ``cameras``: this node's."""
    placed, linking = may_place(found), Linking(found, cameras)

    def may(record: Mapping[str, Any], before: Mapping[str, Any] | None) -> str | None:
        return placed(record, before) or linking.absent(record, before) or linking.opens_a_home(record, before)

    return may


def may_camera(found: Caller) -> Allowed:
    """What the same person may do to one camera over the API, row by row."""
    placed = may_place(found)

    def may(record: Mapping[str, Any], before: Mapping[str, Any] | None) -> str | None:
        return placed(record, before) or _reads_files(record) or _opens_a_home(found, record, before)

    return may


def _reads_files(record: Mapping[str, Any]) -> str | None:
    """What names files and variables of the gateway's machine: whoever sends a table could have them read to a device."""
    for room in ("onvif", "rtsp"):
        if isinstance((record.get(room) or {}).get("password"), Mapping):
            return f"{room}.password: files and variables of the gateway's machine are named in its configuration, not here"
    urls = [(record.get("rtsp") or {}).get(which) or "" for which in ("main", "sub")]
    if any(url.startswith("file:") for url in urls):
        return "a file of the gateway's machine is named in its configuration, not in a table that is sent"
    return None


def _opens_a_home(found: Caller, record: Mapping[str, Any], before: Mapping[str, Any] | None) -> str | None:
    if found.principal.role == "admin":
        return None
    stands = (before or {}).get("consent") or {}
    if record.get("consent") and {**stands, **record["consent"]} != stands:  # what a row does not say stays
        return "a household's consent is recorded by an administrator alone"
    home = before is not None and before.get("scene") == Scene.HOUSEHOLD
    if home and record.get("scene", Scene.HOUSEHOLD) != Scene.HOUSEHOLD:
        return "a household's camera is given another scene by an administrator alone"
    return None


def _area(before: Mapping[str, Any] | None) -> str | None:
    area: str | None = ((before or {}).get("place") or {}).get("area_code")
    return area
