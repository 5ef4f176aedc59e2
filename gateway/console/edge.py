"""The outermost layer of the console's listener: other rooms' applications by prefix, security headers, durations."""

import time
from collections.abc import Sequence
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.observability import metrics

_CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:;"
    " connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": _CSP,
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
    """``mounts``: (prefix, application) of other rooms, asked before ``app``; they see the whole path."""

    def __init__(self, app: ASGIApp, mounts: Sequence[tuple[str, ASGIApp]]) -> None:
        self._app = app
        self._mounts = tuple((prefix.rstrip("/"), mounted) for prefix, mounted in mounts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        prefix, app = self._for(scope["path"])
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        await _Exchange(scope, send).run(app, receive, prefix)

    def _for(self, path: str) -> tuple[str, ASGIApp]:
        for prefix, mounted in self._mounts:
            if path == prefix or path.startswith(f"{prefix}/"):
                return prefix, mounted
        return "", self._app


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
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
        for name, value in SECURITY_HEADERS.items():
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


def _template(scope: Scope) -> str | None:
    route: Any = scope.get("route")
    template = getattr(route, "path", None)
    return template if isinstance(template, str) else None
