"""Who watches which live view: a view is its opener's alone, and ends with the login or the right that opened it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.console.auth import Caller
from gateway.console.looks import login_of
from gateway.ports import LiveService

WARM_EVERY_S = 60.0
LOOK_EVERY_S = 10.0  # as the event stream's pings
_COUNT_EVERY = 6  # looks: whether views whose browser went without a word are still there
_MOST = 2048


@dataclass(slots=True)
class View:
    """``ended`` ones are remembered for a while: a browser that ends one twice has made no mistake."""

    id: str
    caller: Caller
    camera_id: str
    etag: str
    ended: bool = False


class Watching:
    """``may_go_on``: whether the caller may still look through that camera."""

    def __init__(
        self,
        live: LiveService,
        may_go_on: Callable[[Caller, str], Awaitable[bool]],
        *,
        look_every: float = LOOK_EVERY_S,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self._live = live
        self._may_go_on = may_go_on
        self._look_every = look_every
        self._views: dict[str, View] = {}
        self._guard: asyncio.Task[None] | None = None
        self._mono = mono
        self._warm_at = 0.0
        self._warming: asyncio.Task[None] | None = None

    def present(self) -> None:
        """Somebody sits at the console: a first view shall not wait for a process to start."""
        now = self._mono()
        if now >= self._warm_at and (self._warming is None or self._warming.done()):
            self._warm_at = now + WARM_EVERY_S
            self._warming = asyncio.get_running_loop().create_task(self._live.warm(), name="live views")

    def began(self, session_id: str, caller: Caller, camera_id: str, etag: str) -> None:
        if len(self._views) >= _MOST:
            gone = next((each.id for each in self._views.values() if each.ended), next(iter(self._views)))
            del self._views[gone]
        self._views[session_id] = View(session_id, caller, camera_id, etag)
        if self._guard is None or self._guard.done():
            self._guard = asyncio.get_running_loop().create_task(self._watch(), name="live views")

    def view(self, session_id: str, caller: Caller, camera_id: str) -> View | None:
        """None also for what somebody else, or another login of the same user, has opened."""
        found = self._views.get(session_id)
        if found is None or found.camera_id != camera_id or login_of(found.caller) != login_of(caller):
            return None
        return found

    async def end(self, view: View) -> None:
        view.ended = True
        await self._live.close(view.id)

    async def logged_out(self, caller: Caller) -> None:
        """End all that this login watches."""
        login = login_of(caller)
        mine = [view for view in self._views.values() if not view.ended and login_of(view.caller) == login]
        if mine:
            for view in mine:
                view.ended = True
            await self._live.end_of(login)

    async def _watch(self) -> None:
        """Until nobody watches."""
        looks = 0
        while any(not view.ended for view in self._views.values()):
            await asyncio.sleep(self._look_every)
            looks += 1
            for view in [view for view in self._views.values() if not view.ended]:
                if not await self._may_go_on(view.caller, view.camera_id):
                    await self.end(view)
                elif looks % _COUNT_EVERY == 0 and not await self._live.trickle(view.id, ""):
                    view.ended = True
