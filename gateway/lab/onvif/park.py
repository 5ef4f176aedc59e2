"""A village of simulated ONVIF devices in one loop, each at an address of its own, over the cameras of an RTSP server."""

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gateway.errors import ListenFailed, UsageError
from gateway.lab.listener import Listener, listen
from gateway.lab.onvif.desk import Desk
from gateway.lab.onvif.device import SimulatedDevice
from gateway.lab.onvif.discovery import PORT, Discoverable
from gateway.lab.onvif.faults import Behaviour, DeviceFault
from gateway.lab.onvif.figures import summed
from gateway.lab.onvif.http import Connection
from gateway.lab.onvif.nameplate import Nameplate
from gateway.lab.onvif.still import still
from gateway.lab.rtsp_server import RtspServer, loopback_hosts
from gateway.model import Credential
from gateway.open_files import raise_limit


class OnvifPark:
    """``count`` devices, numbered from 1, each at one of ``hosts``, all at ``port`` (0: a free one).

    ``channels``: more than one makes recorders, whose cameras follow one another in ``rtsp``. ``rtsp``: where their
    streams are; without it they name streams that nobody serves. ``discovery``: the address of the interface on which
    they answer WS-Discovery; None leaves them silent there, and so does ``discovery_needed`` False where this machine has
    no room for it. ``before``: how many cameras of ``rtsp`` come before the
    devices' own. ``batch``: devices of another one have other identities.
    """

    def __init__(
        self,
        count: int = 1,
        *,
        hosts: Sequence[str] = (),
        port: int = 0,
        channels: int = 1,
        credential: Credential | None = None,
        behaviour: Behaviour | None = None,
        rtsp: RtspServer | None = None,
        discovery: str | None = None,
        discovery_port: int = PORT,
        draw: random.Random | None = None,
        before: int = 0,
        discovery_needed: bool = True,
        batch: int = 1,
    ) -> None:
        self.port, self.rtsp = port, rtsp
        self._discovery_needed = discovery_needed
        self._hosts = list(hosts) or loopback_hosts(count)
        if len(set(self._hosts)) < count:
            raise UsageError(f"{count} devices need as many addresses, and there are {len(set(self._hosts))}")
        self._discoverable = None if discovery is None else Discoverable(discovery, discovery_port, draw)
        self._listeners: dict[str, Listener] = {}
        self._connections: dict[SimulatedDevice, set[Connection]] = {}
        self._desks: dict[SimulatedDevice, Desk] = {}
        self._at: dict[str, SimulatedDevice] = {}
        self._dark: set[int] = set()
        self.devices: dict[int, SimulatedDevice] = {}
        for number in range(1, count + 1):
            device = SimulatedDevice(
                Nameplate(number, channels, before=before, batch=batch),
                credential=credential,
                behaviour=behaviour or Behaviour(),
                stream=self._stream,
                picture=still,
            )
            device.host = self._hosts[number - 1]
            self.devices[number] = device
            self._at[device.host] = device
            self._connections[device] = set()
            self._desks[device] = Desk(device)

    # ---------------------------------------------------------------------------------------------------------- set up

    async def start(self) -> None:
        """Listen; ``port`` is the true one afterwards. Raises ListenFailed."""
        raise_limit()
        hosts = list(dict.fromkeys(device.host for device in self.devices.values()))
        self._listeners = dict(zip(hosts, listen(hosts, self.port, self._take), strict=True))
        for device in self.devices.values():
            device.port = self.port = self._listeners[device.host].port
        if self._discoverable is not None:
            self._answer_probes(self._discoverable)

    def _answer_probes(self, discoverable: Discoverable) -> None:
        discoverable.powered = lambda device: device.plate.number not in self._dark
        try:
            discoverable.start(self.devices.values(), group_needed=self._discovery_needed)
        except ListenFailed:
            if self._discovery_needed:
                raise
            discoverable.stop()
            self._discoverable = None
            return
        for device in self.devices.values():
            discoverable.hello(device)

    async def stop(self) -> None:
        if self._discoverable is not None:
            for device in self.devices.values():
                self._discoverable.bye(device)
            self._discoverable.stop()
        for listener in self._listeners.values():
            listener.close()
        for device in self.devices.values():
            device.close()
            self._cut(device)

    @property
    def discoverable(self) -> bool:
        return self._discoverable is not None

    def url(self, number: int) -> str:
        """Its device service."""
        device = self.devices[number]
        return f"http://{device.host}:{device.port}/onvif/device_service"

    # ---------------------------------------------------------------------------------------------------- what happens

    def set_fault(
        self, fault: DeviceFault, devices: Iterable[int] | None = None, argument: float | None = None
    ) -> None:
        """Give devices (all unless told) a fault beside those they have."""
        for device in self._chosen(devices):
            device.behave(fault.on(device.behaviour, argument))

    def clear(self, devices: Iterable[int] | None = None) -> None:
        """Take all faults away from devices (all unless told)."""
        for device in self._chosen(devices):
            device.clear()

    def fire(self, event: str, devices: Iterable[int] | None = None, *, active: bool = True, place: int = 1) -> None:
        """An event (``notices.EVENTS``) at input or channel ``place``. Raises UsageError."""
        for device in self._chosen(devices):
            device.fire(event, active, place)

    def change_credential(self, credential: Credential | None, devices: Iterable[int] | None = None) -> None:
        for device in self._chosen(devices):
            device.door.change(credential)

    async def move(self, number: int, host: str) -> None:
        """It gets another address, says Bye at the old and Hello at the new one; its streams go with it. Raises UsageError
        where somebody is there, and ListenFailed."""
        device = self.devices[number]
        if host in self._at:
            raise UsageError(f"a device is at {host} already")
        if self._discoverable is not None:
            self._discoverable.bye(device)
            self._discoverable.remove(device)
        old, device.host = device.host, host
        del self._at[old]
        self._at[host] = device
        self._cut(device)
        device.subscriptions.close()
        self._listeners.pop(old).close()
        self._listen(host)
        if self.rtsp is not None:
            for channel in device.channels:
                self.rtsp.move(channel, host)
        if self._discoverable is not None:
            self._discoverable.add(device)
            self._discoverable.hello(device)

    def power(self, on: bool, devices: Iterable[int] | None = None) -> None:
        """Cut devices off without a word, streams included; or let them boot: their subscriptions are then forgotten."""
        for device in self._chosen(devices):
            if on and device.plate.number in self._dark:
                device.subscriptions.close()
                self._cut(device)
            (self._dark.discard if on else self._dark.add)(device.plate.number)
            if self.rtsp is not None:
                self.rtsp.power(on, [one for one in device.channels if one in self.rtsp.cameras])
        lit = {device.host for device in self.devices.values() if device.plate.number not in self._dark}
        for host, listener in self._listeners.items():
            (listener.power_on if host in lit else listener.power_off)()
        if on and self._discoverable is not None:
            for device in self._chosen(devices):
                self._discoverable.hello(device)

    def counts(self) -> dict[str, Any]:
        """What the devices saw, in all and each (README of the lab)."""
        each = {str(number): device.to_json() for number, device in self.devices.items()}
        totals = summed(
            [
                device.figures.to_json(len(device.subscriptions), device.subscriptions.pulling)
                for device in self.devices.values()
            ]
        )
        connections = sum(len(some) for some in self._connections.values())
        return {"devices": len(self.devices), "connections": connections, **totals, "each": each}

    # ------------------------------------------------------------------------------------------------------------ parts

    def _chosen(self, devices: Iterable[int] | None) -> list[SimulatedDevice]:
        return list(self.devices.values()) if devices is None else [self.devices[number] for number in devices]

    def _listen(self, host: str) -> None:
        if host in self._listeners:
            return
        listener = Listener(host, self.port, self._take)
        listener.open()
        self._listeners[host] = listener
        self.port = listener.port

    def _take(self, connection: socket.socket, host: str) -> None:
        device = self._at.get(host)
        if device is None:
            connection.close()
            return
        there = self._connections[device]
        made = Connection(self._handler(device), there.discard)
        there.add(made)
        loop = asyncio.get_running_loop()
        task = loop.create_task(_accept(loop, made, connection))
        made.opening = task

    def _handler(self, device: SimulatedDevice) -> Callable[..., None]:
        def handle(request: Any, exchange: Any) -> None:
            if device.plate.number not in self._dark:
                self._desks[device].handle(request, exchange)

        return handle

    def _cut(self, device: SimulatedDevice) -> None:
        for connection in tuple(self._connections[device]):
            connection.reset()

    def _stream(self, channel: int, stream: str) -> str:
        if self.rtsp is None:
            return f"rtsp://{self._hosts[0]}:554/cam/{channel}/{stream}"
        return self.rtsp.url(f"/cam/{channel}/{stream}")


async def _accept(loop: asyncio.AbstractEventLoop, connection: Connection, its: socket.socket) -> None:
    with contextlib.suppress(OSError):
        await loop.connect_accepted_socket(lambda: connection, its)
