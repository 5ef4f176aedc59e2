"""Time, injected."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time, injected, so that a seeded test can drive years of faults in seconds."""

    def now(self) -> datetime: ...
    def mono(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...
