import time

from gateway.supervision.clock import SystemClock


async def test_sleeping_passes_real_time() -> None:
    clock = SystemClock()
    before, wall = clock.mono(), clock.now()
    await clock.sleep(0.01)
    assert clock.mono() - before >= 0.009
    assert clock.now() >= wall
    assert clock.now().tzinfo is not None
    assert abs(clock.mono() - time.monotonic()) < 60
