"""A bound on the size of, and on the patience with, a request's body."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.console.problems import problem_response

_BODY_S = 30.0  # a client that sends its few bytes slower than this only holds the connection


class BodyLimit:
    """Refuses bodies over ``limit`` bytes with 413 and bodies that do not come with 408. ``larger``: the limits of some
    paths, which take files."""

    def __init__(self, app: ASGIApp, limit: int, larger: Mapping[str, int] = MappingProxyType({})) -> None:
        self._app = app
        self._limit = limit
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._larger.get(scope["path"], self._limit)
        if _announced(scope) > limit:
            await problem_response(413, _too_large(limit), headers={"Connection": "close"})(scope, receive, send)
            return
        taken, complete = 0, False

        async def bounded() -> Message:
            nonlocal taken, complete
            if complete:
                return await receive()  # waits for the client to go away
            try:
                async with asyncio.timeout(_BODY_S):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "The body of the request did not come.") from None
            taken += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if taken > limit:
                raise HTTPException(413, _too_large(limit))
            return message

        await self._app(scope, bounded, send)


def _too_large(limit: int) -> str:
    return f"The body is too large: at most {limit // 1024} kB are accepted."


def _announced(scope: Scope) -> int:
    length: bytes = dict(scope["headers"]).get(b"content-length", b"0")
    return int(length) if length.isdigit() else 0
