"""The JSON of the HTTP API, built from the gateway's nouns. Pure; nothing here knows of HTTP."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from gateway import __version__
from gateway.codec import consent_json, masks_json, optional_time, place_json, source_json
from gateway.console.inventory import NodeInfo, PresenceView
from gateway.model import (
    Alert,
    Camera,
    CameraHealth,
    CameraState,
    Clip,
    Entry,
    LinkedCamera,
    Snapshot,
    Terminal,
    rfc3339,
)
from gateway.ports import AuditRecord, FeedEntry, StoredAlert
from gateway.reporting.subtree import NodeView

API = "/api/v1"
Counts = Mapping[str, int]
_TOLD_OF_AN_ENTRY = (
    "state",
    "disposition",
    "assignee",
    "until",
    "callback",
    "to",
    "because",
    "level",
    "department",
    "sink",
    "seq",
    "role",
    "by",
    "text",
)
"""What of an entry's data a person reads; the rest (the alert's base, hashes) is for nodes."""
_NO_CLIP = {
    "state": "none",
    "reason": None,
    "url": None,
    "from_ms": None,
    "to_ms": None,
    "sha256": None,
    "codec": None,
}


def alert_json(stored: StoredAlert) -> dict[str, Any]:
    """An alert as a list shows it, without its entries."""
    alert = stored.alert
    return {
        "id": alert.id,
        "node": alert.node,
        "kind": alert.kind,
        "severity": alert.severity,
        "status": alert.status,
        "workflow": alert.workflow,
        "condition": alert.condition,
        "disposition": alert.disposition,
        "assignee": alert.assignee,
        "count": alert.count,
        "raised_at": rfc3339(alert.raised_at),
        "device_time": optional_time(alert.device_time),
        "received_at": rfc3339(alert.raised_at),  # by the first node: equal everywhere; ours is among the receipts
        "source": source_json(alert.source),
        "place": place_json(alert.place),
        "title": alert.title,
        "detail": dict(alert.detail),
        "cameras": [_linked_camera_json(alert, camera) for camera in alert.cameras],
        "receipts": _receipts_json(stored),
        "version": stored.version,
    }


def full_alert_json(stored: StoredAlert, entries: Iterable[Entry]) -> dict[str, Any]:
    """An alert with its history; ``entries`` in causal order, which is equal on every node."""
    shown = alert_json(stored)
    version = shown.pop("version")
    return {**shown, "entries": [entry_json(entry) for entry in entries], "version": version}


def entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": rfc3339(entry.at),
        "node": entry.node,
        "actor": entry.actor,
        "action": entry.action,
        "comment": entry.comment,
        "data": {key: entry.data[key] for key in _TOLD_OF_AN_ENTRY if key in entry.data},
    }


def _receipts_json(stored: StoredAlert) -> dict[str, Any]:
    return {
        "received_at": optional_time(stored.received_at) or rfc3339(stored.alert.raised_at),
        "forwarded": [{"sink": f.sink, "at": rfc3339(f.at), "seq": f.seq} for f in stored.forwarded],
        "accepted_at": optional_time(stored.alert.accepted_at),
        "accepted_by": stored.alert.accepted_by,
        "accepted_node": stored.alert.accepted_node,
        "accepted_level": stored.alert.accepted_level,
    }


def _linked_camera_json(alert: Alert, camera: LinkedCamera) -> dict[str, Any]:
    return {
        "id": camera.id,
        "name": camera.name,
        "distance_m": camera.distance_m,
        "snapshots": [_snapshot_json(alert, snapshot) for snapshot in camera.snapshots],
        "clip": dict(_NO_CLIP) if camera.clip is None else _clip_json(alert, camera.clip),
    }


def _clip_json(alert: Alert, clip: Clip) -> dict[str, Any]:
    ready = clip.sha256 is not None
    return {
        "state": clip.state,
        "reason": clip.reason,
        "url": f"{API}/alerts/{quote(alert.id, safe='')}/clips/{quote(clip.id, safe='')}.mp4" if ready else None,
        "from_ms": clip.from_ms,
        "to_ms": clip.to_ms,
        "sha256": clip.sha256,
        "codec": clip.codec,
    }


def _snapshot_json(alert: Alert, snapshot: Snapshot) -> dict[str, Any]:
    ready = snapshot.sha256 is not None
    return {
        "id": snapshot.id,
        "wanted_ms": snapshot.wanted_ms,
        "offset_ms": snapshot.offset_ms,
        "taken_at": optional_time(snapshot.taken_at),
        "state": snapshot.state,
        "reason": snapshot.reason,
        "url": f"{API}/alerts/{quote(alert.id, safe='')}/snapshots/{quote(snapshot.id, safe='')}" if ready else None,
        "sha256": snapshot.sha256,
        "width": snapshot.width,
        "height": snapshot.height,
        "press": snapshot.press,
    }


def camera_json(camera: Camera, health: CameraHealth | None) -> dict[str, Any]:
    """A camera and its state. Stream addresses and credentials are never part of it."""
    state, reason = _camera_state(camera, health)
    return {
        "id": camera.id,
        "name": camera.name,
        "scene": camera.scene,
        "place": place_json(camera.place),
        "state": state,
        "reason": reason,
        "since": None if health is None else rfc3339(health.since),
        "last_keyframe_at": None if health is None else optional_time(health.last_keyframe_at),
        "codec": None if health is None else health.codec,
        "width": None if health is None else health.width,
        "height": None if health is None else health.height,
        "faults": [] if health is None else list(health.faults),
        "masks": masks_json(camera.masks),
        "consent": None if camera.consent is None else consent_json(camera.consent),
        "clip": camera.clip,
        "signage": camera.signage,
    }


def camera_state(camera: Camera, health: CameraHealth | None) -> str:
    return _camera_state(camera, health)[0].value


def _camera_state(camera: Camera, health: CameraHealth | None) -> tuple[CameraState, str | None]:
    if not camera.enabled:
        return CameraState.DISABLED, "switched off in the configuration"
    if health is None:
        return CameraState.CONNECTING, "its video worker has not reported yet"
    return health.state, health.reason


def terminal_json(terminal: Terminal, presence: PresenceView) -> dict[str, Any]:
    household = terminal.household
    return {
        "id": terminal.id,
        "household": {
            "name": household.name,
            "phone": household.phone,
            "address": household.address,
            "instructions": household.instructions,
        },
        "place": place_json(terminal.place),
        "state": terminal_state(presence),
        "last_seen": optional_time(presence.last_seen),
        "last_press": optional_time(presence.last_press),
        "last_test": optional_time(presence.last_test),
        "model": terminal.model,
        "cameras": list(terminal.cameras),
        "neighbours": list(terminal.neighbours),
        "presets": dict(terminal.presets),
    }


def without_phone(terminal: Mapping[str, Any]) -> dict[str, Any]:
    """A terminal's JSON for those who call nobody back."""
    return {**terminal, "household": {**terminal["household"], "phone": None}}


