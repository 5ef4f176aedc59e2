"""RTSP addresses: reading a configured one, and finding a media's own from what the camera announced."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from gateway.errors import ProtocolFault
from gateway.model import Credential

DEFAULT_PORT = 554
DEFAULT_TLS_PORT = 322  # RFC 7826 §19.2


@dataclass(frozen=True, slots=True)
class Address:
    """Where a camera's stream is. ``url`` has no credential in it; ``tls``: it begins with rtsps."""

    host: str
    port: int
    url: str
    credential: Credential | None = None
    tls: bool = False

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(url: str) -> Address:
    """Read ``rtsp[s]://[user:password@]host[:port]/path``. Raises ProtocolFault; its sentence shows no credential."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ProtocolFault("the stream address is not a URL; rtsp://host[:port]/path is accepted") from None
    scheme = parts.scheme.lower()
    if scheme not in ("rtsp", "rtsps") or not host or any(letter <= " " for letter in url.strip()):
        raise ProtocolFault("the stream address is not one of RTSP; rtsp[s]://host[:port]/path is accepted")
    tls = scheme == "rtsps"
    port = port or (DEFAULT_TLS_PORT if tls else DEFAULT_PORT)
    user_info, _, place = parts.netloc.rpartition("@")
    user, _, password = user_info.partition(":")
    # Everything behind the authority goes to the camera as it was written: cameras compare it letter by letter.
    path = url.strip().split("://", 1)[1][len(parts.netloc) :]
    credential = Credential(unquote(user), unquote(password)) if user_info else None
    return Address(host, port, f"{scheme}://{place}{path}", credential, tls)


def base_of(announced: str | None, requested: str) -> str:
    """What control addresses are relative to (RFC 2326 §C.1.1): Content-Base, else Content-Location, else the request.

    Cameras announce it without a scheme, or as a path alone.
    """
    announced = (announced or "").strip()
    if not announced:
        return requested
    if "://" in announced:
        return announced
    if announced.startswith("/"):
        scheme, _, rest = requested.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}{announced}"
    return f"{requested.partition('://')[0]}://{announced}"


def control_url(base: str, control: str | None) -> str:
    """The address of a media or of the whole presentation.

    A relative one is put behind the base, query and all, as every camera expects, not merged by RFC 3986 §5.2.
    """
    if not control or control == "*":
        return base
    if "://" in control:
        return control
    return base + control if base.endswith("/") or control.startswith("/") else f"{base}/{control}"
