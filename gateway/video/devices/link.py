"""What a device's session asks of the protocol that speaks to it, and what it is told: no ONVIF word in here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gateway.errors import DeviceError, Unreachable
from gateway.model import ClockReading, DeviceInformation, Kind, OnvifAddress, Preset, PtzMove


class ClockSuspected(Unreachable):
    """It refused our credential while its clock is far off: no verdict on the password."""


class EventsRefused(DeviceError):
    """It lets us in, but the user has no right to its events."""


class EventsUnsupported(DeviceError):
    """It has no way of telling events that we know."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that the device noticed. ``active`` as in ``model.Signal``; ``source``: the VideoSource token, if it names
    one; ``initial``: how things stood when we began to listen, nothing that happened."""

    kind: Kind
    active: bool | None
    source: str | None
    initial: bool
    device_time: datetime | None
    topic: str
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class View:
    """A picture source of the device, as asked of it: what is remembered across restarts. No credential is in it.

    ``profile``: the media profile by which its PTZ is named; None where it has no PTZ.
    """

    source: str | None
    main: str | None = None
    sub: str | None = None
    snapshot: str | None = None
    profile: str | None = None


class DeviceLink(Protocol):
    """One device with one credential. Every call has a deadline and raises DeviceError in words: AuthFailed where the
    credential is refused, ClockSuspected where that may be the clock's fault."""

    has_ptz: bool  # known after ``look``

    @property
    def logged_in(self) -> bool:
        """The device has accepted our credential: what is refused afterwards is refused for want of rights."""

    def again(self) -> "DeviceLink":
        """Another link to the same device: one that was refused stays refused. It knows how things stood there."""

    async def measure_clock(self) -> ClockReading | None:
        """Never with a login; None where it does not tell. What is signed afterwards is signed with the device's time."""

    async def look(self) -> DeviceInformation:
        """Its services and what it is; most devices want the login for it."""

    async def another(self, identity: str) -> str | None:
        """What the device says it is, where it is not the one of ``identity``; None where it is, or does not say. Asked
        after ``look``."""

    async def set_clock(self, at: datetime) -> None: ...

    async def listen(self, heard: Callable[[Happening], None], online: Callable[[], None]) -> None:
        """Until it breaks. Raises EventsRefused and EventsUnsupported too."""

    async def picture(self, url: str) -> bytes:
        """The JPEG at its snapshot address."""

    async def presets(self, profile: str) -> Sequence[Preset]: ...
    async def go_to_preset(self, profile: str, preset: str) -> None: ...
    async def move(self, profile: str, move: PtzMove) -> None: ...
    async def stop_moving(self, profile: str) -> None: ...


class DeviceConnector(Protocol):
    """Makes links, and asks devices what they offer (rare and costly: a process of its own does it). ``requests``: what its
    links have asked so far, by "operation/result"."""

    @property
    def requests(self) -> Mapping[str, int]: ...

    def link(self, address: OnvifAddress) -> DeviceLink: ...
    async def views(self, address: OnvifAddress) -> Sequence[View]:
        """Its picture sources. Raises DeviceError."""

    async def close(self) -> None: ...
