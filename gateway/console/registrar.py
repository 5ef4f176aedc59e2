"""What the console asks of whoever finds cameras and writes them down, as a narrow protocol."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from gateway.errors import UsageError

if TYPE_CHECKING:
    from gateway.console.registers import Tables

Noted = Callable[[str, str, str | None], Awaitable[None]]
"""Puts (action, object, detail) into the audit, before what it tells of is done. Raises StoreFailed."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """A device that answered. ``identity``: its endpoint UUID. ``cameras``: the ids that it is enrolled under."""

    identity: str
    host: str
    port: int
    tls: bool = False
    name: str = ""
    hardware: str = ""
    location: str = ""
    scopes: tuple[str, ...] = ()
    xaddrs: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Enrolment:
    """``camera``: as in the YAML file, without an id if one shall be made, passwords as plain text (they never reach the
    camera file). ``all_channels``: of a recorder every channel becomes a camera."""

    camera: Mapping[str, Any] = field(repr=False)
    inspect: bool = True
    all_channels: bool = False


class AlreadyEnrolled(UsageError):
    """The device, or the id, is a camera already."""

    def __init__(self, reason: str, cameras: Sequence[str]) -> None:
        super().__init__(reason)
        self.cameras = tuple(cameras)


class ChannelsToChoose(UsageError):
    """The device has several channels and none was named. ``channels``: (source, name) of each."""

    def __init__(self, reason: str, channels: Sequence[tuple[str | None, str]]) -> None:
        super().__init__(reason)
        self.channels = tuple(channels)


class NotInForce(UsageError):
    """The file is written, but what it says was not taken over."""


class SearchUnderWay(UsageError):
    """Somebody is searching already."""


class Registrar(Protocol):
    @property
    def tables(self) -> "Tables":
        """Its register (一机一档) as tables."""

    async def discover(self, timeout: float, ranges: Sequence[str] = ()) -> Sequence[Discovered]:
        """Raises UsageError for a range or an interface that is none, SearchUnderWay."""

    async def enrol(self, wanted: Enrolment, noted: Noted) -> Sequence[str]:
        """Ask the device, write the cameras, put them in force; give their ids. Raises DeviceError (AuthFailed after one
        try), AlreadyEnrolled, ChannelsToChoose, ConfigError, UsageError in words, NotInForce, RunningError."""

    async def change(self, camera_id: str, patch: Mapping[str, Any], noted: Noted) -> None:
        """``patch``: keys as in the YAML file, None takes one away; ``credential`` goes to every address of the camera.
        Raises KeyError, ConfigError, UsageError, NotInForce, RunningError."""

    async def remove(self, camera_id: str, noted: Noted) -> None:
        """Raises KeyError, ConfigError (a terminal still names it), UsageError, NotInForce, RunningError."""
