"""Which worker has which camera. Pure: the same cameras and workers give the same places."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlsplit

from gateway.video.wire import CameraOrder

RECORDER_CHANNELS = 64
"""The channels of one recorder share a worker, whose dial budget then protects that recorder. A larger one (or a lab of a
thousand cameras behind one address) is spread camera by camera: one worker for all of it would be the bottleneck. Cameras of
one ONVIF device stay together even so: two sessions with it would hear everything twice."""


def homes(orders: Sequence[CameraOrder], workers: Collection[int]) -> dict[str, int]:
    """The worker of each camera by rendezvous hashing: one that leaves or joins moves no camera of the others."""
    keys = _keys(orders)
    chosen = {key: max(workers, key=lambda worker: _weight(worker, key)) for key in set(keys.values())}
    return {camera: chosen[key] for camera, key in keys.items()}


def places(orders: Sequence[CameraOrder], workers: Collection[int], standing: Mapping[str, int]) -> dict[str, int]:
    """As ``homes`` for those that do not stand with a worker already. Cameras of one ONVIF device that stand apart, or would
    (a recorder may have grown past what is kept together), join where most of them stand."""
    found = homes(orders, workers) | {order.id: standing[order.id] for order in orders if order.id in standing}
    devices: dict[str, list[str]] = defaultdict(list)
    for order in orders:
        if order.onvif is not None:
            devices[_device(order)].append(order.id)
    for cameras in devices.values():
        at = Counter(standing[name] for name in cameras if name in standing)
        if at:
            found |= dict.fromkeys(cameras, at.most_common(1)[0][0])
    return found


def _keys(orders: Sequence[CameraOrder]) -> Mapping[str, str]:
    hosts = {order.id: _host(order) for order in orders}
    sizes = Counter(hosts.values())
    return {
        order.id: host if (host := hosts[order.id]) and sizes[host] <= RECORDER_CHANNELS else _device(order)
        for order in orders
    }


def _host(order: CameraOrder) -> str | None:
    if order.onvif is not None:
        return order.onvif.host.lower()
    return None if order.url is None else urlsplit(order.url).hostname


def _device(order: CameraOrder) -> str:
    return order.id if order.onvif is None else f"{order.onvif.host.lower()}:{order.onvif.port}"


def _weight(worker: int, key: str) -> bytes:
    return hashlib.sha256(f"{worker}/{key}".encode()).digest()
