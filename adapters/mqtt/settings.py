"""What the configuration says about one MQTT broker (``sources: - {kind: mqtt, …}``)."""

from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from gateway.settings import ClientTls, Id, Secret, Strict

_PORTS = {"mqtt": 1883, "mqtts": 8883}


def _as_text(value: object) -> object:
    """YAML reads ``protocol: 5`` as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class MqttSettings(Strict):
    """One broker. ``protocol: auto`` speaks MQTT 5 and falls back to 3.1.1 where the broker refuses it.

    ``receive_maximum`` bounds the publishes that may be unacknowledged at once (MQTT 5.0 §3.1.2.11.3).
    """

    kind: Literal["mqtt"]
    id: Id
    url: str
    username: str | None = None
    password: Secret | None = None
    tls: ClientTls | None = None
    protocol: Annotated[Literal["auto", "5", "3.1.1"], BeforeValidator(_as_text)] = "auto"
    receive_maximum: Annotated[int, Field(ge=1, le=1000)] = 100

    @field_validator("url")
    @classmethod
    def _address_only(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS:
            raise ValueError("the broker's url is mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS")
        if parts.username is not None or parts.password is not None:
            raise ValueError("user name and password do not belong into the url; give them as username and password")
        if not parts.hostname or _port(parts) == 0:
            raise ValueError("the broker's url needs a host and a port from 1 to 65535, as in mqtt://127.0.0.1:1883")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("the broker's url ends after its port, as in mqtt://127.0.0.1:1883")
        return url

    @model_validator(mode="after")
    def _agreeing(self) -> Self:
        if self.tls is not None and not self.secure:
            raise ValueError("tls is given, but the url begins with mqtt://; write mqtts:// for a TLS connection")
        if self.password is not None and self.username is None:
            raise ValueError("password is given without username; MQTT 3.1.1 §3.1.2.9 does not allow that")
        return self

    @property
    def secure(self) -> bool:
        return urlsplit(self.url).scheme == "mqtts"

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return _port(parts) or _PORTS[parts.scheme]


def _port(parts: SplitResult) -> int | None:
    """The port, None where none is named, 0 where it is not a port."""
    try:
        return parts.port
    except ValueError:
        return 0
