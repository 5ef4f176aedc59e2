"""Who is looking through which camera: the still that a page shows first, the live view that takes its place and the stills
of a page that cannot show it are one look, and one line of the audit."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.console.auth import Caller

_TOGETHER_S = 10.0  # between two pictures of one look
_ANEW_S = 600.0  # a look that goes on is written down again
_MOST = 1000


def login_of(caller: Caller) -> str:
    """Names the caller's login, or its token, without being able to use it."""
    if caller.session is not None:
        return f"{caller.principal.name}/{caller.session.digest[:16]}"
    return f"{caller.principal.name}/token"


@dataclass(slots=True)
class _Look:
    written: "asyncio.Task[None]"
    begun: float
    last: float


class Looks:
    """In memory: after a restart one more line is written, never one less."""

    def __init__(self) -> None:
        self._looks: dict[tuple[str, str, str], _Look] = {}

    async def note(
        self, login: str, camera_id: str, reason: str, now_mono: float, write: Callable[[], Awaitable[None]]
    ) -> None:
        """Return once the look is in the audit; ``reason``: all that makes it another one. Raises what ``write`` raises: then
        show nothing."""
        key = (login, camera_id, reason)
        look = self._looks.get(key)
        if look is None or now_mono - look.last > _TOGETHER_S or now_mono - look.begun > _ANEW_S or _failed(look):
            look = _Look(asyncio.ensure_future(_written(write)), now_mono, now_mono)
            self._looks.pop(key, None)
            self._looks[key] = look
            if len(self._looks) > _MOST:
                del self._looks[next(iter(self._looks))]
        look.last = now_mono
        await asyncio.shield(look.written)  # another request may wait for the same line


def _failed(look: _Look) -> bool:
    written = look.written
    return written.done() and (written.cancelled() or written.exception() is not None)


async def _written(write: Callable[[], Awaitable[None]]) -> None:
    await write()
