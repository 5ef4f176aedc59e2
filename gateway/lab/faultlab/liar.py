"""An upper node that is slow or lies: it takes events and answers as one of its ``LIES``."""

import asyncio
import contextlib
import hashlib
import json
import random
from typing import Any

from gateway.model import rfc3339, utc_now, uuid7

LIES = (
    "wrong_sha",
    "wrong_seq",
    "foreign_ids",
    "no_receipt",
    "server_error",
    "html",
    "hang",
    "drip",
    "not_json",
    "cut",
)
"""None of these is a receipt."""

REFUSALS = ("too_large", "bad_request", "not_processable", "forbidden", "plain_words")
"""What proxies, filters and login pages say. None of them is the upper node's own, so none may park an alarm."""

_REFUSED = {
    "too_large": (413, "text/html", b"<h1>413 Request Entity Too Large</h1>"),
    "bad_request": (400, "text/html", b"<h1>400 Bad Request</h1>"),
    "not_processable": (422, "text/html; charset=utf-8", b"<h1>422 Unprocessable Content</h1>"),
    "forbidden": (403, "text/html", b"<h1>403 Forbidden</h1>"),
    "plain_words": (400, "text/plain; charset=utf-8", b"Invalid HTTP request received."),
}
_DRIP_EVERY = 0.2
_HANG = 60.0
_MOST = 1 << 20


class Liar:
    """Listens on ``port`` of ``host``; ``lie`` may be changed at any time. It keeps nothing of what it is given."""

    def __init__(self, rng: random.Random, host: str = "127.0.0.1") -> None:
        self.lie = LIES[0]
        self.asked = 0
        self.host, self.port = host, 0
        self._rng = rng
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
                while True:
                    body = await _request(reader)
                    self.asked += 1
                    if not await self._answer(body, writer):
                        return
        except asyncio.CancelledError:
            pass
        finally:
            self._tasks.discard(task)
            with contextlib.suppress(OSError):
                writer.close()

    async def _answer(self, body: bytes, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection stays."""
        lie = self.lie
        if lie == "hang":
            await asyncio.sleep(_HANG)
            return False
        answer = _http(*_told(lie, body, self._rng))
        if lie == "drip":
            for number in range(len(answer)):
                writer.write(answer[number : number + 1])
                await writer.drain()
                await asyncio.sleep(_DRIP_EVERY)
        elif lie == "cut":
            writer.write(answer[: len(answer) // 2])
            await writer.drain()
            return False
        writer.write(answer)
        await writer.drain()
        return True


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = 0
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-length":
            length = min(int(value), _MOST)
    return await reader.readexactly(length)


def _told(lie: str, body: bytes, rng: random.Random) -> tuple[int, str, bytes]:
    """Status, content type, content."""
    if lie == "server_error":
        return rng.choice((500, 502, 503)), "text/plain", b"not now"
    if lie == "html":
        return 200, "text/html", b"<html><body>Welcome to the hotel network. Please log in.</body></html>"
    if lie == "not_json":
        return 200, "application/json", b'{"receipts": ['
    if lie in _REFUSED:
        return _REFUSED[lie]
    return 200, "application/json", json.dumps({"receipts": _receipts(lie, body)}).encode()


def _receipts(lie: str, body: bytes) -> list[dict[str, Any]]:
    if lie == "no_receipt":
        return []
    receipt: dict[str, Any] = {
        "id": _event_id(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "seq": 1,
        "committed_at": rfc3339(utc_now()),
    }
    if lie in ("wrong_sha", "drip", "cut"):
        receipt["sha256"] = hashlib.sha256(body + b"?").hexdigest()
    if lie == "wrong_seq":
        receipt["seq"] = "seventeen"
    if lie == "foreign_ids":
        receipt["id"] = uuid7()
    return [receipt]


def _event_id(body: bytes) -> str:
    try:
        event = json.loads(body)
        return str(event["id"])
    except (ValueError, KeyError, TypeError):
        return uuid7()  # a picture or something else that is no event


def _http(status: int, kind: str, content: bytes) -> bytes:
    head = f"HTTP/1.1 {status} Told\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode("latin-1") + content
