"""Values of a query that were left blank (``?kind=&since=&cursor=``): a form sends every field, also those nobody filled in."""

from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send


class Blanks:
    """``app`` is asked for ``paths`` as if what is blank had not been named at all."""

    def __init__(self, app: ASGIApp, paths: Collection[str]) -> None:
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") in self._paths and scope.get("query_string"):
            scope["query_string"] = without_blanks(scope["query_string"])
        await self._app(scope, receive, send)


def without_blanks(query: bytes) -> bytes:
    return b"&".join(pair for pair in query.split(b"&") if pair.partition(b"=")[2])
