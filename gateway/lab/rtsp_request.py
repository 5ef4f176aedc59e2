"""Requests out of the bytes that an RTSP client sends (RFC 2326 §6), between its interleaved frames."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.errors import ProtocolFault

_LIMIT = 16 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One RTSP request; header names in lower case."""

    method: str
    url: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return urlsplit(self.url).path.rstrip("/")

    @property
    def sequence(self) -> str:
        return self.headers.get("cseq", "0")


class RequestReader:
    """Takes bytes in any cut and gives whole requests. ``reports`` counts interleaved frames (the client's RTCP)."""

    def __init__(self) -> None:
        self.reports = 0
        self._received = bytearray()

    def add(self, data: bytes) -> None:
        self._received += data

    def next(self) -> Request | None:
        """The next request, or None until more comes. Raises ProtocolFault on what is none."""
        buffer = self._received
        while self._skipped():
            pass
        head, separator, _ = bytes(buffer[:_LIMIT]).partition(b"\r\n\r\n")
        if not buffer or buffer[:1] == b"$":
            return None
        if not separator:
            if len(buffer) >= _LIMIT:
                raise ProtocolFault(f"no end of a request within {_LIMIT} bytes")
            return None
        request = _parse(head.decode("utf-8", "replace"))
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > _LIMIT:
            raise ProtocolFault(f"Content-Length {length!r}")
        end = len(head) + 4 + int(length)
        if len(buffer) < end:
            return None
        del buffer[:end]
        return request

    def _skipped(self) -> bool:
        """Whether a whole interleaved frame, or white space between requests, was taken away."""
        buffer = self._received
        if buffer[:1].isspace():
            del buffer[0]
            return True
        end = 4 + int.from_bytes(buffer[2:4], "big")
        if buffer[:1] != b"$" or len(buffer) < max(end, 4):
            return False
        self.reports += 1
        del buffer[:end]
        return True


def _parse(head: str) -> Request:
    first, *rest = head.split("\r\n")
    words = first.split()
    if len(words) != 3 or not words[2].startswith("RTSP/"):
        raise ProtocolFault(f"{first[:80]!r} is no RTSP request")
    headers = {}
    for line in rest:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Request(words[0].upper(), words[1], headers)
