"""What core and video worker say to each other, as JSON over the worker's Unix socket."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from gateway.canonical import sha256_hex
from gateway.model import Camera, CameraHealth, CameraState, Credential, Mask, OnvifAddress

SPEAKS = 1
"""Raised with every change that a worker, or a core, of before would not understand. A core leaves a worker of another
version running, its ring full, as long as both speak the same."""
CLOCK = "clock"
ONVIF_REFUSED = "onvif_refused"
"""Faults of a camera (``CameraHealth.faults``): its clock is seconds off; it shows pictures but refuses our ONVIF login."""
ONVIF_REFUSED_WORDS = "its ONVIF login is refused: "
"""Before the reason of such a camera."""


@dataclass(frozen=True, slots=True)
class CameraOrder:
    """What a worker has to know of a camera. Its repr holds no password (Credential hides it).

    ``importance``: 1 is dialled first. ``record_s``: seconds of complete video to keep; 0 keeps keyframes only.
    """

    id: str
    main: str | None = None
    sub: str | None = None
    credential: Credential | None = None
    enabled: bool = True
    transport: str = "auto"
    importance: int = 2
    record_s: float = 0.0
    allow_basic: bool = False
    onvif: OnvifAddress | None = None
    masks: tuple[Mask, ...] = ()

    @property
    def url(self) -> str | None:
        """The sub-stream is enough for pictures and an eighth of the traffic; the main stream where there is no other."""
        return self.sub or self.main

    @classmethod
    def of(cls, camera: Camera, *, importance: int = 2, record_s: float = 0.0) -> "CameraOrder":
        address = camera.rtsp
        if address is None:
            return cls(
                camera.id,
                enabled=camera.enabled,
                importance=importance,
                record_s=record_s,
                onvif=camera.onvif,
                masks=camera.masks,
            )
        return cls(
            camera.id,
            address.main,
            address.sub,
            address.credential,
            camera.enabled,
            address.transport,
            importance,
            record_s,
            address.allow_basic,
            camera.onvif,
            camera.masks,
        )


def orders_to_json(orders: Sequence[CameraOrder]) -> list[dict[str, Any]]:
    return [
        {
            "id": order.id,
            "main": order.main,
            "sub": order.sub,
            "username": order.credential.username if order.credential else None,
            "password": order.credential.password if order.credential else None,
            "enabled": order.enabled,
            "transport": order.transport,
            "importance": order.importance,
            "record_s": order.record_s,
            "allow_basic": order.allow_basic,
            "onvif": None if order.onvif is None else _onvif_to_json(order.onvif),
            "masks": [[list(corner) for corner in mask] for mask in order.masks],
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


@dataclass(frozen=True, slots=True)
class Refused:
    """What was refused in the life of another worker and is not to be tried again: camera id → reason.

    ``onvif``: those whose ONVIF device alone refused us, while their video was let in.
    """

    cameras: Mapping[str, str] = field(default_factory=dict)
    onvif: Mapping[str, str] = field(default_factory=dict)


def camera_list_to_json(orders: Sequence[CameraOrder], refused: Refused) -> dict[str, Any]:
    return {"cameras": orders_to_json(orders), "refused": dict(refused.cameras), "onvif_refused": dict(refused.onvif)}


def camera_list_from_json(value: object) -> tuple[list[CameraOrder], Refused]:
    """Raises ValueError with a sentence."""
    if not isinstance(value, dict):
        raise ValueError("the camera list is an object with cameras, refused and onvif_refused")
    refused = Refused(_reasons(value, "refused"), _reasons(value, "onvif_refused"))
    return orders_from_json(value.get("cameras")), refused


def _reasons(value: Mapping[str, object], key: str) -> dict[str, str]:
    reasons = value.get(key, {})
    if not isinstance(reasons, dict) or not all(isinstance(reason, str) for reason in reasons.values()):
        raise ValueError(f"{key} is an object of camera ids and reasons")
    return reasons


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
        "dropped": health.dropped,
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
        dropped=value["dropped"],
        faults=tuple(value["faults"]),
    )


class CameraFigures(NamedTuple):
    """What changes all the time, so that a thousand cameras' are told in one short message: no change of health."""

    last_keyframe_ms: int | None  # since 1970
    received_bytes: int
    reconnects: int
    dropped: int
    last_event_ms: int | None = None  # since 1970: when the camera last told of something it noticed

    @property
    def last_event_at(self) -> datetime | None:
        return None if self.last_event_ms is None else datetime.fromtimestamp(self.last_event_ms / 1000, UTC)

    @property
    def last_keyframe_at(self) -> datetime | None:
        return None if self.last_keyframe_ms is None else datetime.fromtimestamp(self.last_keyframe_ms / 1000, UTC)


