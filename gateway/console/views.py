"""The JSON of the HTTP API, built from the gateway's nouns. Pure; nothing here knows of HTTP."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from gateway.codec import optional_time, place_json, source_json
from gateway.console.inventory import PresenceView
from gateway.model import Alert, Camera, CameraHealth, CameraState, Entry, LinkedCamera, Snapshot, Terminal, rfc3339
from gateway.ports import AuditRecord, FeedEntry, StoredAlert

API = "/api/v1"
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
    }


def _receipts_json(stored: StoredAlert) -> dict[str, Any]:
    return {
        "received_at": optional_time(stored.received_at) or rfc3339(stored.alert.raised_at),
        "forwarded": [{"sink": f.sink, "at": rfc3339(f.at), "seq": f.seq} for f in stored.forwarded],
        "accepted_at": optional_time(stored.alert.accepted_at),
    }


def _linked_camera_json(alert: Alert, camera: LinkedCamera) -> dict[str, Any]:
    return {
        "id": camera.id,
        "name": camera.name,
        "distance_m": camera.distance_m,
        "snapshots": [_snapshot_json(alert, snapshot) for snapshot in camera.snapshots],
        "clip": dict(_NO_CLIP),
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
    }


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
        "household": {"name": household.name, "phone": household.phone, "address": household.address},
        "place": place_json(terminal.place),
        "state": terminal_state(presence),
        "last_seen": optional_time(presence.last_seen),
        "last_press": optional_time(presence.last_press),
    }


def terminal_state(presence: PresenceView) -> str:
    if presence.online is None:
        return "unknown"
    return "online" if presence.online else "offline"


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
