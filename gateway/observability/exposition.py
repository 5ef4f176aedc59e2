"""The ``/metrics`` page: Prometheus text (or OpenMetrics, as asked), as an ASGI application of its own listener."""

from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import make_asgi_app

from gateway.observability.metrics import REGISTRY


def metrics_app() -> Callable[..., Awaitable[None]]:
    """``/metrics`` and ``/`` show every metric of this process; other paths are not found."""
    exposition: Callable[..., Awaitable[None]] = make_asgi_app(REGISTRY)

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] in ("/", "/metrics"):
            await exposition(scope, receive, send)
            return
        await send(
            {"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/plain; charset=utf-8")]}
        )
        await send({"type": "http.response.body", "body": b"The metrics are at /metrics.\n"})

    return app
