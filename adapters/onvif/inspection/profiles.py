"""Which of a camera's profiles (ONVIF Media §5.2, Media2 §5.2) the gateway watches: one to look at, one to keep running."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import ProtocolFault

_SMALLEST_SUB = 320 * 180
_WANTED_SUB = (640 * 360, 704 * 576)
_LARGEST_SUB = 1280 * 720
_UNKNOWN_MAIN = 1 << 40
"""Media1 has no word for H.265, so recorders leave the encoder of such a stream empty; it is then the main one if it comes
first, as makers' main streams do (Dahua NVR)."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One stream that a device offers.

    ``source``: its VideoSource token. ``encoding``: h264 | h265 | jpeg | mpeg4, None where the device does not say (the SDP
    will). ``width``, ``height`` in pixels, ``fps`` and ``bitrate_kbps`` as far as known. Addresses hold no credential and
    are those that answer from here. ``media2``: told by the Media2 service, whose tokens Media1 may not know.
    """

    token: str
    name: str = ""
    source: str | None = None
    encoding: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    bitrate_kbps: int | None = None
    has_ptz: bool = False
    stream_url: str | None = None
    snapshot_url: str | None = None
    media2: bool = False

    @property
    def area(self) -> int | None:
        """In pixels, None where the device does not say."""
        return self.width * self.height if self.width and self.height else None


def choose(profiles: Sequence[Profile], source: str | None = None) -> tuple[Profile, Profile | None]:
    """The main and the sub stream of a video source, or of the first one that is named where ``source`` is None.

    Main: the most pixels in H.264 or H.265; JPEG and MPEG-4 only where there is nothing else. Sub: a smaller H.264 or
    H.265 stream of the same source, near 640×360 to 704×576; None where the device has none that is worth a second
    session. Raises ProtocolFault where the source has no profile.
    """
    if source is None and profiles:
        source = profiles[0].source
    offered = [profile for profile in profiles if profile.source == source]
    if not offered:
        raise ProtocolFault(f"the device offers no stream of the video source “{source}”")
    main = max(enumerate(offered), key=lambda place: _main_rank(*place))[1]
    subs = [profile for profile in offered if _is_sub_of(main, profile)]
    return main, min(subs, key=_sub_rank, default=None)


def _main_rank(place: int, profile: Profile) -> tuple[bool, int, bool, float, int]:
    area = profile.area
    if area is None:
        area = _UNKNOWN_MAIN if place == 0 else 0
    return _is_watched(profile), area, profile.encoding == "h264", profile.fps or 0.0, -place


def _is_watched(profile: Profile) -> bool:
    return profile.encoding in ("h264", "h265", None)


def _is_sub_of(main: Profile, profile: Profile) -> bool:
    if profile.token == main.token or not _is_watched(profile):
        return False
    if profile.area is None:
        return True
    return profile.area >= _SMALLEST_SUB and (main.area is None or profile.area < main.area)


def _sub_rank(profile: Profile) -> tuple[int, bool, int]:
    """Least is best: in the wanted band, above it up to 720p, below it, larger, unknown; then H.264, then the nearest."""
    least, most = _WANTED_SUB
    area = profile.area
    match area:
        case None:
            rank, distance = 4, 0
        case _ if area < least:
            rank, distance = 2, least - area
        case _ if area <= most:
            rank, distance = 0, area
        case _ if area <= _LARGEST_SUB:
            rank, distance = 1, area
        case _:
            rank, distance = 3, area
    return rank, profile.encoding != "h264", distance
