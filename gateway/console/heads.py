"""HEAD wherever there is GET (RFC 9110 §9.3.2): the same answer without its content."""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Heads:
    """``app`` is asked to GET what begins with ``prefix``, unless ``own`` says that it knows HEAD of that path itself."""

    def __init__(self, app: ASGIApp, prefix: str, own: Callable[[str], bool]) -> None:
        self._app = app
        self._prefix = prefix
        self._own = own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope.get("method") != "HEAD" or not path.startswith(self._prefix) or self._own(path):
            await self._app(scope, receive, send)
            return
        begun = False

        async def head(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                await send(message)
            elif not message.get("more_body", False):
                await send({"type": "http.response.body", "body": b""})

        async def client() -> Message:
            return {"type": "http.disconnect"} if begun else await receive()  # so that an endless answer ends

        asked = {**scope, "method": "GET"}
        try:
            await self._app(asked, client, head)
        finally:
            if "route" in asked:
                scope["route"] = asked["route"]  # durations are counted by it
