"""What a camera hangs on: the host it is dialled at, its subnet, its areas. Pure."""

from dataclasses import dataclass

from gateway.model import Camera
from gateway.supervision.place import Place

_LEVELS = (6, 9)
"""Digits of the codes of a county and of a township, which a village's code begins with (GB/T 2260)."""


@dataclass(frozen=True, slots=True)
class Site:
    """``host`` and ``subnet``: None where the camera has no address. ``areas``: its own code and those around it, the
    narrowest first."""

    host: str | None = None
    subnet: str | None = None
    areas: tuple[str, ...] = ()

    @classmethod
    def of(cls, camera: Camera) -> "Site":
        place = _place(camera)
        code = camera.place.area_code
        areas = () if not code else (code, *(code[:digits] for digits in reversed(_LEVELS) if len(code) > digits))
        return cls(areas=areas) if place is None else cls(place.host, place.subnet, areas)


def _place(camera: Camera) -> Place | None:
    """Video is what is missed: its address speaks before that of ONVIF."""
    stream = None if camera.rtsp is None else camera.rtsp.sub or camera.rtsp.main
    if stream is not None:
        return Place.of(stream)
    if camera.onvif is None:
        return None
    host = camera.onvif.host
    return Place.of(f"http://[{host}]" if ":" in host else f"http://{host}")
