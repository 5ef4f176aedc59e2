"""Stream addresses as libav wants them: the credential back in, and only the formats and protocols that belong to them."""

from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urlsplit

from adapters.libav.wire import Opening
from gateway.errors import ProtocolFault
from gateway.model import Credential

_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_TRANSPORTS = {
    # libav's own order is UDP first; through a connection nothing is lost, and no port has to be opened.
    "auto": {"rtsp_transport": "tcp+udp+udp_multicast", "rtsp_flags": "prefer_tcp"},
    "tcp": {"rtsp_transport": "tcp"},
    "udp": {"rtsp_transport": "udp"},
    "multicast": {"rtsp_transport": "udp_multicast"},
}
_ELEMENTARY = "mpegts,mjpeg,h264,hevc"
# A device must not make us read our own files or other devices (playlists, SDP, concatenations): nothing else is opened.
_ALLOWED = {
    "rtsp": ("rtsp,mpegts", "rtsp,rtp,udp,tcp"),
    "rtsps": ("rtsp,mpegts", "rtsp,rtp,udp,tcp,tls"),
    "http": (f"mpjpeg,flv,live_flv,{_ELEMENTARY}", "http,tcp"),
    "https": (f"mpjpeg,flv,live_flv,{_ELEMENTARY}", "https,http,tcp,tls"),
    "rtp": ("rtp,mpegts", "rtp,udp"),
    "udp": (_ELEMENTARY, "udp"),
    "file": (f"mp4,matroska,avi,flv,mpjpeg,{_ELEMENTARY}", "file"),
}
_PROBING = {
    # Enough to see a keyframe's head; the frame rate, for which libav would go on reading, is of no use here.
    "analyzeduration": "3000000",
    "fpsprobesize": "0",
}


@dataclass(frozen=True, slots=True)
class Address:
    """A stream address taken apart. ``place`` names it in messages and never holds a credential."""

    scheme: str
    place: str
    url: str
    credential: Credential | None

    def opening(self, transport: str, open_s: float, silence_s: float) -> Opening:
        """What the child is told. Raises ProtocolFault for a transport that there is not."""
        formats, protocols = _ALLOWED[self.scheme]
        options = {"format_whitelist": formats, "protocol_whitelist": protocols, **_PROBING}
        patience = str(round(silence_s * 1e6))
        match self.scheme:
            case "rtsp" | "rtsps":
                if transport not in _TRANSPORTS:
                    raise ProtocolFault(
                        f"{self.place}: there is no transport “{transport}”; {', '.join(_TRANSPORTS)} are"
                    )
                options |= {"allowed_media_types": "video", "timeout": patience, "user_agent": "township-gateway"}
                options |= _TRANSPORTS[transport]
            case "http" | "https":
                options |= {"timeout": patience, "user_agent": "township-gateway"}
            case "udp":
                options |= {"timeout": patience, "overrun_nonfatal": "1"}
        return Opening(self._with_credential(), options, open_s, silence_s, paced=self.scheme == "file")

    def _with_credential(self) -> str:
        if self.credential is None:
            return self.url
        user, password = (quote(part, safe="") for part in (self.credential.username, self.credential.password))
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{user}:{password}@{rest}"


def parse_address(url: str, credential: Credential | None) -> Address:
    """Take a configured address apart; ``credential`` counts before one in the URL.

    Raises ProtocolFault with a sentence that shows no credential.
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        raise ProtocolFault("the stream address is not a URL") from None
    if scheme not in _ALLOWED or any(letter <= " " for letter in url):
        raise ProtocolFault(f"the stream address is none of {', '.join(f'{name}://' for name in _ALLOWED)}")
    if scheme == "file":
        path = unquote(parts.path)
        if parts.netloc not in ("", "localhost") or not path.startswith("/") or "\0" in path:
            raise ProtocolFault("the address of a file is file:///PATH")
        return Address(scheme, path, f"file:{path}", None)
    if not host or (port is None and scheme not in _PORTS):
        raise ProtocolFault(f"the stream address is not of the form {scheme}://HOST:PORT")
    bracketed = f"[{host}]" if ":" in host else host
    place = f"{bracketed}:{port or _PORTS[scheme]}"
    return Address(scheme, place, _bare(url, parts), credential or _credential_in(parts))


def _bare(url: str, parts: SplitResult) -> str:
    """Without user information, else letter by letter as it was written: cameras compare it so."""
    rest = url.partition("://")[2][len(parts.netloc) :]
    return f"{parts.scheme.lower()}://{parts.netloc.rpartition('@')[2]}{rest}"


def _credential_in(parts: SplitResult) -> Credential | None:
    if not parts.username:
        return None
    return Credential(unquote(parts.username), unquote(parts.password or ""))
