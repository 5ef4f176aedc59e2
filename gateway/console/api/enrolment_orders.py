"""What is asked for when cameras are searched, enrolled and changed."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from gateway.address_ranges import parse_range
from gateway.config.sections.devices import Host, Masks, StreamUrl
from gateway.model import Scene
from gateway.values import AreaCode, Identifier

_LONGEST_SEARCH_S = 12.0


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _range(text: str) -> str:
    parse_range(text)
    return text


class SearchOrder(Body):
    """`timeout` in seconds. `ranges` are asked one by one, besides those of the configuration: 10.0.0.0/24, 10.0.0.20-60."""

    timeout: float = Field(5.0, ge=0.5, le=_LONGEST_SEARCH_S)
    ranges: list[Annotated[str, AfterValidator(_range)]] = Field(default_factory=list, max_length=16)


class PlaceOrder(Body):
    """WGS 84 degrees. `type`: what kind of place it is; one where the law forbids cameras is refused."""

    lon: float | None = Field(None, ge=-180, le=180)
    lat: float | None = Field(None, ge=-90, le=90)
    address: str | None = Field(None, max_length=256)
    area_code: AreaCode | None = None
    type: str | None = Field(None, max_length=64)


def _network_url(value: str) -> str:
    if value.startswith("file:"):
        raise ValueError("a file of the gateway's machine is named in its configuration, not over the API")
    return value


Url = Annotated[StreamUrl, AfterValidator(_network_url)]
Name = Annotated[str, Field(max_length=128)]
Username = Annotated[str, Field(max_length=128)]
Password = Annotated[SecretStr, Field(max_length=128)]


class CredentialOrder(Body):
    """The password is written to a file of its own and never shown again."""

    username: Username
    password: Password


class RtspOrder(Body):
    main: Url | None = None
    sub: Url | None = None
    username: Username | None = None
    password: Password | None = None
    transport: Literal["auto", "tcp", "udp", "multicast"] | None = None
    allow_basic: bool | None = None


class OnvifChange(Body):
    """`source`: the token of a recorder's channel. `identity`: taken from the device unless told; empty for none."""

    host: Annotated[Host, Field(max_length=253)] | None = None
    port: int | None = Field(None, ge=1, le=65535)
    username: Username | None = None
    password: Password | None = None
    tls: bool | None = None
    source: str | None = Field(None, max_length=128)
    identity: str | None = Field(None, max_length=128)
    events: Literal["auto", "pull", "push", "off"] | None = None
    set_clock: bool | None = None


class OnvifOrder(OnvifChange):
    host: Annotated[Host, Field(max_length=253)]


class ConsentOrder(Body):
    """A household's agreement that its camera is looked at without an alarm, recorded by an administrator; both days are
    within it."""

    given_by: str = Field(min_length=1, max_length=64)
    given_on: date
    until: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "ConsentOrder":
        if not self.given_by.strip():
            raise ValueError("given_by: say who agreed")
        if self.until is not None and self.until < self.given_on:
            raise ValueError("until: the consent would end before it is given")
        return self


class CameraChange(Body):
    """What is left out stays; null takes it away. `credential` is given to every address that the camera has."""

    name: Name | None = None
    scene: Scene | None = None
    place: PlaceOrder | None = None
    rtsp: RtspOrder | None = None
    onvif: OnvifChange | None = None
    enabled: bool | None = None
    clip: bool | None = None
    credential: CredentialOrder | None = None
    masks: Masks | None = None
    consent: ConsentOrder | None = None


class NewCamera(Body):
    """A camera as in the configuration. Without `id` one is made. With `onvif` the device is asked what it is before it is
    written (unless `inspect` is false and `rtsp` is given); of a recorder one channel is named, or `channels` is `all`."""

    id: Identifier | None = None
    name: Name | None = None
    scene: Scene = Scene.STREET
    place: PlaceOrder | None = None
    rtsp: RtspOrder | None = None
    onvif: OnvifOrder | None = None
    enabled: bool = True
    clip: bool | None = None
    masks: Masks | None = None
    consent: ConsentOrder | None = None
    inspect: bool = True
    channels: Literal["all"] | None = None

    @model_validator(mode="after")
    def _reachable(self) -> "NewCamera":
        streams = self.rtsp is not None and (self.rtsp.main or self.rtsp.sub)
        if self.onvif is None and not streams:
            raise ValueError("a camera needs onvif, or rtsp.main or rtsp.sub")
        if self.onvif is not None and not self.inspect and not streams:
            raise ValueError("inspect may be false only where rtsp.main or rtsp.sub is given")
        return self
