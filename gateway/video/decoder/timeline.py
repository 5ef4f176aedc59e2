"""When the pictures of a clip are shown: by the camera's clock while that is plausible, by ours where it is not.

A camera's clock gives the true distance from picture to picture, which the network's does not; but it jumps by hours,
starts anew with every connection and goes backwards. Ours never does. Times here are ticks of 90 kHz.
"""

import math
from collections.abc import Collection, Sequence
from itertools import pairwise

CLOCK_RATE = 90_000
JUMP_S = 2.0
"""Off by more than this from our clock, the camera's has jumped. A network may hold pictures up for as long."""
SLACK_S = 0.25
"""Less is jitter: nothing is corrected."""
PULL = 0.02
"""A clock of a wrong rate (some count pictures, whatever their true rate) is pulled back by this part of its error."""
_PLAUSIBLE_RATE = (0.2, 1.8)
"""Of 90 kHz. Further off the pull would not keep up: such a clock (1 kHz, or one that stands still) is not used at all."""
STEP = 90
"""1 ms: no two pictures are closer."""
_REORDERED = 1 / 8
"""With B-frames at least a quarter of all steps go back; a clock that was set back makes one."""


def presentation(received: Sequence[float], rtp_times: Sequence[int], restarts: Collection[int]) -> list[int]:
    """When each access unit (in decoding order) is shown, from 0 for the first; no two at the same time.

    ``received``: seconds of our clock; ``rtp_times``: the camera's 90 kHz clock, 32 bits (RFC 3550 §5.1); ``restarts``:
    units before which the connection broke. Order is kept, unless the stream has B-frames.
    """
    camera = _unwrapped(rtp_times)
    if not _plausible(camera, received):
        camera = [round((at - received[0]) * CLOCK_RATE) for at in received]
    reordered = _reordered(camera)
    shown: list[int] = []
    offset, high, before = 0.0, -STEP, 0
    for number, (at, ticks) in enumerate(zip(received, camera, strict=True)):
        error = (at - received[0]) * CLOCK_RATE - ticks - offset
        jumped = abs(error) > JUMP_S * CLOCK_RATE or (ticks <= before and not reordered)
        if number == 0 or number in restarts or jumped:
            offset = max(offset + error, high + STEP - ticks)
        elif abs(error) > SLACK_S * CLOCK_RATE:
            offset += PULL * (error - math.copysign(SLACK_S * CLOCK_RATE, error))
        time = round(ticks + offset)
        shown.append(time if reordered else max(time, high + STEP))
        high = max(high, shown[-1])
        before = ticks
    return _apart(shown) if reordered else shown


def decoding(shown: Sequence[int]) -> list[int]:
    """When each unit is decoded: strictly rising, never after it is shown (ISO/IEC 14496-12 §8.6.1)."""
    rising = sorted(shown)
    delay = max((early - time for early, time in zip(rising, shown, strict=True)), default=0)
    return [time - delay for time in rising]


def _unwrapped(rtp_times: Sequence[int]) -> list[int]:
    """Each step is the shorter way round the 32 bits, forwards or back."""
    ticks: list[int] = []
    total = 0
    for number, time in enumerate(rtp_times):
        if number:
            total += (time - rtp_times[number - 1] + 2**31 & 0xFFFFFFFF) - 2**31
        ticks.append(total)
    return ticks


def _plausible(ticks: Sequence[int], received: Sequence[float]) -> bool:
    """Whether it counts about 90,000 a second, leaving out the steps at which either clock shows a break."""
    usual = sorted(abs(later - earlier) for earlier, later in pairwise(sorted(ticks)))
    waits = [later - earlier for earlier, later in pairwise(received) if later - earlier < JUMP_S]
    if not waits or sum(waits) <= 0:
        return True
    slowest, fastest = _PLAUSIBLE_RATE
    return slowest <= usual[len(usual) // 2] / CLOCK_RATE / (sum(waits) / len(waits)) <= fastest


def _reordered(ticks: Sequence[int]) -> bool:
    steps = [later - earlier for earlier, later in pairwise(ticks)]
    return sum(-CLOCK_RATE < step < 0 for step in steps) > len(steps) * _REORDERED


def _apart(shown: list[int]) -> list[int]:
    last = -math.inf
    for number in sorted(range(len(shown)), key=shown.__getitem__):
        last = shown[number] = int(max(shown[number], last + STEP))
    return shown
