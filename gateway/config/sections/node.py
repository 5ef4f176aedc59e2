"""The node itself, and where it listens."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from gateway.model import Level
from gateway.settings import RelativePath, Strict
from gateway.values import AreaCode, Identifier


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


def _network(value: object) -> object:
    try:
        return ipaddress.ip_network(value, strict=False) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(
            f"{value} is no address; 127.0.0.1, ::1 or a network such as 10.0.0.0/24 is accepted"
        ) from None


Network = Annotated[ipaddress.IPv4Network | ipaddress.IPv6Network, BeforeValidator(_network)]


class HttpSettings(Strict):
    """``proxies``: reverse proxies in front of this node, whose word on the client's address and scheme is taken."""

    listen: Address = Listen(host="127.0.0.1", port=8080)
    tls: ServerTls | None = None
    proxies: tuple[Network, ...] = ()


class MetricsSettings(Strict):
    listen: Address
    per_camera: Literal["off", "state", "full"] = "state"

    @field_validator("per_camera", mode="before")
    @classmethod
    def _yaml_off(cls, value: object) -> object:
        return "off" if value is False else value  # YAML 1.1 habits: a bare off is a boolean
