"""What the console shows beside the alerts, and how its live views reach the browsers."""

import ipaddress
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from gateway.model import Kind
from gateway.settings import Strict


def _tiles(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("", "http", "https") or not all(part in value for part in ("{z}", "{x}", "{y}")):
        raise ValueError(
            "map tiles are an address with {z}, {x} and {y}, such as http://tiles.county.example/{z}/{x}/{y}.png (a WMTS by its RESTful address)"
        )
    return value


class MapSettings(Strict):
    """``tiles``: the administrator's own (nothing is fetched from the internet unless it stands here); without them a plain
    grid. ``crs``: what the tiles are drawn in; gcj02 (Chinese commercial maps) is off by up to 700 m and is allowed for.
    ``center``: longitude and latitude (WGS84) where the map opens, else what it has to show."""

    tiles: Annotated[str, AfterValidator(_tiles)] | None = None
    attribution: Annotated[str, Field(max_length=200)] = ""
    max_zoom: int = Field(18, ge=1, le=22)
    crs: Literal["wgs84", "gcj02"] = "wgs84"
    center: tuple[float, float] | None = None
    zoom: int = Field(14, ge=1, le=22)

    @field_validator("center")
    @classmethod
    def _on_earth(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not (-180 <= value[0] <= 180 and -85 <= value[1] <= 85):
            raise ValueError("center is [longitude, latitude], such as [107.2043, 30.7361]")
        return value


class ConsoleSettings(Strict):
    """``instructions``: what to do, by kind of alert, beside what a household says itself."""

    map: MapSettings = MapSettings()
    instructions: dict[Kind, Annotated[str, Field(max_length=500)]] = Field(default_factory=dict)


def _span(value: object) -> object:
    if not isinstance(value, str):
        return value
    first, dash, last = value.partition("-")
    if not (dash and first.isdigit() and last.isdigit() and 1024 <= int(first) < int(last) <= 65535):
        raise ValueError("ports are FIRST-LAST, such as 50000-50199, each from 1024 to 65535; a view takes one or two")
    return (int(first), int(last))


def _address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError(f"{value} is not an IP address") from None


class LiveSettings(Strict):
    """``ports``: UDP, from which browsers are sent pictures (any free one unless told: a firewall wants to know).
    ``addresses``: of this box as browsers reach it, where it is not one of its own. ``most``: views at once."""

    ports: Annotated[tuple[int, int] | None, BeforeValidator(_span)] = None
    addresses: tuple[Annotated[str, AfterValidator(_address)], ...] = ()
    most: int = Field(64, ge=0, le=1024)
