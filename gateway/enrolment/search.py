"""Looking for devices on the network, each marked with the cameras that it is enrolled under."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Protocol

from adapters.onvif.discovery import search as discovery
from adapters.onvif.discovery.probes import Found
from gateway.address_ranges import parse_range
from gateway.config import Settings
from gateway.config.sections.devices import CameraSettings
from gateway.config.sections.video import DiscoverySettings
from gateway.console.registrar import Discovered
from gateway.enrolment.known import hosts, identity_of
from gateway.errors import UsageError


class Search(Protocol):
    """``adapters.onvif.discovery.search.probe``."""

    def __call__(self, interfaces: Sequence[str], ranges: Sequence[Any], timeout: float) -> AsyncIterator[Found]: ...


async def search_without_node(
    settings: Settings | None,
    timeout: float,
    ranges: Sequence[str] = (),
    interfaces: Sequence[str] = (),
    search: Search = discovery.probe,
) -> AsyncIterator[Discovered]:
    """Every device that answers, marked with the cameras of ``settings``. Raises UsageError for a range or an interface
    that is none."""
    configured = DiscoverySettings() if settings is None else settings.discovery
    try:
        parsed = [parse_range(text) for text in (*configured.ranges, *ranges)]
    except ValueError as error:
        raise UsageError(str(error)) from None
    if sum(map(len, parsed)) > discovery.MOST_ASKED:
        raise UsageError(f"the ranges hold more than {discovery.MOST_ASKED} addresses; ask in parts")
    async for found in search(interfaces or configured.interfaces, parsed, timeout):
        yield marked(found, () if settings is None else settings.cameras)


def marked(found: Found, cameras: Iterable[CameraSettings]) -> Discovered:
    """A device with the cameras that it is enrolled under: by its identity, else by its host."""
    listed = list(cameras)
    own = [each.id for each in listed if each.onvif and found.endpoint and identity_of(each) == found.endpoint]
    if not own:
        own = [each.id for each in listed if found.host in hosts(each) and not _is_another(each, found)]
    return Discovered(
        found.endpoint,
        found.host,
        found.port,
        found.tls,
        found.name,
        found.hardware,
        found.location,
        found.scopes,
        found.xaddrs,
        tuple(own),
    )


def _is_another(camera: CameraSettings, found: Found) -> bool:
    """Another device behind the same address: its port differs."""
    return camera.onvif is not None and (camera.onvif.host, camera.onvif.port) != (found.host, found.port)
