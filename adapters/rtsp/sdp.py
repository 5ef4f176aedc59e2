"""Session descriptions (RFC 8866, once RFC 4566), read as forgivingly as cameras need it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.rtsp.message import whole_number

_STATIC_ENCODINGS = {"26": "JPEG", "31": "H261", "32": "MPV", "33": "MP2T", "34": "H263"}  # RFC 3551 §6
_DIRECTIONS = frozenset({"recvonly", "sendonly", "sendrecv", "inactive"})
_MAX_MEDIAS = 64


@dataclass(slots=True)
class Media:
    """One ``m=`` block. ``encodings`` and ``formats`` by payload type; ``direction`` as the camera wrote it."""

    kind: str
    payload_types: list[str] = field(default_factory=list)
    encodings: dict[str, str] = field(default_factory=dict)
    formats: dict[str, dict[str, str]] = field(default_factory=dict)
    control: str | None = None
    direction: str | None = None
    profile: str = ""  # upper case, as RTP/AVP

    @property
    def encoding(self) -> str | None:
        """Upper-case name of the first payload type's encoding; None where nothing says it."""
        for payload_type in self.payload_types:
            if name := self.encodings.get(payload_type) or _STATIC_ENCODINGS.get(payload_type):
                return name
        # A payload type in m= that no rtpmap mentions: where there is but one rtpmap it is meant.
        return next(iter(self.encodings.values())) if len(self.encodings) == 1 else None

    def parameters(self, encoding: str) -> dict[str, str]:
        """The fmtp parameters of an encoding, names in lower case."""
        for payload_type, name in self.encodings.items():
            if name == encoding and payload_type in self.formats:
                return self.formats[payload_type]
        return {}


@dataclass(slots=True)
class Description:
    control: str | None = None
    medias: list[Media] = field(default_factory=list)

    def video(self, spoken: Sequence[str]) -> Media | None:
        """The video to receive, in the first of the encodings ``spoken`` that is there, else in whatever there is.

        What the camera keeps for us to send to it (sendonly) is passed over, unless there is no other: some cameras
        describe the direction from their own side.
        """
        videos = [media for media in self.medias if media.kind == "video"]
        ours = [media for media in videos if media.direction not in ("sendonly", "inactive")] or videos
        by_rank = {media.encoding: media for media in reversed(ours)}
        return next((by_rank[encoding] for encoding in spoken if encoding in by_rank), next(iter(ours), None))

    @property
    def kinds(self) -> list[str]:
        """What is offered at all, for a sentence."""
        return list(dict.fromkeys(media.kind for media in self.medias))


def parse_description(text: str) -> Description:
    """Never fails: what cannot be read is passed over."""
    description = Description()
    media: Media | None = None
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("m=") and len(description.medias) < _MAX_MEDIAS:
            kind, *rest = line[2:].split() or [""]
            media = Media(kind.lower(), payload_types=rest[2:], profile="".join(rest[1:2]).upper())
            description.medias.append(media)
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            _attribute(description, media, name.strip().lower(), value.strip())
    return description


def _attribute(description: Description, media: Media | None, name: str, value: str) -> None:
    if name == "control":
        (media or description).control = value
    elif media is None:
        return
    elif name in _DIRECTIONS:
        media.direction = name
    elif name == "rtpmap":
        payload_type, _, mapping = value.partition(" ")
        if encoding := mapping.strip().partition("/")[0].strip().upper():
            media.encodings.setdefault(payload_type, encoding)
    elif name == "fmtp":
        payload_type, _, parameters = value.partition(" ")
        owner = _owner(description, media, payload_type)
        owner.formats.setdefault(payload_type, {}).update(_parameters(parameters))


def _owner(description: Description, media: Media, payload_type: str) -> Media:
    """Whose payload type it is: some cameras write the video's fmtp behind the audio."""
    if payload_type in media.payload_types:
        return media
    return next((other for other in description.medias if payload_type in other.payload_types), media)


def _parameters(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, equals, value in pairs if equals}


def session_timeout(value: str) -> tuple[str, int | None]:
    """Session id and announced timeout in seconds of a ``Session`` field (RFC 2326 §12.37)."""
    session, *options = (part.strip() for part in value.split(";"))
    for option in options:
        name, _, seconds = option.partition("=")
        if name.strip().lower() == "timeout":
            return session, whole_number(seconds)
    return session, None
