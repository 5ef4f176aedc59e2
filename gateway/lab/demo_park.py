"""The demo's cameras: some of RTSP alone, two that are ONVIF devices, and one more that only discovery finds."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.lab.children import Child
from gateway.lab.nodes import write_private
from gateway.lab.onvif.nameplate import PRESETS, Nameplate
from gateway.lab.rtsp_server import loopback_hosts
from gateway.lab.village import camera_id, camera_name, camera_settings, onvif_settings

_DEVICES = 2
_INTERFACE = "127.0.0.1"
_SUBNETS = range(2, 255)
_USER, _PASSWORD_FILE = "admin", "cameras.password"


@dataclass(frozen=True, slots=True)
class Notice:
    """What a device notices. ``lasts``: seconds until it is over; 0 where nothing is said of its end."""

    device: int
    event: str
    lasts: float
    words: str


class DemoPark:
    """``cameras`` of them in a process on a leash. The last two are devices: the first of these is a dome with presets,
    the last has a button on its input."""

    def __init__(self, cameras: int, directory: Path) -> None:
        self._directory = directory
        self._child = Child("the simulated cameras", directory / "cameras.log")
        self._password = secrets.token_urlsafe(12)
        self._devices = min(_DEVICES, cameras)
        self._plain = cameras - self._devices
        self._ports: dict[str, Any] = {}
        # Of its own: two demos, or a lab beside one, must not take each other's cameras for theirs.
        self._subnet = _SUBNETS.start + secrets.randbelow(len(_SUBNETS))
        self._hosts = loopback_hosts(self._devices + 1, self._subnet)

    async def start(self) -> None:
        """Raises RunningError."""
        write_private(self._directory / _PASSWORD_FILE, self._password)
        wanted = ("--count", str(self._devices + 1), "--plain", str(self._plain))  # one more, which nobody has enrolled
        found = ("--discovery", _INTERFACE, "--discovery-optional", "--subnet", str(self._subnet))
        login = ("--user", _USER, "--password-env", "DEMO_CAMERAS")
        program = ("-m", "gateway.lab.onvif.devices", "--leashed", *wanted, *found, *login)
        self._ports = await self._child.start_leashed(*program, environment={"DEMO_CAMERAS": self._password})

    async def guard(self) -> None:
        """Never return; raise RunningError with its last words when it ends."""
        await self._child.guard()

    async def stop(self, within: float) -> None:
        await self._child.stop(within)

    @property
    def spare_login(self) -> tuple[str, str] | None:
        """User and password of the camera that a search finds; None where this machine has no room for discovery."""
        return (_USER, self._password) if self._ports["discovery"] else None

    def settings(self) -> list[dict[str, Any]]:
        """The cameras as the township's configuration has them: of a device, where it is and its login alone."""
        login = {"username": _USER, "password": {"file": _PASSWORD_FILE}}
        plain = camera_settings(self._plain, self._ports["rtsp_port"])
        devices = [
            onvif_settings(self._plain + number, host, self._ports["port"], self._endpoint(number))
            for number, host in enumerate(self._hosts[: self._devices], 1)
        ]
        return [one | {"rtsp": one["rtsp"] | login} for one in plain] + [
            one | {"onvif": one["onvif"] | login} for one in devices
        ]

    def discovery(self) -> dict[str, Any]:
        """On loopback alone, and asked one by one too: a machine need not have multicast there."""
        return {"interfaces": [_INTERFACE], "ranges": [f"{self._hosts[0]}-{self._hosts[-1]}"]}

    def with_presets(self, terminals: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The households, each with a preset of the dome that its press turns to."""
        dome, presets = camera_id(self._plain + 1), list(PRESETS.values())
        return [
            one | {"presets": {dome: presets[number % len(presets)]}} for number, one in enumerate(terminals, start=1)
        ]

    def notices(self) -> tuple[Notice, ...]:
        """What the devices notice now and then, each in its turn."""
        dome, last = camera_name(self._plain + 1), camera_name(self._plain + self._devices)
        return (
            Notice(self._devices, "input", 4.0, f"{last}: the button on the camera's input is pressed"),
            Notice(1, "line", 0.0, f"{dome}: somebody crosses a line"),
            Notice(1, "intrusion", 8.0, f"{dome}: somebody is in a guarded field"),
        )

    def _endpoint(self, number: int) -> str:
        return Nameplate(number, batch=self._subnet).endpoint

    async def notice(self, notice: Notice) -> None:
        """Let it happen, from its beginning to its end. Raises RunningError."""
        order = {"event": notice.event, "devices": str(notice.device)}
        await self._child.ask(order | {"active": True})
        if notice.lasts:
            await asyncio.sleep(notice.lasts)
            await self._child.ask(order | {"active": False})
