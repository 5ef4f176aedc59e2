"""What may stand in the configuration (CONTRACT "Configuration"), as pydantic models."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from gateway.model import (
    Camera,
    Credential,
    Household,
    Kind,
    Level,
    Place,
    Scene,
    StreamAddress,
    Terminal,
)
from gateway.settings import RelativePath, Secret, Strict

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _identifier(value: str) -> str:
    if not _ID.fullmatch(value):
        raise ValueError("an id is 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    return value


def _text_id(value: object) -> object:
    # YAML reads 51172400001310000001 as a number; an id of digits is still a text
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Identifier = Annotated[str, BeforeValidator(_text_id), AfterValidator(_identifier)]
AreaCode = Annotated[str, BeforeValidator(_text_id), Field(pattern=r"^\d{2,12}$")]


def _seconds(value: object) -> object:
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            raise ValueError("a duration is seconds (60) or a number with ms, s, m, h or d (60s, 2m)")
        return float(match[1]) * _UNITS[match[2]]
    return value


Duration = Annotated[float, BeforeValidator(_seconds), Field(ge=0)]


class Listen(Strict):
    """A host and a port to listen on, written ``HOST:PORT``."""

    host: str
    port: int = Field(ge=0, le=65535)


def _listen(value: object) -> object:
    if not isinstance(value, str):
        return value
    host, colon, port = value.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError("an address to listen on is HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
    bare = host.removeprefix("[").removesuffix("]") or "0.0.0.0"  # noqa: S104 -- ":8080" is the operator's own wish
    if bare != "localhost":
        try:
            ipaddress.ip_address(bare)
        except ValueError:
            raise ValueError(f"{bare} is not an IP address of this machine; 127.0.0.1 or 0.0.0.0 is accepted") from None
    return {"host": bare, "port": int(port)}


Address = Annotated[Listen, BeforeValidator(_listen)]


def _present(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


class ServerTls(Strict):
    certificate: Annotated[RelativePath, AfterValidator(_present)]
    key: Annotated[RelativePath, AfterValidator(_present)]


class NodeSettings(Strict):
    id: Identifier
    name: str = ""
    level: Level = Level.TOWNSHIP
    area_code: AreaCode | None = None


class HttpSettings(Strict):
    listen: Address = Listen(host="127.0.0.1", port=8080)
    tls: ServerTls | None = None


class MetricsSettings(Strict):
    listen: Address
    per_camera: Literal["off", "state", "full"] = "state"

    @field_validator("per_camera", mode="before")
    @classmethod
    def _yaml_off(cls, value: object) -> object:
        return "off" if value is False else value  # YAML 1.1 habits: a bare off is a boolean


class PlaceSettings(Strict):
    lon: float | None = Field(None, ge=-180, le=180)
    lat: float | None = Field(None, ge=-90, le=90)
    address: str | None = None
    area_code: AreaCode | None = None

    def to_model(self) -> Place:
        return Place(self.lon, self.lat, self.address, self.area_code)


def _rtsp_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("rtsp", "rtsps") or not parts.hostname:
        raise ValueError("a stream address is rtsp://HOST[:PORT]/PATH or rtsps://…")
    if parts.username or parts.password:
        raise ValueError("credentials do not stand in the address: use username and password beside it")
    return value


RtspUrl = Annotated[str, AfterValidator(_rtsp_url)]


class RtspSettings(Strict):
    main: RtspUrl | None = None
    sub: RtspUrl | None = None
    username: str | None = None
    password: Secret | None = None

    def to_model(self) -> StreamAddress:
        return StreamAddress(self.main, self.sub, _credential(self.username, self.password))


class OnvifSettings(Strict):
    host: str
    port: int = Field(80, ge=1, le=65535)
    username: str | None = None
    password: Secret | None = None


def _credential(username: str | None, password: Any) -> Credential | None:
    if username is None:
        return None
    return Credential(username, "" if password is None else password.get_secret_value())


class CameraSettings(Strict):
    id: Identifier
    name: str = ""
    scene: Scene = Scene.STREET
    place: PlaceSettings = PlaceSettings()
    rtsp: RtspSettings | None = None
    onvif: OnvifSettings | None = None
    enabled: bool = True

    def to_model(self) -> Camera:
        rtsp = None if self.rtsp is None else self.rtsp.to_model()
        return Camera(self.id, self.name or self.id, self.scene, self.place.to_model(), rtsp, self.enabled)


class HouseholdSettings(Strict):
    name: str | None = None
    phone: Annotated[str | None, BeforeValidator(_text_id)] = None
    address: str | None = None


class TerminalSettings(Strict):
    id: Identifier
    household: HouseholdSettings = HouseholdSettings()
    place: PlaceSettings = PlaceSettings()
    cameras: tuple[Identifier, ...] = ()
    neighbours: tuple[Identifier, ...] = ()

    def to_model(self) -> Terminal:
        household = Household(self.household.name, self.household.phone, self.household.address)
        return Terminal(self.id, household, self.place.to_model(), self.cameras, self.neighbours)


class LinkingSettings(Strict):
    """Which cameras belong to an alert where the terminal names none."""

    nearest: int = Field(2, ge=0, le=16)
    within_m: float = Field(500.0, gt=0)


class AlertSettings(Strict):
    """``grading``: severity 1 (highest) to 4 by kind, over the contract's defaults."""

    snapshot_offsets: tuple[Annotated[float, Field(ge=-60, le=600)], ...] = Field((-5, 0, 3, 10), max_length=16)
    snapshot_width: int = Field(640, ge=64, le=3840)
    merge_window: Duration = 60.0
    late_after: Duration = 60.0
    linking: LinkingSettings = LinkingSettings()
    grading: dict[Kind, Annotated[int, Field(ge=1, le=4)]] = Field(default_factory=dict)


class VideoSettings(Strict):
    """``ring_mib``: bytes of encoded keyframes kept by each worker; ``workers``: one per core less one unless told."""

    workers: int | None = Field(None, ge=1, le=64)
    ring_mib: int = Field(256, ge=8)


def _named(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise ValueError("name a directory of the node's own, such as ./var/NODE")
    return value


class Settings(Strict):
    """One node. ``sources`` and ``sinks`` hold the adapters' own settings types."""

    node: NodeSettings
    data_dir: Annotated[RelativePath, BeforeValidator(_named)]
    http: HttpSettings = HttpSettings()
    metrics: MetricsSettings | None = None
    sources: tuple[Any, ...] = ()
    cameras: tuple[CameraSettings, ...] = ()
    cameras_file: RelativePath | None = None
    terminals: tuple[TerminalSettings, ...] = ()
    terminals_file: RelativePath | None = None
    sinks: tuple[Any, ...] = ()
    alerts: AlertSettings = AlertSettings()
    video: VideoSettings = VideoSettings()
