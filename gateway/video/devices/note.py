"""What is wrong with a device, in the words that stand on its cameras."""

from dataclasses import dataclass
from datetime import timedelta

from gateway.model import ClockReading
from gateway.video.wire import CLOCK, ONVIF_REFUSED

WRONG_CLOCK_S = 5.0
"""WS-UsernameToken is refused by many devices when it is off by more than this."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a device's session means for its cameras. ``trouble``: why it does not answer; ``refused``: that it refused our
    credential; ``clock``: how wrong its clock is. Each in words."""

    trouble: str | None = None
    refused: str | None = None
    clock: str | None = None

    @property
    def faults(self) -> tuple[str, ...]:
        return ((CLOCK,) if self.clock else ()) + ((ONVIF_REFUSED,) if self.refused else ())


def clock_in_words(reading: ClockReading | None) -> str | None:
    """None where it is right."""
    if reading is None or not is_wrong(reading):
        return None
    way = "ahead" if reading.offset_s > 0 else "behind"
    return f"its clock is {_span(abs(reading.offset_s))} {way}; set it, or let the gateway do it (onvif.set_clock)"


def is_wrong(reading: ClockReading) -> bool:
    """So far off that a refusal may be its fault."""
    return abs(reading.offset_s) > WRONG_CLOCK_S


def _span(seconds: float) -> str:
    span = timedelta(seconds=round(seconds))
    if span >= timedelta(days=2):
        return f"{span.days} days"
    if span >= timedelta(hours=2):
        return f"{span // timedelta(hours=1)} h"
    return f"{span // timedelta(minutes=1)} min" if span >= timedelta(minutes=2) else f"{span.seconds} s"
