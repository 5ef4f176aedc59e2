"""Files served in ranges (RFC 9110 §14), so that a player can begin before a clip is whole and jump within it."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.console.problems import Problem
from gateway.ports import StoredMedia

_PIECE = 256 * 1024
_SEND_S = 120.0  # a player that has paused takes nothing; later it asks again from where it was
_SPAN = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def requested(header: str | None, size: int) -> tuple[int, int] | None:
    """[start, end) of a Range header; None where the whole is to be sent, as for what is malformed or several ranges
    (RFC 9110 §14.2). Raises Problem 416 where no byte of it is there."""
    span = None if header is None else _SPAN.fullmatch(header.strip().replace(" ", ""))
    if span is None or not (span[1] or span[2]):
        return None
    if span[1]:
        start, end = int(span[1]), min(size, int(span[2]) + 1) if span[2] else size
        if span[2] and int(span[2]) < start:
            return None
    else:
        start, end = max(0, size - int(span[2])), size
    if start >= end:
        raise Problem(416, f"There are {size} bytes of it.", headers={"Content-Range": f"bytes */{size}"})
    return start, end


def ranged(request: Request, media: StoredMedia, etag: str, headers: Mapping[str, str]) -> Response:
    """The answer to a GET or HEAD of a stored file, whole or the range that was asked for. Raises Problem 416."""
    headers = {**headers, "ETag": etag, "Accept-Ranges": "bytes"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    unchanged = request.headers.get("if-range", etag) == etag
    span = requested(request.headers.get("range"), media.size) if unchanged else None
    if span is not None:
        headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{media.size}"
    start, end = span or (0, media.size)
    return FileSpan(media.path, start, end, 200 if span is None else 206, {**headers, "Content-Type": media.media_type})


class FileSpan(Response):
    """A part of a file, never all of it in memory. A client that takes nothing for two minutes is cut off."""

    def __init__(self, path: Path, start: int, end: int, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(status_code=status, headers={**headers, "Content-Length": str(end - start)})
        self._path = path
        self._start = start
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            await self._begin(send)
            await send({"type": "http.response.body", "body": b""})
            return
        try:
            file = await asyncio.to_thread(self._path.open, "rb")
        except OSError:
            raise Problem(404, "This file is not here any more.") from None
        try:
            await self._begin(send)
            await self._pour(file, send)
        except TimeoutError:
            return  # the connection ends with fewer bytes than announced, and the client knows
        finally:
            file.close()

    async def _begin(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})

    async def _pour(self, file: BinaryIO, send: Send) -> None:
        await asyncio.to_thread(file.seek, self._start)
        left = self._end - self._start
        while left > 0:
            piece = await asyncio.to_thread(file.read, min(_PIECE, left))
            if not piece:
                return
            left -= len(piece)
            async with asyncio.timeout(_SEND_S):
                await send({"type": "http.response.body", "body": piece, "more_body": left > 0})
