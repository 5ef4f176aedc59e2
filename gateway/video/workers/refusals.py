"""Cameras that refused their credential, remembered in the core: a worker's death must not cost a second wrong password.

Many a camera locks itself for half an hour after a few; the worker that heard the refusal may be gone by then.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from gateway.model import CameraHealth, CameraState
from gateway.video.wire import ONVIF_REFUSED, ONVIF_REFUSED_WORDS, CameraOrder, Refused


@dataclass(frozen=True, slots=True)
class _Refusal:
    asked: object
    reason: str


class Refusals:
    """By camera id; each holds for the very credential and addresses that were refused."""

    def __init__(self) -> None:
        self._cameras: dict[str, _Refusal] = {}
        self._onvif: dict[str, _Refusal] = {}

    def note(self, order: CameraOrder, health: CameraHealth) -> None:
        """What a worker says of a camera: refused, or no longer."""
        refused = health.state is CameraState.AUTH_FAILED
        _note(self._cameras, order, _asked, health.reason or "the camera refused the user name or password", refused)
        reason = health.reason or "its ONVIF device refused the user name or password"
        _note(self._onvif, order, _device, reason, ONVIF_REFUSED in health.faults)

    def forget(self, camera_id: str) -> None:
        self._cameras.pop(camera_id, None)
        self._onvif.pop(camera_id, None)

    def keep(self, cameras: Collection[str]) -> None:
        """Forget all others."""
        for name in (self._cameras.keys() | self._onvif.keys()) - set(cameras):
            self.forget(name)

    def among(self, orders: Iterable[CameraOrder]) -> Refused:
        """Those whose order asks with what was refused."""
        orders = list(orders)
        return Refused(_among(self._cameras, orders, _asked), _among(self._onvif, orders, _device))


_Asked = Callable[[CameraOrder], object]


def _note(known: dict[str, _Refusal], order: CameraOrder, asked: _Asked, reason: str, refused: bool) -> None:
    if refused:
        known[order.id] = _Refusal(asked(order), reason.removeprefix(ONVIF_REFUSED_WORDS))
    else:
        known.pop(order.id, None)


def _among(known: dict[str, _Refusal], orders: Iterable[CameraOrder], asked: _Asked) -> dict[str, str]:
    found = ((order, known.get(order.id)) for order in orders)
    return {order.id: refusal.reason for order, refusal in found if refusal and refusal.asked == asked(order)}


def _asked(order: CameraOrder) -> object:
    return order.main, order.sub, order.credential, _device(order)


def _device(order: CameraOrder) -> object:
    onvif = order.onvif
    return None if onvif is None else (onvif.host, onvif.port, onvif.credential)
