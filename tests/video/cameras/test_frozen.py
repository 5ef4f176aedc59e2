"""From a suspicion to the fault ``frozen``, and back."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from gateway.errors import DeviceError
from gateway.lab.encoder import Coding, Encoder
from gateway.model import CameraState
from gateway.video.cameras.freeze import Suspicion
from gateway.video.cameras.frozen import AGAIN_S, UNDECODED_S, FrozenDesk
from gateway.video.decoder.decoder import Decoder
from gateway.video.wire import CameraOrder

A = CameraOrder("a", "rtsp://10.0.0.5/main")


@dataclass(frozen=True)
class Difference:
    mean: float
    block: float


class Judge:
    """Says what the test wants it to say."""

    def __init__(self) -> None:
        self.answer: Difference | DeviceError = Difference(0.0, 0.0)
        self.asked: list[tuple[bytes, bytes, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def differ(self, one: bytes, other: bytes, codec: str) -> Difference:
        self.asked.append((one, other, codec))
        await self.gate.wait()
        if isinstance(self.answer, DeviceError):
            raise self.answer
        return self.answer


def keyframes_of_a_still_scene() -> list[bytes]:
    """Keyframes of one scene under a sensor whose noise has a deviation of one grey level."""
    encoder, random = Encoder(Coding(320, 180, 5, 1, 512_000, preset="ultrafast")), np.random.default_rng(1)
    still = np.full((180, 320, 3), 60.0) + np.linspace(0, 90, 320)[None, :, None]
    found = []
    for _ in range(16):
        picture = np.clip(still + random.normal(0, 1, still.shape), 0, 255).astype(np.uint8)
        found.append(b"".join(b"\0\0\0\1" + nal for nal in encoder.encode(picture).nals))
    return found


@pytest.fixture
async def judge(stage: Any) -> AsyncIterator[Judge]:
    made = Judge()
    stage.fleet._frozen = FrozenDesk(made.differ, stage.fleet.ring, stage.clock)
    yield made


async def shows(stage: Any, payload: Callable[[int], bytes], count: int = 8, number: int = 0) -> None:
    line = await stage.line(number)
    for each in range(count):
        stage.clock.seconds += 2
        line.shows(stage.clock.mono(), payload=payload(each))
        stage.check()
        await stage.settled()


async def test_a_suspicion_that_a_decode_confirms_is_a_fault_until_the_picture_moves(stage: Any, judge: Judge) -> None:
    await stage.fleet.apply([A])
    await shows(stage, lambda n: b"the same")
    health = stage.health("a")
    assert (health.state, health.faults) == (CameraState.ONLINE, ("frozen",))
    assert judge.asked == [(b"the same", b"the same", "h264")]
    count = stage.fleet.changes.count
    await shows(stage, lambda n: b"moves again", count=1)
    assert stage.health("a").faults == ()
    assert stage.fleet.changes.count > count


async def test_a_suspicion_that_a_decode_does_not_confirm_is_let_rest(stage: Any, judge: Judge) -> None:
    judge.answer = Difference(0.2, 0.5)
    await stage.fleet.apply([A])
    await shows(stage, lambda n: b"the same", count=30)
    assert stage.health("a").faults == ()
    assert len(judge.asked) == 1
    stage.clock.seconds += AGAIN_S
    await shows(stage, lambda n: b"the same", count=8)
    assert len(judge.asked) == 2


async def test_a_block_that_differs_is_enough_to_be_seen_moving(stage: Any, judge: Judge) -> None:
    judge.answer = Difference(0.02, 4.0)
    await stage.fleet.apply([A])
    await shows(stage, lambda n: b"the same")
    assert stage.health("a").faults == ()


async def test_a_decoder_at_fault_decides_nothing(stage: Any, judge: Judge) -> None:
    judge.answer = DeviceError("the decoder is busy")
    await stage.fleet.apply([A])
    await shows(stage, lambda n: b"the same", count=10)
    assert (stage.health("a").faults, len(judge.asked)) == ((), 1)
    judge.answer = Difference(0, 0)
    stage.clock.seconds += UNDECODED_S
    await shows(stage, lambda n: b"the same", count=8)
    assert stage.health("a").faults == ("frozen",)


async def test_one_comparison_at_a_time(stage: Any, judge: Judge) -> None:
    judge.gate.clear()
    await stage.fleet.apply([A, CameraOrder("b", "rtsp://10.0.1.5/")])
    one, other = await stage.line(0), await stage.line(1)
    for _ in range(10):
        stage.clock.seconds += 2
        for line in (one, other):
            line.shows(stage.clock.mono(), payload=b"the same")
        stage.check()
        await stage.settled()
    assert len(judge.asked) == 1
    judge.gate.set()
    await stage.settled()
    stage.check()
    await stage.settled()
    assert len(judge.asked) == 2
    assert [health.faults for health in stage.fleet.health()] == [("frozen",), ("frozen",)]


async def test_a_picture_that_moved_while_it_was_compared_is_not_frozen(stage: Any, judge: Judge) -> None:
    judge.gate.clear()
    await stage.fleet.apply([A])
    await shows(stage, lambda n: b"the same")
    await shows(stage, lambda n: b"moves", count=1)
    judge.gate.set()
    await stage.settled()
    assert stage.health("a").faults == ()


async def test_closing_ends_a_comparison(stage: Any, judge: Judge) -> None:
    judge.gate.clear()
    await stage.fleet.apply([A])
    await shows(stage, lambda n: b"the same")
    assert len(judge.asked) == 1
    before = len(asyncio.all_tasks())
    await stage.fleet.close()
    assert len(asyncio.all_tasks()) < before


async def test_a_real_decoder_tells_a_frozen_picture_from_a_living_one(
    stage: Any, encode_keyframe: Callable[[int, int], bytes]
) -> None:
    decoder = Decoder()
    stage.fleet._frozen = FrozenDesk(decoder.difference, stage.fleet.ring, stage.clock)
    noisy = keyframes_of_a_still_scene()
    living = CameraOrder("living", "rtsp://10.0.1.5/")
    try:
        await stage.fleet.apply([A, living])
        frozen_line, living_line = await stage.line(0), await stage.line(1)
        still = encode_keyframe(320, 180)
        async with asyncio.timeout(90):
            for number in itertools.count():
                stage.clock.seconds += 2
                frozen_line.shows(stage.clock.mono(), payload=still)
                living_line.shows(stage.clock.mono(), payload=noisy[number % len(noisy)])
                for session, _ in stage.fleet._running.values():
                    session.suspicion = Suspicion.STRONG
                    session.freeze.since = 0.0
                stage.check()
                await asyncio.sleep(0.02)
                compared = stage.fleet._running["living"][0].not_compared_before > 0
                if compared and stage.health("a").faults:
                    break
        assert stage.health("a").faults == ("frozen",)
        assert stage.health("living").faults == ()
    finally:
        await decoder.close()
