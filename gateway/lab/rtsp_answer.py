"""What a simulated camera answers, as bytes (RFC 2326 §7)."""

from collections.abc import Iterable, Mapping

PUBLIC = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"
Headers = Mapping[str, str] | Iterable[tuple[str, str]]

_REASONS = {
    200: "OK",
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    501: "Not Implemented",
    503: "Service Unavailable",
}
_PAGE = b"<html><head><title>404 Not Found</title></head><body>Not Found</body></html>"
WEB_PAGE = (
    b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(_PAGE)
) + _PAGE
"""What a web server answers that was taken for a camera."""


def answer(status: int, sequence: str, headers: Headers = (), body: str = "") -> bytes:
    """To the request with this CSeq."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    lines = [f"RTSP/1.0 {status} {_REASONS[status]}", f"CSeq: {sequence}", "Server: gateway-lab"]
    lines += [f"{name}: {value}" for name, value in pairs]
    if body:
        lines.append(f"Content-Length: {len(body.encode())}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
