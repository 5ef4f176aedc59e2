"""The ``/metrics`` page: Prometheus text (or OpenMetrics, as asked), as an ASGI application of its own listener."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, Protocol, cast

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder

from gateway.observability.metrics import REGISTRY

_GZIP_LEVEL = 1  # repetitive text: the higher levels take four times as long for a fifth less


class Collector(Protocol):
    """Something that makes metrics when asked, possibly on another thread."""

    def collect(self) -> Iterable[Metric]: ...


class Together:
    """Several collectors as one."""

    def __init__(self, parts: Iterable[Collector]) -> None:
        self._parts = tuple(parts)

    def collect(self) -> Iterator[Metric]:
        for part in self._parts:
            yield from part.collect()


def metrics_app(scene: Callable[[], Collector] | None = None) -> Callable[..., Awaitable[None]]:
    """``/metrics`` and ``/`` show every metric of this process; other paths are not found.

    ``scene`` is called on the loop for what is only looked up when asked for. The text is made on a thread: that of two
    thousand cameras takes a tenth of a second, in which no press may wait.
    """

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] not in ("/", "/metrics"):
            await _answer(
                send, 404, [(b"content-type", b"text/plain; charset=utf-8")], b"The metrics are at /metrics.\n"
            )
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        parts: list[Collector] = [REGISTRY]
        if scene is not None:
            parts.append(scene())
        zipped = "gzip" in headers.get(b"accept-encoding", "")
        body, kind = await asyncio.to_thread(_text, Together(parts), headers.get(b"accept", ""), zipped)
        encoding = [(b"content-encoding", b"gzip")] if zipped else []
        await _answer(send, 200, [(b"content-type", kind.encode()), *encoding], body)

    return app


def _text(together: Together, accept: str, zipped: bool) -> tuple[bytes, str]:
    encode, kind = choose_encoder(accept)
    body = encode(cast(CollectorRegistry, together))  # it asks for nothing but ``collect``
    return gzip.compress(body, _GZIP_LEVEL) if zipped else body, kind


async def _answer(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
