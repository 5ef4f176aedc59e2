"""Cameras and terminals, as they stand in the configuration or in their files."""

from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gateway.config.forbidden_places import refusal
from gateway.config.record_keys import checked_record, record_value
from gateway.model import (
    Camera,
    Consent,
    Credential,
    Household,
    Mask,
    OnvifAddress,
    Place,
    Scene,
    StreamAddress,
    Terminal,
)
from gateway.settings import Secret, Strict
from gateway.values import AreaCode, Duration, Identifier, text_id


class PlaceSettings(Strict):
    lon: float | None = Field(None, ge=-180, le=180)
    lat: float | None = Field(None, ge=-90, le=90)
    address: str | None = None
    area_code: AreaCode | None = None

    def to_model(self) -> Place:
        return Place(self.lon, self.lat, self.address, self.area_code)


def _allowed_place(value: str) -> str:
    reason = refusal("", value)
    if reason is not None:
        raise ValueError(reason)
    return value


class CameraPlaceSettings(PlaceSettings):
    """``type``: what kind of place it is, in any words (corridor, 走廊); one where the law forbids cameras is refused."""

    type: Annotated[str, Field(max_length=64), AfterValidator(_allowed_place)] | None = None


def _stream_url(value: str) -> str:
    parts = urlsplit(value)
    local = parts.scheme == "file" and parts.path
    if not local and (parts.scheme not in ("rtsp", "rtsps", "http", "https", "rtp", "udp") or not parts.hostname):
        raise ValueError(
            "a stream address is rtsp://HOST[:PORT]/PATH, rtsps://…, http(s)://…, rtp://GROUP:PORT, udp://… or file:///PATH"
        )
    if parts.username or parts.password:
        raise ValueError("credentials do not stand in the address: use username and password beside it")
    return value


StreamUrl = Annotated[str, AfterValidator(_stream_url)]


class RtspSettings(Strict):
    """``transport``: auto asks for RTP over the RTSP connection and takes UDP where the camera refuses that.
    ``allow_basic``: send the password readable to a camera that knows no digest; over rtsps:// it is always allowed."""

    main: StreamUrl | None = None
    sub: StreamUrl | None = None
    username: str | None = None
    password: Secret | None = None
    transport: Literal["auto", "tcp", "udp", "multicast"] = "auto"
    allow_basic: bool = False

    def to_model(self) -> StreamAddress:
        credential = _credential(self.username, self.password)
        return StreamAddress(self.main, self.sub, credential, self.transport, self.allow_basic)


def _bare_host(value: str) -> str:
    if not value or any(sign in "/@?#" or sign.isspace() for sign in value):
        raise ValueError("host is a name or an address alone, such as 10.0.0.5; the port stands beside it")
    return value


Host = Annotated[str, AfterValidator(_bare_host)]


class OnvifSettings(Strict):
    """``source``: the VideoSource token of a recorder's channel. ``identity``: endpoint UUID or serial number, written at
    enrolment, by which the device is known again at another address. ``events``: auto takes pull points and, where they
    fail, notifications to ``discovery.notify``. ``set_clock``: the gateway sets the device's clock when it is off."""

    host: Host
    port: int = Field(80, ge=1, le=65535)
    username: str | None = None
    password: Secret | None = None
    tls: bool = False
    source: str | None = None
    identity: str | None = None
    events: Annotated[
        Literal["auto", "pull", "push", "off"], BeforeValidator(lambda value: "off" if value is False else value)
    ] = "auto"
    set_clock: bool = False

    def to_model(self) -> OnvifAddress:
        credential = _credential(self.username, self.password)
        return OnvifAddress(
            self.host, self.port, credential, self.tls, self.source, self.identity, self.events, self.set_clock
        )


def _credential(username: str | None, password: Any) -> Credential | None:
    if username is None:
        return None
    return Credential(username, "" if password is None else password.get_secret_value())


def _polygon(value: tuple[tuple[float, float], ...]) -> Mask:
    if not 3 <= len(value) <= 32 or not all(0 <= part <= 1 for corner in value for part in corner):
        raise ValueError("a mask has 3 to 32 corners [x, y], each from 0 to 1 of the picture's width and height")
    return value


Masks = Annotated[
    tuple[Annotated[tuple[tuple[float, float], ...], AfterValidator(_polygon)], ...], Field(max_length=16)
]


class ConsentSettings(Strict):
    """A household's agreement that its camera is looked at without an alarm."""

    given_by: Annotated[str, Field(min_length=1, max_length=64)]
    given_on: date
    until: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "ConsentSettings":
        if self.until is not None and self.until < self.given_on:
            raise ValueError("until: the consent would end before it is given")
        return self


Record = Annotated[dict[str, Annotated[str, BeforeValidator(record_value)]], AfterValidator(checked_record)]
"""What the device's register (一机一档) says of it beyond what the gateway works with."""


class CameraSettings(Strict):
    """``signage``: whether a sign tells people of it (提示标识, 公共安全视频图像信息系统管理条例, Articles 10 and 13)."""

    id: Identifier
    name: str = ""
    scene: Scene = Scene.STREET
    place: CameraPlaceSettings = CameraPlaceSettings()
    rtsp: RtspSettings | None = None
    onvif: OnvifSettings | None = None
    enabled: bool = True
    clip: bool | None = None
    masks: Masks = ()
    consent: ConsentSettings | None = None
    signage: bool | None = None
    record: Record = Field(default_factory=dict)

    def to_model(self) -> Camera:
        rtsp = None if self.rtsp is None else self.rtsp.to_model()
        onvif = None if self.onvif is None else self.onvif.to_model()
        place = self.place.to_model()
        given = self.consent
        consent = None if given is None else Consent(given.given_by, given.given_on, given.until)
        name = self.name or self.id
        return Camera(
            self.id,
            name,
            self.scene,
            place,
            rtsp,
            self.enabled,
            self.clip,
            onvif,
            self.masks,
            consent,
            self.record,
            self.place.type,
            self.signage,
        )


class HouseholdSettings(Strict):
    name: str | None = None
    phone: Annotated[str | None, BeforeValidator(text_id)] = None
    address: str | None = None
    instructions: Annotated[str, Field(max_length=500)] | None = None


class TerminalSettings(Strict):
    id: Identifier
    household: HouseholdSettings = HouseholdSettings()
    place: PlaceSettings = PlaceSettings()
    cameras: tuple[Identifier, ...] = ()
    neighbours: tuple[Identifier, ...] = ()
    presets: dict[Identifier, str] = Field(default_factory=dict)
    model: Annotated[str, Field(max_length=64)] = ""
    record: Record = Field(default_factory=dict)

    def to_model(self) -> Terminal:
        told = self.household
        household = Household(told.name, told.phone, told.address, told.instructions)
        place = self.place.to_model()
        return Terminal(self.id, household, place, self.cameras, self.neighbours, self.presets, self.model, self.record)


class TerminalModelSettings(Strict):
    """When the silence of a terminal of this model is a fault. ``heartbeat``: its own interval, of which it may miss one.
    ``grace``: from offline to the alert ``device_offline``. ``alert``: whether there is one."""

    heartbeat: Annotated[Duration, Field(ge=1)] = 24 * 3600.0
    grace: Duration = 600.0
    alert: bool = True
