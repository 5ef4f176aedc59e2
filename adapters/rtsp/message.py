"""RTSP messages as text: requests, responses and their header fields (RFC 2326 §4–§7, RFC 7826 §5–§8)."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.errors import ProtocolFault

MAX_HEAD = 16 * 1024
MAX_BODY = 64 * 1024

Headers = dict[str, list[str]]
"""Field name in lower case → its values in the order they came (WWW-Authenticate comes more than once)."""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    reason: str
    headers: Headers = field(default_factory=dict)
    body: bytes = b""

    def first(self, name: str) -> str | None:
        values = self.headers.get(name)
        return values[0] if values else None

    @property
    def cseq(self) -> int | None:
        return whole_number(self.first("cseq"))


@dataclass(frozen=True, slots=True)
class Request:
    """What a camera asks of us, which few do."""

    method: str
    headers: Headers = field(default_factory=dict)

    @property
    def cseq(self) -> str:
        return (self.headers.get("cseq") or ["0"])[0]


def whole_number(text: str | None) -> int | None:
    """A decimal of at most nine digits, else None: longer ones are no number anybody meant."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def printable(text: str | bytes, limit: int = 60) -> str:
    """A camera's own words, fit for one line of a message."""
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    text = text.strip()
    cut = text if len(text) <= limit else text[:limit] + "…"
    return "".join(letter if letter.isprintable() else "·" for letter in cut)


def encode_request(method: str, uri: str, fields: Iterable[tuple[str, str]]) -> bytes:
    lines = [f"{method} {uri} RTSP/1.0", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode()


def encode_response(status: str, cseq: str) -> bytes:
    return f"RTSP/1.0 {status}\r\nCSeq: {printable(cseq, 20)}\r\n\r\n".encode()


def parse_head(head: bytes) -> tuple[Response | Request, int]:
    """Read a message's start line and header fields; return it with the length of the body to come.

    Raises ProtocolFault. Line ends may be bare LF; a field line without a colon is passed over, as cameras send them.
    """
    # A bare CR is no line end (RFC 9112 §2.2), and must not become one in a request that repeats the field's value.
    text = head.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", " ")
    start, _, rest = text.partition("\n")
    headers = _parse_fields(rest)
    length = _content_length(headers)
    words = start.strip().split(None, 2)
    if start.startswith("RTSP/"):
        status = whole_number(words[1]) if len(words) > 1 else None
        if status is None or not 100 <= status <= 599:
            raise ProtocolFault(f"an RTSP answer without a status: “{printable(start)}”")
        return Response(status, words[2] if len(words) > 2 else "", headers), length
    return Request(words[0] if words else "", headers), length


def _parse_fields(text: str) -> Headers:
    headers: Headers = {}
    for line in text.split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), []).append(value.strip())
    return headers


def _content_length(headers: Headers) -> int:
    values = headers.get("content-length")
    if not values:
        return 0
    length = whole_number(values[0])
    if length is None or length > MAX_BODY:
        raise ProtocolFault(f"a Content-Length of “{printable(values[0])}”; up to {MAX_BODY} bytes are accepted")
    return length
