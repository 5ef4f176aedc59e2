"""Session descriptions (RFC 4566) of simulated cameras, sound and broken in the ways of the field."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.lab.feeds import AUDIO_PAYLOAD_TYPE, Feed, SoundFeed
from gateway.lab.mjpeg import JPEG_PAYLOAD_TYPE
from gateway.lab.rtp import CLOCK_RATE, PAYLOAD_TYPE

VIDEO_CONTROL = "trackID=0"
AUDIO_CONTROL = "trackID=1"

# Parameter sets of a stream of another size (1280x720): what a camera tells whose SDP was never updated.
_OTHERS = ("Z0IAH5WoFAFuQA==", "aM4xsg==")
_START_CODE = b"\x00\x00\x00\x01"


@dataclass(frozen=True, slots=True)
class Description:
    """The answer to DESCRIBE: its headers (without Content-Length) and its body."""

    headers: dict[str, str] = field(repr=False)
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Sound:
    """What stands in a sound description, for the variants to spoil."""

    url: str
    feed: Feed
    media: str

    def text(self, *media: str, session_control: str = "a=control:*\r\n", origin: str = "c=IN IP4 0.0.0.0\r\n") -> str:
        return f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=lab camera\r\n{origin}t=0 0\r\n{session_control}{''.join(media)}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Base": self.url.rstrip("/") + "/", "Content-Type": "application/sdp"}


def describe(feed: Feed, url: str, variant: str = "sound") -> Description:
    """What a camera says of its stream. ``variant`` is one of ``VARIANTS``."""
    sets = [base64.b64encode(one).decode() for one in feed.parameter_sets]
    return VARIANTS[variant](_Sound(url, feed, media_section(feed, sets)))


def media_section(feed: Feed, parameter_sets: Sequence[str], control: str = f"a=control:{VIDEO_CONTROL}\r\n") -> str:
    """The media section of a feed (RFC 6184 §8.2.1, RFC 7798 §7.1, RFC 2435 §4.2)."""
    rate = f"a=framerate:{feed.coding.fps}\r\n"
    if isinstance(feed, SoundFeed):
        return f"m=audio 0 RTP/AVP {AUDIO_PAYLOAD_TYPE}\r\na=rtpmap:{AUDIO_PAYLOAD_TYPE} PCMA/8000\r\n{control}"
    if not feed.parameter_sets:
        return f"m=video 0 RTP/AVP {JPEG_PAYLOAD_TYPE}\r\na=rtpmap:{JPEG_PAYLOAD_TYPE} JPEG/{CLOCK_RATE}\r\n{rate}{control}"
    name = "H265" if feed.coding.codec == "h265" else "H264"
    return (
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{PAYLOAD_TYPE} {name}/{CLOCK_RATE}\r\n"
        f"{_format(feed, parameter_sets)}{rate}a=recvonly\r\n{control}"
    )


def _format(feed: Feed, sets: Sequence[str]) -> str:
    if feed.coding.codec == "h265":
        sprop = ";".join(f"sprop-{name}={one}" for name, one in zip(("vps", "sps", "pps"), sets, strict=False))
        return f"a=fmtp:{PAYLOAD_TYPE} {sprop}\r\n" if sets else ""
    sprop = f";sprop-parameter-sets={','.join(sets)}" if sets else ""
    profile = feed.parameter_sets[0][1:4].hex().upper()
    return f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;profile-level-id={profile}{sprop}\r\n"


def _sound(stream: _Sound) -> Description:
    return Description(stream.headers, stream.text(stream.media))


def _no_sprop(stream: _Sound) -> Description:
    return Description(stream.headers, stream.text(media_section(stream.feed, ())))


def _wrong_sprop(stream: _Sound) -> Description:
    return Description(stream.headers, stream.text(media_section(stream.feed, _OTHERS)))


def _annexb_sprop(stream: _Sound) -> Description:
    sets = [base64.b64encode(_START_CODE + one).decode() for one in stream.feed.parameter_sets]
    return Description(stream.headers, stream.text(media_section(stream.feed, sets)))


def _repeated_media(stream: _Sound) -> Description:
    return Description(stream.headers, stream.text(stream.media, stream.media, origin="c=IN IP4 0.0.0.0\r\n" * 2))


def _no_control(stream: _Sound) -> Description:
    media = stream.media.replace(f"a=control:{VIDEO_CONTROL}\r\n", "")
    return Description(stream.headers, stream.text(media, session_control=""))


def _absolute_control(stream: _Sound) -> Description:
    media = stream.media.replace(VIDEO_CONTROL, f"{stream.url.rstrip('/')}/{VIDEO_CONTROL}")
    return Description({"Content-Type": "application/sdp"}, stream.text(media))


def _schemeless_base(stream: _Sound) -> Description:
    base = stream.headers["Content-Base"].removeprefix("rtsp://")
    return Description(stream.headers | {"Content-Base": base}, stream.text(stream.media))


def _no_content_type(stream: _Sound) -> Description:
    return Description({"Content-Base": stream.headers["Content-Base"]}, stream.text(stream.media))


def _trailing_spaces(stream: _Sound) -> Description:
    return Description(stream.headers, stream.text(stream.media).replace("\r\n", " \r\n"))


def _backchannel(stream: _Sound) -> Description:
    talk = f"m=audio 0 RTP/AVP {AUDIO_PAYLOAD_TYPE}\r\na=sendonly\r\na=control:{AUDIO_CONTROL}\r\n"
    return Description(stream.headers, stream.text(talk, stream.media))


def _with_sound(stream: _Sound) -> Description:
    sound = media_section(SoundFeed(stream.feed.coding), (), f"a=control:{AUDIO_CONTROL}\r\n")
    return Description(stream.headers, stream.text(stream.media, sound))


def _not_sdp(stream: _Sound) -> Description:
    return Description(stream.headers | {"Content-Type": "text/html"}, "<html><body>Welcome</body></html>\r\n")


VARIANTS: dict[str, Callable[[_Sound], Description]] = {
    "sound": _sound,
    "no_sprop": _no_sprop,
    "wrong_sprop": _wrong_sprop,
    "annexb_sprop": _annexb_sprop,
    "repeated_media": _repeated_media,
    "no_control": _no_control,
    "absolute_control": _absolute_control,
    "schemeless_base": _schemeless_base,
    "no_content_type": _no_content_type,
    "trailing_spaces": _trailing_spaces,
    "backchannel": _backchannel,
    "with_sound": _with_sound,
    "not_sdp": _not_sdp,
}
