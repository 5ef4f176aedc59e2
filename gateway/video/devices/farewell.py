"""Ending sessions with devices: each has a pull point to give back, which costs a call."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any

AT_ONCE = 64
"""Five hundred goodbyes begun together would all be half said when the time is over; so the first ones are said in full."""
_ROUNDS = 100


async def farewell(sessions: Iterable["asyncio.Task[Any]"], within_s: float) -> None:
    """Cancel each and wait for it, so many at a time. Those that have not ended within that time end without their goodbye:
    what they leave behind is remembered, and ended by the next worker."""
    loop = asyncio.get_running_loop()
    waiting, leaving = deque(sessions), set[asyncio.Task[Any]]()
    until = loop.time() + within_s
    while (waiting or leaving) and (left := until - loop.time()) > 0:
        while waiting and len(leaving) < AT_ONCE:
            session = waiting.popleft()
            session.cancel()
            leaving.add(session)
        _, leaving = await asyncio.wait(leaving, timeout=left, return_when=asyncio.FIRST_COMPLETED)
    await _cut_short([*waiting, *leaving])


async def _cut_short(sessions: list["asyncio.Task[Any]"]) -> None:
    """A session that is cancelled while it says goodbye leaves it at that."""
    for _ in range(_ROUNDS):
        sessions = [session for session in sessions if not session.done()]
        for session in sessions:
            session.cancel()
        if not sessions:
            return
        await asyncio.sleep(0)
