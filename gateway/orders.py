"""What the video workers are told of the cameras: composed from the node's register and its settings."""

from collections.abc import Iterable

from gateway.alerts.linking import linked
from gateway.alerts.register import Register
from gateway.config.sections.alerts import AlertSettings
from gateway.video.wire import CameraOrder

LINKED, OTHERS = 1, 2
"""A camera that a press will ask for is dialled before the others."""
LEAST_RECORD_S = 5.0
"""A clip begins with a keyframe at or before the wanted moment, so even one that begins at the press needs some past."""


def orders_of(register: Register, alerts: AlertSettings) -> list[CameraOrder]:
    """An order for each camera, in the register's order.

    Complete video for clips is kept of the cameras that belong to a terminal, and of those that the configuration names
    (``clip: true``); never where it says ``clip: false``.
    """
    cameras = register.cameras()
    linking = alerts.linking
    near = linked(register.terminals(), cameras, nearest=linking.nearest, within_m=linking.within_m)
    clip = alerts.clip
    record_s = max(clip.before, LEAST_RECORD_S) if clip.before or clip.after else 0.0
    return [
        CameraOrder.of(
            camera,
            importance=LINKED if camera.id in near else OTHERS,
            record_s=record_s if (camera.id in near if camera.clip is None else camera.clip) else 0.0,
        )
        for camera in cameras
    ]


def recorded(orders: Iterable[CameraOrder]) -> frozenset[str]:
    """Ids of the cameras whose complete video is kept for clips."""
    return frozenset(order.id for order in orders if order.record_s)
