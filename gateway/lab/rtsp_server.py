"""Simulated cameras behind one RTSP port (RFC 2326): real sockets, interleaved TCP and UDP, every fault by name.

A picture is packetised once and the same bytes go to every viewer of its feed, so that a thousand cameras cost less
than a core.
"""

import asyncio
import socket
import time
from collections.abc import Iterable, Sequence
from typing import Any

from gateway.errors import UsageError
from gateway.lab.camera import SimulatedCamera
from gateway.lab.connection import Connection
from gateway.lab.faults import Behaviour, Fault
from gateway.lab.feeds import Feed
from gateway.lab.figures import Figures
from gateway.lab.listener import Listener, listen
from gateway.lab.sdp import AUDIO_CONTROL, VIDEO_CONTROL
from gateway.lab.studio import Studio
from gateway.model import Credential
from gateway.open_files import raise_limit

_PER_SUBNET = 50


def loopback_hosts(count: int, second: int = 1) -> list[str]:
    """``count`` addresses of 127.SECOND/16, fifty in each /24, as the cameras of villages are: Linux has them all."""
    return [f"127.{second}.{number // _PER_SUBNET}.{number % _PER_SUBNET + 1}" for number in range(count)]


class RtspServer:
    """Simulated cameras under ``rtsp://host:port/PATH``, with a login where a credential is given.

    ``hosts``: addresses the cameras take turns on, beside ``host``, which answers for all. Paths that are mounted with
    one camera's number share its faults, its sessions and its lock; without a number each path is a camera.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        hosts: Sequence[str] = (),
        credential: Credential | None = None,
        behaviour: Behaviour | None = None,
    ) -> None:
        self.host, self.port = host, port
        self.credential = credential
        self.figures = Figures()
        self.cameras: dict[int, SimulatedCamera] = {}
        self.connections: set[Connection] = set()
        self._hosts, self._behaviour = tuple(hosts), behaviour or Behaviour()
        self._moved: dict[int, str] = {}
        self._mounts: dict[str, tuple[SimulatedCamera, Feed]] = {}
        self._studio: Studio | None = None
        self._listeners: list[Listener] = []

    # ---------------------------------------------------------------------------------------------------------- set up

    def mount(self, path: str, feed: Feed, camera: int | None = None) -> None:
        """Serve ``feed`` at ``path``, e.g. ``/cam/1``, as a stream of ``camera``. Several paths may share a feed."""
        number = camera if camera is not None else len(self._mounts) + 1
        if number not in self.cameras:
            self.cameras[number] = SimulatedCamera(number, self._behaviour, time.monotonic)
        self._mounts[path.rstrip("/")] = (self.cameras[number], feed)

    def address(self, camera: int) -> str:
        """The host that camera ``camera`` is dialled at."""
        if camera in self._moved:
            return self._moved[camera]
        return self._hosts[(camera - 1) % len(self._hosts)] if self._hosts else self.host

    def url(self, path: str) -> str:
        mounted = self._mounts.get(path)
        host = self.address(mounted[0].number) if mounted else self.host
        return f"rtsp://{host}:{self.port}{path}"

    async def start(self) -> None:
        """Listen; ``port`` is the true one afterwards. Raises ListenFailed."""
        raise_limit()
        self._listeners = listen(list(dict.fromkeys((self.host, *self._hosts))), self.port, self._take)
        self.port = self._listeners[0].port

    async def stop(self) -> None:
        """End every connection and feed."""
        for listener in self._listeners:
            listener.close()
        for connection in tuple(self.connections):
            connection.reset()
        if self._studio is not None:
            await self._studio.close()
        await asyncio.gather(*(feed.close() for feed in {feed for _, feed in self._mounts.values()}))

    # -------------------------------------------------------------------------------------------- faults and power

    async def set_fault(
        self, fault: Fault, cameras: Iterable[int] | None = None, argument: float | None = None
    ) -> None:
        """Give cameras (all unless told) a fault beside those they have. Raises UsageError where it cannot be."""
        if fault.needs_login and self.credential is None:
            raise UsageError(f"{fault.name} is a fault of the login: give the cameras a user and a password")
        for number in self._numbers(cameras):
            camera = self.cameras[number]
            behaviour = fault.on(camera.behaviour, argument)
            await self._make_ready(behaviour)
            camera.change(behaviour)

    def clear(self, cameras: Iterable[int] | None = None) -> None:
        """Take all faults away from cameras (all unless told)."""
        for number in self._numbers(cameras):
            self.cameras[number].clear()

    def move(self, camera: int, host: str) -> None:
        """The camera gets another address; its connections are cut, and its old address listens no more where it was
        alone there. Raises ListenFailed."""
        old = self.address(camera)
        self._moved[camera] = host
        for client in tuple(self.cameras[camera].clients):
            client.close()
        if all(listener.host != host for listener in self._listeners):
            opened = Listener(host, self.port, self._take)
            opened.open()
            self._listeners.append(opened)
        if old != self.host and all(self.address(number) != old for number in self.cameras):
            for listener in [one for one in self._listeners if one.host == old]:
                listener.close()
                self._listeners.remove(listener)

    def power(self, on: bool, cameras: Iterable[int] | None = None) -> None:
        """Cut cameras off without a word, or let them answer again.

        An address all of whose cameras are off answers no connection; where others share it, the connection is
        accepted and hears nothing.
        """
        for number in self._numbers(cameras):
            self.cameras[number].power(on)
        dark = {one.number for one in self.cameras.values() if not one.powered}
        lit = {self.address(number) for number in self.cameras if number not in dark}
        for listener in self._listeners:
            if listener.host in lit or (listener.host == self.host and lit):
                listener.power_on()
            else:
                listener.power_off()

    def counts(self) -> dict[str, Any]:
        """What the cameras saw and see, for machines (README of the lab)."""
        playing = sum(connection.viewing is not None for connection in self.connections)
        now = {
            "cameras": len(self.cameras),
            "connections": len(self.connections),
            "playing": playing,
            "sessions": sum(camera.sessions for camera in self.cameras.values()),
        }
        return now | self.figures.to_json()

    def _numbers(self, cameras: Iterable[int] | None) -> list[int]:
        return list(self.cameras if cameras is None else cameras)

    async def _make_ready(self, behaviour: Behaviour) -> None:
        for kind in _kinds(behaviour):
            if self._studio is None:
                codings = [feed.coding for _, feed in self._mounts.values()]
                self._studio = Studio(min(codings, key=lambda coding: coding.width * coding.height))
            await self._studio.ready(kind)

    # ------------------------------------------------------------------------------------------- for its connections

    def camera_of(self, path: str) -> SimulatedCamera | None:
        mounted = self._mounts.get(_bare(path))
        return mounted[0] if mounted else None

    def feed(self, path: str, behaviour: Behaviour | None = None) -> Feed | None:
        """What a path describes; with a behaviour, as a camera that behaves so does."""
        mounted = self._mounts.get(_bare(path))
        if mounted is None:
            return None
        picture = behaviour.picture if behaviour else "usual"
        return self._studio.feed(picture) if self._studio and picture != "usual" else mounted[1]

    def shown(self, path: str, behaviour: Behaviour) -> Feed | None:
        """What a path really sends."""
        if behaviour.media == "sound" and self._studio is not None:
            return self._studio.feed("sound")
        return self.feed(path, behaviour)

    def _take(self, connection: socket.socket, address: str) -> None:
        self.figures.dialled(address)
        self.connections.add(Connection(self, connection, address))


def _kinds(behaviour: Behaviour) -> list[str]:
    """The pictures of the studio that a behaviour needs."""
    sound = ["sound"] if behaviour.media == "sound" else []
    return sound + ([behaviour.picture] if behaviour.picture != "usual" else [])


def _bare(path: str) -> str:
    """The mount of a path that clients make of it: with a control, or after a redirect."""
    for control in (VIDEO_CONTROL, AUDIO_CONTROL):
        path = path.removesuffix(f"/{control}")
    return path.removeprefix("/moved")