def figures_to_json(health: CameraHealth, last_event_at: datetime | None = None) -> CameraFigures:
    last, event = _milliseconds(health.last_keyframe_at), _milliseconds(last_event_at)
    return CameraFigures(last, health.received_bytes, health.reconnects, health.dropped, event)


def _milliseconds(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)


def _order(number: int, item: object) -> CameraOrder:
    if not isinstance(item, dict):
        raise ValueError(f"camera number {number + 1} is not an object")
    texts = {key: _text(item, key, number) for key in ("id", "main", "sub", "username", "password", "transport")}
    if not texts["id"]:
        raise ValueError(f"camera number {number + 1} has no id")
    username = texts["username"]
    credential = None if username is None else Credential(username, texts["password"] or "")
    importance, record_s = item.get("importance", 2), item.get("record_s", 0)
    if not isinstance(importance, int) or not isinstance(record_s, int | float):
        raise ValueError(f"camera number {number + 1}: importance and record_s are numbers")
    return CameraOrder(
        texts["id"],
        texts["main"],
        texts["sub"],
        credential,
        item.get("enabled", True) is not False,
        texts["transport"] or "auto",
        importance,
        float(record_s),
        item.get("allow_basic") is True,
        _onvif(number, item.get("onvif")),
        _masks(number, item.get("masks")),
    )


def _onvif_to_json(onvif: OnvifAddress) -> dict[str, Any]:
    return {
        "host": onvif.host,
        "port": onvif.port,
        "username": onvif.credential.username if onvif.credential else None,
        "password": onvif.credential.password if onvif.credential else None,
        "tls": onvif.tls,
        "source": onvif.source,
        "identity": onvif.identity,
        "events": onvif.events,
        "set_clock": onvif.set_clock,
    }


def _onvif(number: int, item: object) -> OnvifAddress | None:
    if item is None:
        return None
    if not isinstance(item, dict):
        raise ValueError(f"camera number {number + 1}: onvif is not an object")
    texts = {key: _text(item, key, number) for key in ("host", "username", "password", "source", "identity", "events")}
    host, port, username = texts["host"], item.get("port", 80), texts["username"]
    if not host or not isinstance(port, int):
        raise ValueError(f"camera number {number + 1}: onvif has a host and a port")
    return OnvifAddress(
        host,
        port,
        None if username is None else Credential(username, texts["password"] or ""),
        item.get("tls") is True,
        texts["source"],
        texts["identity"],
        texts["events"] or "auto",
        item.get("set_clock") is True,
    )


def _masks(number: int, value: object) -> tuple[Mask, ...]:
    try:
        polygons = [] if value is None else value
        masks = tuple(tuple((float(x), float(y)) for x, y in polygon) for polygon in polygons)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise ValueError(f"camera number {number + 1}: masks are polygons of [x, y]") from None
    if not all(0 <= part <= 1 for mask in masks for corner in mask for part in corner):
        raise ValueError(f"camera number {number + 1}: a mask lies outside of the picture")
    return masks


def _text(item: Mapping[str, object], key: str, number: int) -> str | None:
    value = item.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"camera number {number + 1}: {key} is not a text")
    return value