def without_callers_phone(alert: Mapping[str, Any]) -> dict[str, Any]:
    """An alert's JSON for those who call nobody back: without what people were told, too, for the number stands in it."""
    shown = dict(alert)
    household = alert["detail"].get("household")
    if isinstance(household, Mapping) and household.get("phone") is not None:
        shown["detail"] = {**alert["detail"], "household": {**household, "phone": None}}
    if "entries" in alert:
        shown["entries"] = [_without_text(entry) for entry in alert["entries"]]
    return shown


def _without_text(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, "data": {key: value for key, value in entry["data"].items() if key != "text"}}


def terminal_state(presence: PresenceView) -> str:
    if presence.online is None:
        return "unknown"
    return "online" if presence.online else "offline"


def own_node_json(node: NodeInfo, faults: Sequence[str], cameras: Counts, terminals: Counts) -> dict[str, Any]:
    return {
        "id": node.id,
        "name": node.name,
        "level": str(node.level),
        "own": True,
        "state": "degraded" if faults else "online",
        "reason": " ".join(faults) or None,
        "parent": None,
        "since": None,
        "last_heard": None,
        "version": __version__,
        "area_code": None,
        "figures": {},
        "cameras": _counts(cameras),
        "terminals": _counts(terminals),
        "reload": 0,
    }


def node_json(view: NodeView, reload: int = 0, *, whole: bool = True) -> dict[str, Any]:
    """A lower node. ``whole``: with what is counted there; else the caller's areas hold a part of it only. ``reload``
    rises whenever so much changed there at once that its lists are to be loaded anew."""
    card = view.card
    return {
        "id": card.id,
        "name": card.name or card.id,
        "level": card.level or None,
        "own": False,
        "state": view.state.value,
        "reason": view.reason,
        "parent": card.parent or None,
        "since": optional_time(view.since),
        "last_heard": optional_time(view.last_heard),
        "version": card.version or None,
        "area_code": card.area_code,
        "figures": dict(view.figures) if whole else None,
        "cameras": _counts(view.cameras) if whole else None,
        "terminals": _counts(view.terminals) if whole else None,
        "reload": reload,
    }


def _counts(by_state: Counts) -> dict[str, Any]:
    return {"online": by_state.get("online", 0), "total": sum(by_state.values()), "states": dict(by_state)}


def audit_json(record: AuditRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "at": rfc3339(record.at),
        "actor": record.actor,
        "action": record.action,
        "object": record.object,
        "reason": record.reason,
        "detail": dict(record.detail),
    }


def entries_of(feed: Iterable[FeedEntry]) -> list[Entry]:
    return [line.entry for line in feed]
