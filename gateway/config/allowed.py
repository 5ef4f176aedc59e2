"""Whether the addresses of the configuration may be dialled, as far as that can be said without looking names up. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from gateway.config.sections.upkeep import AllowSettings
from gateway.config.settings import Settings
from gateway.reach import Reach, literal

_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}


def camera_refusal(camera: Mapping[str, Any], settings: Settings) -> str | None:
    """Why no camera may have these addresses, as a sentence. ``camera``: as in the configuration."""
    allow = settings.allow
    own = set(_own_listeners(settings))
    for host, port, scheme in _addresses(camera):
        if scheme and scheme not in allow.schemes:
            return f"{scheme}:// is none of the schemes that allow.schemes names ({', '.join(allow.schemes)})"
        reason = reach_of(allow, multicast=scheme in ("rtp", "udp")).refusal(host) if host else None
        if reason is not None:
            return reason
        address = literal(host)
        if address is not None and (str(address), port) in own:
            return f"{host}:{port} is this gateway itself"
    return None


def reach_of(allow: AllowSettings, *, multicast: bool = False) -> Reach:
    return Reach.of(allow.cameras, multicast=multicast)


def partners_of(allow: AllowSettings) -> Reach:
    return Reach.of(allow.partners, key="allow.partners")


def _addresses(camera: Mapping[str, Any]) -> Iterator[tuple[str, int, str]]:
    onvif, rtsp = camera.get("onvif") or {}, camera.get("rtsp") or {}
    if onvif.get("host"):
        yield onvif["host"], onvif.get("port", 80), ""
    for url in filter(None, (rtsp.get("main"), rtsp.get("sub"))):
        parts = urlsplit(url)
        yield parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0), parts.scheme


def _own_listeners(settings: Settings) -> Iterator[tuple[str, int]]:
    told = [settings.http.listen, *([] if settings.metrics is None else [settings.metrics.listen])]
    for listen in told:
        address = literal(listen.host)
        if address is not None and listen.port:
            yield str(address), listen.port
            if address.is_unspecified:
                yield "127.0.0.1", listen.port
                yield "::1", listen.port
