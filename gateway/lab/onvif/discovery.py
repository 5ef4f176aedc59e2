"""WS-Discovery as devices do it (OASIS WS-Discovery 1.0 of April 2005; ONVIF Core §7): answers to probes, Hello and Bye."""

import asyncio
import random
import socket
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Sequence
from xml.sax.saxutils import escape

from gateway.errors import ListenFailed
from gateway.lab.onvif.device import SimulatedDevice

GROUP = "239.255.255.250"
PORT = 3702
_LATEST_ANSWER_S = 0.5  # APP_MAX_DELAY, so that answers to one multicast probe do not come all at once
_WSA = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_D = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
_TYPES = {"NetworkVideoTransmitter", "Device"}


class Discoverable:
    """Answers probes for the devices: on ``interface`` by multicast, and each at its own address by unicast."""

    def __init__(self, interface: str, port: int = PORT, draw: random.Random | None = None) -> None:
        self._interface, self._port, self._draw = interface, port, draw or random.Random()
        self._devices: dict[str, list[SimulatedDevice]] = {}  # by address
        self._sockets: dict[str, socket.socket] = {}
        self._number = 0
        self.powered: Callable[[SimulatedDevice], bool] = lambda device: True

    def start(self, devices: Iterable[SimulatedDevice], *, group_needed: bool = True) -> None:
        """Raises ListenFailed; without ``group_needed`` not where the machine has no multicast there."""
        for device in devices:
            self.add(device)
        try:
            self._join_group()
        except ListenFailed:
            if group_needed:
                raise

    def _join_group(self) -> None:
        group = self._open(GROUP)
        try:
            membership = socket.inet_aton(GROUP) + socket.inet_aton(self._interface)
            group.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        except OSError as error:
            self._close(GROUP)
            raise ListenFailed(f"the simulated devices cannot join {GROUP} on {self._interface}: {error}") from error

    def stop(self) -> None:
        for one in self._sockets.values():
            asyncio.get_running_loop().remove_reader(one)
            one.close()
        self._sockets.clear()
        self._devices.clear()

    def add(self, device: SimulatedDevice) -> None:
        """Answer for it at its present address. Raises ListenFailed."""
        if device.host not in self._sockets:
            self._open(device.host)
        self._devices.setdefault(device.host, []).append(device)

    def remove(self, device: SimulatedDevice) -> None:
        there = self._devices.get(device.host, [])
        if device in there:
            there.remove(device)
        if not there:
            self._close(device.host)

    def _close(self, host: str) -> None:
        if (left := self._sockets.pop(host, None)) is not None:
            asyncio.get_running_loop().remove_reader(left)
            left.close()

    def hello(self, device: SimulatedDevice) -> None:
        """Tell everybody that it is here."""
        self._announce(device, "Hello", _matched(device))

    def bye(self, device: SimulatedDevice) -> None:
        self._announce(
            device, "Bye", f"<a:EndpointReference><a:Address>{device.plate.endpoint}</a:Address></a:EndpointReference>"
        )

    def _announce(self, device: SimulatedDevice, action: str, inner: str) -> None:
        sender = self._sockets.get(device.host)
        if sender is None or GROUP not in self._sockets:
            return
        self._number += 1
        body = f"<d:{action}>{inner}</d:{action}>"
        to = "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>"
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(self._interface))
        _send(sender, _message(action, to, body, self._number), (GROUP, self._port))

    def _open(self, host: str) -> socket.socket:
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.setblocking(False)
        try:
            if host == GROUP:  # shared with whoever else answers or listens on this machine
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind((host, self._port))
        except OSError as error:
            opened.close()
            raise ListenFailed(
                f"the simulated devices cannot hear probes on {host}:{self._port}: {error.strerror}"
            ) from error
        self._sockets[host] = opened
        asyncio.get_running_loop().add_reader(opened, self._heard, opened, host)
        return opened

    def _heard(self, there: socket.socket, host: str) -> None:
        try:
            content, sender = there.recvfrom(65536)
        except OSError:
            return
        probe = _probe_of(content)
        if probe is None:
            return
        loop = asyncio.get_running_loop()
        asked: Sequence[SimulatedDevice]
        if host == GROUP:
            asked, latest = [one for some in self._devices.values() for one in some], _LATEST_ANSWER_S
        else:
            asked, latest = self._devices.get(host, []), 0.0
        for device in asked:
            if self.powered(device):
                loop.call_later(self._draw.uniform(0, latest), self._answer, device, probe, sender)

    def _answer(self, device: SimulatedDevice, probe: str, to: tuple[str, int]) -> None:
        sender = self._sockets.get(device.host)
        if sender is None or device.behaviour.hangs:
            return
        self._number += 1
        header = f"<a:RelatesTo>{escape(probe)}</a:RelatesTo><a:To>{_WSA}/role/anonymous</a:To>"
        body = f"<d:ProbeMatches><d:ProbeMatch>{_matched(device)}</d:ProbeMatch></d:ProbeMatches>"
        _send(sender, _message("ProbeMatches", header, body, self._number), to)


def _send(sender: socket.socket, content: bytes, to: tuple[str, int]) -> None:
    try:
        sender.sendto(content, to)
    except OSError:
        return  # a full buffer or nobody there: a lost datagram, as on any network


def _probe_of(content: bytes) -> str | None:
    """The MessageID of a probe that asks for devices such as these."""
    if b"<!DOCTYPE" in content:
        return None
    try:
        root = ET.fromstring(content)  # noqa: S314 - no DTD gets here
    except ET.ParseError:
        return None
    probe = root.find(f".//{{{_D}}}Probe")
    if probe is None:
        return None
    types = (probe.findtext(f"{{{_D}}}Types") or "").split()
    if types and not any(one.rpartition(":")[2] in _TYPES for one in types):
        return None
    return (root.findtext(f".//{{{_WSA}}}MessageID") or "").strip()


def _matched(device: SimulatedDevice) -> str:
    return (
        f"<a:EndpointReference><a:Address>{device.plate.endpoint}</a:Address></a:EndpointReference>"
        f"<d:Types>dn:NetworkVideoTransmitter tds:Device</d:Types><d:Scopes>{escape(' '.join(device.scopes))}</d:Scopes>"
        f"<d:XAddrs>{device.base}/onvif/device_service</d:XAddrs><d:MetadataVersion>10</d:MetadataVersion>"
    )


def _message(action: str, header: str, body: str, number: int) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
        f'xmlns:a="{_WSA}" xmlns:d="{_D}" xmlns:dn="http://www.onvif.org/ver10/network/wsdl" '
        'xmlns:tds="http://www.onvif.org/ver10/device/wsdl"><s:Header>'
        f"<a:MessageID>urn:uuid:{uuid.uuid4()}</a:MessageID><a:Action>{_D}/{action}</a:Action>{header}"
        f'<d:AppSequence InstanceId="1" MessageNumber="{number}"/></s:Header><s:Body>{body}</s:Body></s:Envelope>'
    ).encode()
