"""The outermost layer of the console's listener: other rooms' applications by prefix, security headers, durations."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.observability import metrics

_CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:{images}; media-src 'self' blob:;"
    " connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HOST = re.compile(r"[A-Za-z0-9.*:\[\]-]+")
SECURITY_HEADERS = {
    "Content-Security-Policy": _CSP.format(images=""),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ENDLESS = frozenset(
    {"/api/v1/stream", "/cascade/v1/downlink"}
)  # how long a stream was open is no duration of a request


class Edge:
    """``mounts``: (prefix, application) of other rooms, asked before ``app``; they see the whole path. ``images``: other
    hosts from which pages may show pictures."""

    def __init__(self, app: ASGIApp, mounts: Sequence[tuple[str, ASGIApp]], *, images: Sequence[str] = ()) -> None:
        self._app = app
        self._mounts = tuple((prefix.rstrip("/"), mounted) for prefix, mounted in mounts)
        policy = _CSP.format(images="".join(f" {host}" for host in images))
        self._headers = {**SECURITY_HEADERS, "Content-Security-Policy": policy}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        prefix, app = self._for(scope["path"])
        if scope["type"] == "websocket":
            await (app if prefix else _refuse)(scope, receive, send)
            return
        await _Exchange(scope, send, self._headers).run(app, receive, prefix)

    def _for(self, path: str) -> tuple[str, ASGIApp]:
        for prefix, mounted in self._mounts:
            if path == prefix or path.startswith(f"{prefix}/"):
                return prefix, mounted
        return "", self._app


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, send: Send, security: Mapping[str, str]) -> None:
        self._scope = scope
        self._send = send
        self._security = security
        self._status = 500
        self._started = time.perf_counter()

    async def run(self, app: ASGIApp, receive: Receive, prefix: str) -> None:
        try:
            await app(self._scope, receive, self._pass)
        finally:
            self._observe(prefix)

    async def _pass(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._secure(message)
        await self._send(message)

    def _secure(self, message: Message) -> None:
        headers = MutableHeaders(raw=list(message.get("headers", ())))
        for name, value in self._security.items():
            headers.setdefault(name, value)
        if self._scope["path"].startswith("/api/"):
            headers.setdefault("Cache-Control", "no-store")
        message["headers"] = headers.raw

    def _observe(self, prefix: str) -> None:
        route = _template(self._scope) or (f"{prefix}/…" if prefix else "unmatched")
        if route in _ENDLESS:
            return
        method = self._scope["method"] if self._scope["method"] in _METHODS else "other"
        metrics.http_duration.labels(method, route, str(self._status)).observe(time.perf_counter() - self._started)


async def _refuse(_: Scope, __: Receive, send: Send) -> None:
    """Nothing of the console speaks WebSocket: its clients are told 403 before the handshake."""
    await send({"type": "websocket.close", "code": 1000})


def tile_hosts(tiles: str | None) -> tuple[str, ...]:
    """The source expression (CSP 3 §2.3.1) of a map's tiles; none where they come from the console itself. ``{s}`` stands
    for one of several hosts."""
    if tiles is None:
        return ()
    parts = urlsplit(tiles.replace("{s}", "*"))
    if _HOST.fullmatch(parts.netloc) is None:
        return ()
    return (f"{parts.scheme}://{parts.netloc}" if parts.scheme else parts.netloc,)


def _template(scope: Scope) -> str | None:
    route: Any = scope.get("route")
    template = getattr(route, "path", None)
    return template if isinstance(template, str) else None
