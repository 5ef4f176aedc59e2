"""A small client of the gateway's own HTTP interfaces (over TCP or a worker's Unix socket), for the lab."""

import asyncio
import http.client
import json
import socket
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.errors import RunningError


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass(frozen=True, slots=True)
class Api:
    """``host:port`` (or ``unix``, a socket's path); ``cookie`` is the session's, once logged in; ``token``: a bearer token."""

    host: str = "127.0.0.1"
    port: int = 0
    cookie: str | None = field(default=None, repr=False)
    unix: Path | None = None
    timeout: float = 30.0
    token: str | None = field(default=None, repr=False)

    async def status(self, path: str) -> int | None:
        """The status of a GET, or None while nobody answers."""
        try:
            return (await asyncio.to_thread(self._request, "GET", path, None))[0]
        except (OSError, http.client.HTTPException):
            return None

    async def logged_in(self, username: str, password: str) -> "Api":
        """The same API with a session of this user's."""
        login = {"username": username, "password": password}
        _, _, cookie = await self._answered("POST", "/api/v1/session", login)
        return replace(self, cookie=cookie.partition(";")[0])

    async def text(self, path: str) -> str:
        """The answer as text. Raises RunningError for anything but 2xx."""
        return (await self.content(path)).decode()

    async def content(self, path: str) -> bytes:
        """The answer's bytes. Raises RunningError for anything but 2xx."""
        return (await self._answered("GET", path, None))[1]

    async def get(self, path: str) -> Any:
        return await self.call("GET", path)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded JSON answer (None where there is none). Raises RunningError for anything but 2xx."""
        _, content, _ = await self._answered(method, path, body)
        return json.loads(content) if content else None

    async def send(self, path: str, content: bytes, content_type: str) -> bytes:
        """POST these very bytes; the answer's. Raises RunningError for anything but 2xx."""
        return (await self._answered("POST", path, content, content_type))[1]

    async def _answered(
        self, method: str, path: str, body: Any, content_type: str = "application/json"
    ) -> tuple[int, bytes, str]:
        try:
            status, content, cookie = await asyncio.to_thread(self._request, method, path, body, content_type)
        except (OSError, http.client.HTTPException) as error:
            raise RunningError(f"{method} {path}: no answer: {error}") from error
        if not 200 <= status < 300:
            raise RunningError(f"{method} {path}: status {status}: {content[:300].decode(errors='replace')}")
        return status, content, cookie

    async def list_all(self, path: str) -> list[dict[str, Any]]:
        """Every item of a list, page by page."""
        items: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self.get(f"{path}?limit=500{cursor}")
            items += page["items"]
            if not page.get("next"):
                return items
            cursor = f"&cursor={page['next']}"

    def _request(
        self, method: str, path: str, body: Any, content_type: str = "application/json"
    ) -> tuple[int, bytes, str]:
        """Status, content and the cookie set, if any. ``body``: bytes as they are, anything else as JSON."""
        headers = {"Accept": "application/json"}
        if self.cookie is not None:
            headers["Cookie"] = self.cookie
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        content = None
        if body is not None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers["Content-Type"] = content_type
        connection = (
            http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
            if self.unix is None
            else _UnixConnection(self.unix, self.timeout)
        )
        try:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.getheader("Set-Cookie", "")
        finally:
            connection.close()
