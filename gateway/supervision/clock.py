"""Real time."""

import asyncio
import time
from datetime import datetime

from gateway.model import utc_now


class SystemClock:
    """The ``Clock`` of a running gateway: wall clock, CLOCK_MONOTONIC and the event loop's timers."""

    def now(self) -> datetime:
        return utc_now()

    def mono(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
