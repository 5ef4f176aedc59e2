"""Video workers, and how ONVIF devices are found."""

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from gateway.address_ranges import parse_range
from gateway.config.sections.node import Address, Listen
from gateway.settings import Strict


class DialSettings(Strict):
    """How many cameras may be dialled at once: in all, in one subnet (IPv4 /24, IPv6 /64), and behind one address."""

    box: int = Field(64, ge=1, le=1024)
    subnet: int = Field(16, ge=1, le=1024)
    host: int = Field(4, ge=1, le=1024)


MOST_WORKERS = 64


class VideoSettings(Strict):
    """``workers``: one per core less one unless told. ``ring_mib`` and ``clip_mib``: bytes of encoded keyframes, and of
    complete video for clips, kept in all, shared out among the workers. ``apart``: they are services of their own
    (gateway-video@0 and on), which a core that is restarted finds with all that they hold; ``workers`` says how many."""

    workers: int | None = Field(None, ge=1, le=MOST_WORKERS)
    ring_mib: int = Field(256, ge=8)
    clip_mib: int = Field(512, ge=0)
    dials: DialSettings = DialSettings()
    apart: bool = False

    @field_validator("apart")
    @classmethod
    def _how_many(cls, apart: bool, info: ValidationInfo) -> bool:
        if apart and info.data.get("workers") is None:
            raise ValueError("needs video.workers, the number of gateway-video@ services that are enabled")
        return apart


def _range(value: str) -> str:
    parse_range(value)
    return value


def _room_for_workers(value: Listen) -> Listen:
    if value.port > 65535 - MOST_WORKERS:
        raise ValueError(f"each worker takes a port from {value.port} on; one up to {65535 - MOST_WORKERS} is accepted")
    return value


class DiscoverySettings(Strict):
    """How ONVIF devices are found: on which interfaces (names or addresses; all where none is named) and in which ranges
    probed one by one. ``heal``: an enrolled camera that answers at another address is written there. ``notify``: the
    address of this box as devices reach it (0.0.0.0: the one that it has towards each), for those whose pull points fail; a
    worker listens on each port from it on, on any free one unless told. Let them through the firewall."""

    interfaces: tuple[str, ...] = ()
    ranges: tuple[Annotated[str, AfterValidator(_range)], ...] = ()
    heal: bool = True
    notify: Annotated[Address, AfterValidator(_room_for_workers)] | None = None
