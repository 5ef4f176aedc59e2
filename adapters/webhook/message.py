"""A parcel as a signed message: CloudEvents 1.0 structured JSON under Standard Webhooks' three headers. Pure.

The event's id is the entry's, so that a receiver knows a repeat; the alert beside it is as it stands when the message is
sent, so that a repeat may tell a newer state than the first did.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.canonical import canonical_json
from gateway.codec import entry_json
from gateway.model import Entry, rfc3339

CONTENT_TYPE = "application/cloudevents+json"
ENTRY = "gateway.entry.v1"


def event_bytes(node: str, entry: Entry, alert: Mapping[str, Any] | None, pictures: str | None) -> bytes:
    """``alert``: as the API shows it in a list, or None while its first entry is not here. Raises ValueError for what JSON
    cannot carry exactly."""
    event = {
        "specversion": "1.0",
        "id": entry.id,
        "source": f"/nodes/{node}",
        "type": ENTRY,
        "subject": f"alerts/{entry.alert_id}",
        "time": rfc3339(entry.at),
        "datacontenttype": "application/json",
        "data": {"entry": entry_json(entry), "alert": None if alert is None else _reachable(alert, pictures)},
    }
    return canonical_json(event)


def headers(message_id: str, body: bytes, keys: Sequence[bytes], now: datetime) -> dict[str, str]:
    """Standard Webhooks: one signature of each key over id, timestamp and body."""
    timestamp = str(int(now.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys)
    return {
        "Content-Type": CONTENT_TYPE,
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _reachable(alert: Mapping[str, Any], pictures: str | None) -> dict[str, Any]:
    """The alert, with this node's address before those of its pictures and clips."""
    if pictures is None:
        return dict(alert)
    cameras = [
        {
            **camera,
            "snapshots": [_absolute(snapshot, pictures) for snapshot in camera["snapshots"]],
            "clip": _absolute(camera["clip"], pictures),
        }
        for camera in alert["cameras"]
    ]
    return {**alert, "cameras": cameras}


def _absolute(media: Mapping[str, Any], pictures: str) -> dict[str, Any]:
    return {**media, "url": pictures.rstrip("/") + media["url"] if media["url"] else None}
