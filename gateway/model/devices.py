"""Cameras and terminals as they are configured, where domes can be turned to, and who asks for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from gateway.model.words import Scene


@dataclass(frozen=True, slots=True)
class Place:
    lon: float | None = None
    lat: float | None = None
    address: str | None = None
    area_code: str | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """Stream addresses of a camera, without credentials in them. ``transport``: auto | tcp | udp | multicast.

    ``allow_basic``: its password may go over the network readable to anybody, because the camera knows no digest.
    """

    main: str | None = None
    sub: str | None = None
    credential: Credential | None = None
    transport: str = "auto"
    allow_basic: bool = False


@dataclass(frozen=True, slots=True)
class OnvifAddress:
    """Where a camera speaks ONVIF. Several cameras may have one device (a recorder's channels).

    ``source``: its VideoSource token there; None where the device is this one camera. ``identity``: the device's endpoint
    UUID or serial number, by which it is known again at another address. ``events``: auto | pull | push | off.
    ``set_clock``: the gateway may set the device's clock.
    """

    host: str
    port: int = 80
    credential: Credential | None = None
    tls: bool = False
    source: str | None = None
    identity: str | None = None
    events: str = "auto"
    set_clock: bool = False


Mask = tuple[tuple[float, float], ...]
"""A polygon of at least three corners, each (x, y) from 0 to 1 of the picture's width and height, from its top left."""


@dataclass(frozen=True, slots=True)
class Consent:
    """A household's recorded agreement that its camera may be looked at without an alarm (PIPL Art. 13, 29)."""

    given_by: str
    given_on: date
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Camera:
    id: str
    name: str
    scene: Scene = Scene.STREET
    place: Place = Place()
    rtsp: StreamAddress | None = None
    enabled: bool = True
    clip: bool | None = None  # keep complete video for alarm clips; None: if a terminal is linked to it
    onvif: OnvifAddress | None = None
    masks: tuple[Mask, ...] = ()  # parts of the picture that nobody is shown
    consent: Consent | None = None
    record: Mapping[str, str] = field(default_factory=dict, hash=False)  # 一机一档: what else its register says of it
    place_type: str | None = None  # what kind of place it is, in its owner's words
    signage: bool | None = None  # whether a sign tells of it, as the law asks for in public; None: nobody has said


@dataclass(frozen=True, slots=True)
class Household:
    """``instructions``: what whoever answers its alarm has to know (hard of hearing; the key is with number 12)."""

    name: str | None = None
    phone: str | None = None
    address: str | None = None
    instructions: str | None = None

    def as_detail(self) -> dict[str, str | None]:
        """As an alert tells of it; instructions only where there are any."""
        told = {"name": self.name, "phone": self.phone, "address": self.address}
        return told if self.instructions is None else {**told, "instructions": self.instructions}


@dataclass(frozen=True, slots=True)
class Terminal:
    id: str
    household: Household = Household()
    place: Place = Place()
    cameras: tuple[str, ...] = ()
    neighbours: tuple[str, ...] = ()
    presets: Mapping[str, str] = field(default_factory=dict)  # camera id → PTZ preset (token or name) of this household
    model: str = ""  # what kind of device it is, which decides when its silence is a fault
    record: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Preset:
    """A PTZ preset of a camera (ONVIF PTZ §5.4)."""

    token: str
    name: str


@dataclass(frozen=True, slots=True)
class PtzMove:
    """A continuous move (ONVIF PTZ §5.3.3), each -1 to 1, ended by the device after ``seconds``."""

    pan: float = 0.0
    tilt: float = 0.0
    zoom: float = 0.0
    seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: a console user or the holder of a token. ``node`` is set for node tokens."""

    name: str
    role: str
    areas: tuple[str, ...] = ()
    node: str | None = None
