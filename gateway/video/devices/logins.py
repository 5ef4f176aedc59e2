"""Who shares a session with a device, and what a device locks itself on."""

from typing import NamedTuple

from gateway.model import Credential, OnvifAddress
from gateway.supervision.place import Login
from gateway.video.wire import CameraOrder


class DeviceKey(NamedTuple):
    """What makes cameras share a session."""

    host: str
    port: int
    tls: bool
    credential: Credential | None

    @classmethod
    def of(cls, address: OnvifAddress) -> "DeviceKey":
        return cls(address.host.lower(), address.port, address.tls, address.credential)


def device_login(order: CameraOrder) -> Login | None:
    """What the camera's ONVIF device locks itself on: the same as over RTSP where host and credential are the same, however
    many doors there are. Behind one address (NAT) there may be many devices, so it is that very RTSP door's account."""
    onvif = order.onvif
    if onvif is None:
        return None
    if order.url is not None:
        rtsp = Login.of(order.url, order.credential, basic=order.allow_basic)
        if rtsp.host == onvif.host.lower() and order.credential == onvif.credential:
            return rtsp
    return own_login(DeviceKey.of(onvif))


def own_login(key: DeviceKey) -> Login:
    """Of the device's ONVIF door alone."""
    user, password = (None, None) if key.credential is None else (key.credential.username, key.credential.password)
    return Login(key.host, key.port, user, password)
