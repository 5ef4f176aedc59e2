"""Session descriptions (RFC 8866, once RFC 4566), read as forgivingly as cameras need it."""

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

    def video(self, encoding: str) -> Media | None:
        """The media to receive: the first of that encoding that the camera does not keep for what we would send it.

        Video marked sendonly is taken where there is no other: some cameras describe the direction from their own side.
        """
        found = [media for media in self.medias if media.kind == "video" and media.encoding == encoding]
        ours = [media for media in found if media.direction not in ("sendonly", "inactive")]
        return next(iter(ours or found), None)

    def offered(self) -> list[str]:
        """The encodings of all video, for a sentence."""
        return [media.encoding or "unnamed" for media in self.medias if media.kind == "video"]


def parse_description(text: str) -> Description:
    """Never fails: what cannot be read is passed over."""
    description = Description()
    media: Media | None = None
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("m=") and len(description.medias) < _MAX_MEDIAS:
            kind, *rest = line[2:].split() or [""]
            media = Media(kind.lower(), payload_types=rest[2:])
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
        media.formats.setdefault(payload_type, {}).update(_parameters(parameters))


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


def interleaved_channel(transport: str) -> int | None:
    """The RTP channel the camera chose (RFC 2326 §12.39): 0, as asked, where it names none; None if not interleaved."""
    options = [part.strip().lower() for part in transport.partition(",")[0].split(";")]
    for option in options:
        if option.startswith("interleaved="):
            channel = whole_number(option.partition("=")[2].partition("-")[0])
            return channel if channel is not None and channel <= 0xFF else None
    return 0 if options[0] in ("", "rtp/avp/tcp", "rtp/savp/tcp") else None
