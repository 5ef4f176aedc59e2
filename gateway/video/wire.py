"""What core and video worker say to each other, as JSON over the worker's Unix socket."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.canonical import sha256_hex
from gateway.model import Camera, CameraHealth, CameraState, Credential


@dataclass(frozen=True, slots=True)
class CameraOrder:
    """What a worker has to know of a camera. Its repr holds no password (Credential hides it)."""

    id: str
    main: str | None = None
    sub: str | None = None
    credential: Credential | None = None
    enabled: bool = True

    @property
    def url(self) -> str | None:
        """The sub-stream is enough for pictures and an eighth of the traffic; the main stream where there is no other."""
        return self.sub or self.main

    @classmethod
    def of(cls, camera: Camera) -> "CameraOrder":
        address = camera.rtsp
        if address is None:
            return cls(camera.id, enabled=camera.enabled)
        return cls(camera.id, address.main, address.sub, address.credential, camera.enabled)


def orders_to_json(orders: Sequence[CameraOrder]) -> list[dict[str, Any]]:
    return [
        {
            "id": order.id,
            "main": order.main,
            "sub": order.sub,
            "username": order.credential.username if order.credential else None,
            "password": order.credential.password if order.credential else None,
            "enabled": order.enabled,
        }
        for order in orders
    ]


def orders_from_json(value: object) -> list[CameraOrder]:
    """Raises ValueError with a sentence that names the camera and the key."""
    if not isinstance(value, list):
        raise ValueError("the camera list is a JSON list")
    orders = [_order(number, item) for number, item in enumerate(value)]
    if len({order.id for order in orders}) != len(orders):
        raise ValueError("a camera id stands twice in the list")
    return orders


def digest(orders: Sequence[CameraOrder]) -> str:
    """A name for the list in force. It covers passwords: for comparing only, never for logs."""
    return sha256_hex(json.dumps(orders_to_json(orders), sort_keys=True).encode())


def health_to_json(health: CameraHealth) -> dict[str, Any]:
    return {
        "id": health.camera_id,
        "state": health.state,
        "reason": health.reason,
        "since": health.since.isoformat(),
        "last_keyframe_at": health.last_keyframe_at.isoformat() if health.last_keyframe_at else None,
        "codec": health.codec,
        "width": health.width,
        "height": health.height,
        "received_bytes": health.received_bytes,
        "reconnects": health.reconnects,
        "faults": list(health.faults),
    }


def health_from_json(value: Mapping[str, Any]) -> CameraHealth:
    last = value["last_keyframe_at"]
    return CameraHealth(
        camera_id=value["id"],
        state=CameraState(value["state"]),
        since=datetime.fromisoformat(value["since"]),
        reason=value["reason"],
        last_keyframe_at=datetime.fromisoformat(last) if last else None,
        codec=value["codec"],
        width=value["width"],
        height=value["height"],
        received_bytes=value["received_bytes"],
        reconnects=value["reconnects"],
        faults=tuple(value["faults"]),
    )


def _order(number: int, item: object) -> CameraOrder:
    if not isinstance(item, dict):
        raise ValueError(f"camera number {number + 1} is not an object")
    texts = {key: _text(item, key, number) for key in ("id", "main", "sub", "username", "password")}
    if not texts["id"]:
        raise ValueError(f"camera number {number + 1} has no id")
    username = texts["username"]
    credential = None if username is None else Credential(username, texts["password"] or "")
    return CameraOrder(texts["id"], texts["main"], texts["sub"], credential, item.get("enabled", True) is not False)


def _text(item: Mapping[str, object], key: str, number: int) -> str | None:
    value = item.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"camera number {number + 1}: {key} is not a text")
    return value
