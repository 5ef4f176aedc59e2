"""One device's clock as its session keeps it: measured, set, and suspected where the device refuses us."""

import math
from dataclasses import replace

from gateway.errors import DeviceError
from gateway.model import ClockReading
from gateway.ports import Clock
from gateway.video.devices.link import DeviceLink
from gateway.video.devices.note import is_wrong

SET_CLOCK_S = 2.0
"""Better than a person sets a clock, worse than any network: with ``set_clock`` the gateway sets one that is more off."""
CLOCK_MOVED_S = 2.0
OWN_STEP_S = 0.5
SET_CLOCK_AGAIN_S = 3600.0
"""One that does not keep the time it is given is not set at every reconnect."""


class Timekeeping:
    """``suspected``: the device refused us, perhaps for its clock, and that has not changed since."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reading: ClockReading | None = None
        self._ours_at_reading = 0.0
        self._sets_from = -math.inf
        self._suspected: float | None = None  # how far off it was then

    @property
    def reading(self) -> ClockReading | None:
        """As it was measured; against our own clock as it is now, where that was set since (NTP)."""
        reading, step = self._reading, self._ours() - self._ours_at_reading
        if reading is None or abs(step) < OWN_STEP_S:
            return reading
        return replace(reading, offset_s=round(reading.offset_s - step, 3))

    @property
    def is_wrong(self) -> bool:
        reading = self.reading
        return reading is not None and is_wrong(reading)

    @property
    def suspected(self) -> bool:
        return self._suspected is not None

    def suspect(self) -> None:
        reading = self.reading
        self._suspected = reading.offset_s if reading is not None else 0.0

    def trust(self) -> None:
        self._suspected = None

    async def measure(self, link: DeviceLink) -> None:
        """Raises DeviceError."""
        now = self._reading = await link.measure_clock()
        self._ours_at_reading = self._ours()
        # One that blames its clock although that is right would refuse us for ever: it has to have moved.
        if self._suspected is not None and now is not None and not is_wrong(now):
            moved = abs(now.offset_s - self._suspected) > CLOCK_MOVED_S
            self._suspected = None if moved else self._suspected

    async def correct(self, link: DeviceLink) -> str | None:
        """Set it where it is off; what came of that, in words, or None where nothing was to be done."""
        reading, now = self.reading, self._clock.mono()
        if reading is None or now < self._sets_from or abs(reading.offset_s) <= SET_CLOCK_S + reading.uncertainty_s:
            return None
        self._sets_from = now + SET_CLOCK_AGAIN_S
        try:
            await link.set_clock(self._clock.now())
            await self.measure(link)
            after = self.reading.offset_s if self.reading is not None else 0.0
            became = f"it was set, and is now {after:+.1f} s off"
        except DeviceError as fault:
            # It let us in a moment ago: the user lacks the right, or the device a way. Its events are heard all the same.
            became = f"it could not be set: {fault}"
        return f"was {reading.offset_s:+.1f} s off; {became}"

    def _ours(self) -> float:
        """Our clock against the monotonic one: constant, but for steps."""
        return self._clock.now().timestamp() - self._clock.mono()
