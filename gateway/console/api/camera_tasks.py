"""What somebody has to see to at cameras, one task for each kind of trouble, however many cameras have it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from gateway.config.forbidden_places import refusal
from gateway.console.auth import Caller, covers
from gateway.console.services import Services
from gateway.model import FIELD_CODES, Camera, CameraHealth, CameraState, DeviceHealth, ImageFault, Scene, rfc3339

_NAMED = 50  # cameras named in one task: those that wait longest
_EVER = datetime.min.replace(tzinfo=UTC)
_FAULTS = {
    "clock": "camera_clock",
    "frozen": "camera_frozen",
    "onvif_refused": "camera_password",
    "main_refused": "camera_stream",
}
_IMAGE_FAULTS = tuple(fault for fault in ImageFault if fault not in (ImageFault.FROZEN, ImageFault.CLOCK))
_FAULTS |= {fault.value: f"image_{fault.value}" for fault in _IMAGE_FAULTS}
_TITLES = {
    "camera_password": "摄像头密码错误",
    "camera_offline": "摄像头离线",
    "camera_frozen": "画面冻结",
    "camera_clock": "摄像头时钟不准",
    "camera_stream": "主码流被拒绝",
    "camera_place": "不得安装摄像头的场所",
    "camera_sign": "未设提示标识",
    **{f"image_{fault.value}": FIELD_CODES[fault].name for fault in _IMAGE_FAULTS},
}

Trouble = tuple[datetime | None, dict[str, Any]]


def camera_tasks(house: Services, found: Caller) -> list[dict[str, Any]]:
    """Of this node's cameras within the caller's areas: kind, title, since (of the longest), and detail with ``count`` and
    ``cameras`` (id, name, since, reason, offset_s), the longest first. A lower node's troubles are its own, but for cameras
    that stand where the law wants none."""
    troubles: dict[str, list[Trouble]] = {kind: [] for kind in _TITLES}
    for camera in house.inventory.cameras():
        if not camera.enabled or not covers(found.principal, camera.place.area_code):
            continue
        _look_at_law(camera, troubles)
        health = None if house.video is None else house.video.health(camera.id)
        if health is None:
            continue
        device = None if house.devices is None else house.devices.device(camera.id)
        told = _told(camera, health, device)
        for kind in dict.fromkeys(_kinds(health, device)):
            troubles[kind].append((health.since, told))
    for node, held, reason in house.below.forbidden() if house.below is not None else ():
        if held.camera.enabled and covers(found.principal, held.area_code):
            troubles["camera_place"].append((None, _said(f"{node}:{held.id}", held.camera.name, reason)))
    return [_task(kind, some) for kind, some in troubles.items() if some]


def _kinds(health: CameraHealth, device: DeviceHealth | None) -> Iterator[str]:
    if health.state is CameraState.AUTH_FAILED:
        yield "camera_password"
    if health.state is CameraState.OFFLINE:
        yield "camera_offline"
    for fault in (*health.faults, *(device.faults if device is not None else ())):
        if fault in _FAULTS:
            yield _FAULTS[fault]


def _look_at_law(camera: Camera, troubles: dict[str, list[Trouble]]) -> None:
    """What nobody measures: 公共安全视频图像信息系统管理条例, Articles 8, 10 and 13. Homes need no sign."""
    reason = refusal(camera.name, camera.place_type)
    if reason is not None:
        troubles["camera_place"].append((None, _said(camera.id, camera.name, reason)))
    if camera.signage is False and camera.scene is not Scene.HOUSEHOLD:
        troubles["camera_sign"].append((None, _said(camera.id, camera.name)))


def _said(id_: str, name: str, reason: str | None = None) -> dict[str, Any]:
    return {"id": id_, "name": name, "since": None, "reason": reason, "offset_s": None}


def _told(camera: Camera, health: CameraHealth, device: DeviceHealth | None) -> dict[str, Any]:
    clock = None if device is None else device.clock
    reason = health.reason or (None if device is None else device.reason)
    return {
        "id": camera.id,
        "name": camera.name,
        "since": rfc3339(health.since),
        "reason": reason,
        "offset_s": None if clock is None else clock.offset_s,
    }


def _task(kind: str, troubles: list[Trouble]) -> dict[str, Any]:
    troubles.sort(key=lambda trouble: _EVER if trouble[0] is None else trouble[0])
    since = troubles[0][0]
    return {
        "kind": kind,
        "object": "cameras",
        "title": _TITLES[kind],
        "since": None if since is None else rfc3339(since),
        "due": None,
        "overdue": False,
        "detail": {"count": len(troubles), "cameras": [told for _, told in troubles[:_NAMED]]},
    }
