"""Suspicions, from figures and from what real encoders make of a frozen picture and of a still scene."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gateway.lab.encoder import Coding, Encoder
from gateway.video.cameras.freeze import FreezeWatch, Suspicion, picture_at

Keyframe = tuple[bytes, int]
CODING = Coding(320, 180, 5, 10, 256_000, preset="ultrafast")
GOP_S = 2.0


def watched(keyframes: Iterator[Keyframe], watch: FreezeWatch, began: float = 0.0) -> list[Suspicion]:
    """Feed keyframes, each with the bytes of the GOP that follows, one GOP apart."""
    received, seen = 0, []
    for number, (payload, gop_bytes) in enumerate(keyframes):
        seen.append(watch.note(payload, received, began + number * GOP_S))
        received += gop_bytes
    return seen


def figures(count: int, size: Callable[[int], int], between: int, first: int = 0) -> Iterator[Keyframe]:
    for number in range(first, first + count):
        payload = number.to_bytes(4) + bytes(size(number) - 4)
        yield payload, len(payload) + between


def test_keyframes_that_are_one_and_the_same_for_ten_seconds() -> None:
    watch = FreezeWatch()
    seen = watched(((b"the same", 60_000) for _ in range(8)), watch)
    assert seen == [Suspicion.NONE] * 5 + [Suspicion.STRONG] * 3
    assert watch.since == 0.0
    assert watch.note(b"another one", 500_000, 16.0) is Suspicion.NONE


def test_a_collapse_against_what_is_usual_for_this_camera() -> None:
    watch = FreezeWatch()
    assert set(watched(figures(40, lambda n: 20_000 + n % 7 * 900, 100_000), watch)) == {Suspicion.NONE}
    received, last = 40 * 122_700, Suspicion.NONE
    for number in range(40, 60):
        last = watch.note(number.to_bytes(4) + bytes(21_000), received, number * GOP_S)
        received += 21_000 + 3_000
    assert last is Suspicion.STRONG
    assert watch.since >= 78
    assert watch.note(bytes(26_000), received, 120.0) is Suspicion.NONE


def test_sizes_alone_are_a_weak_suspicion() -> None:
    seen = watched(figures(12, lambda n: 20_000 + n % 3, 100_000), FreezeWatch())
    assert seen[-1] is Suspicion.WEAK


def test_a_scene_that_lives_is_not_suspected() -> None:
    seen = watched(figures(60, lambda n: 20_000 + n * 977 % 4_000, 80_000), FreezeWatch())
    assert set(seen) == {Suspicion.NONE}


def test_what_a_decode_has_vindicated_begins_anew() -> None:
    watch = FreezeWatch()
    watched(((b"the same", 60_000) for _ in range(8)), watch)
    watch.vindicated()
    assert watch.note(b"the same", 480_000, 16.0) is not Suspicion.STRONG


def test_a_pause_in_the_connection_is_no_stillness() -> None:
    watch = FreezeWatch()
    watched(figures(40, lambda n: 20_000 + n % 7 * 900, 100_000), watch)
    watch.broken()
    assert watch.note(bytes(20_000), 40 * 122_700, 600.0) is Suspicion.NONE


def test_once_confirmed_a_creeping_size_is_not_yet_movement() -> None:
    for confirmed, expected in ((False, Suspicion.NONE), (True, Suspicion.STRONG)):
        watch = FreezeWatch()
        watched(figures(7, lambda n: 20_000, 1_000), watch)
        watch.confirmed = confirmed
        assert watch.note(bytes(20_600), 7 * 21_000, 14.0) is expected


MESSAGES = {"h264": (b"\x67sps", b"\x68pps", b"\x06"), "h265": (b"\x42\x01sps", b"\x44\x01pps", b"\x4e\x01")}
SLICE = {"h264": b"\x65", "h265": b"\x26\x01"}


@pytest.mark.parametrize("codec", ["h264", "h265"])
@pytest.mark.parametrize(("picture", "expected"), [(0, Suspicion.STRONG), (2_000, Suspicion.NONE)])
def test_what_is_told_ahead_of_a_picture_is_not_the_picture(codec: str, picture: int, expected: Suspicion) -> None:
    """Every other keyframe carries a long SEI message, each another time of day; 2,000: the picture differs as much."""
    watch, seen = FreezeWatch(), Suspicion.NONE
    for number in range(12):
        sets = b"".join(b"\x00\x00\x00\x01" + each for each in MESSAGES[codec])
        ahead = sets + bytes([0x10 + number]) + b"\x80" * (2_000 * (number % 2)) + b"\x00\x00\x01"
        payload = ahead + SLICE[codec] + b"\x55" * (20_000 + picture * (number % 2))
        begins = picture_at(payload, codec)
        assert begins == len(ahead)
        seen = watch.note(payload, number * 120_000, number * GOP_S, picture_at=begins)
    assert seen is expected


@given(st.binary(max_size=64), st.sampled_from(["h264", "h265", "mjpeg"]))
def test_where_a_picture_begins_is_within_it(payload: bytes, codec: str) -> None:
    assert 0 <= picture_at(payload, codec) <= len(payload)


@given(st.lists(st.tuples(st.binary(max_size=8), st.integers(0, 10**7), st.floats(0, 1e6)), max_size=60))
def test_no_figures_are_too_odd(keyframes: list[tuple[bytes, int, float]]) -> None:
    watch = FreezeWatch()
    for payload, received, at in keyframes:
        watch.note(payload, received, at)


def scene() -> NDArray[np.uint8]:
    picture = np.zeros((CODING.height, CODING.width, 3), np.uint8)
    picture[:] = np.linspace(20, 60, CODING.width, dtype=np.uint8)[None, :, None]
    for number in range(20):
        corner = (number * 53 % CODING.width, number * 31 % CODING.height)
        cv2.rectangle(picture, corner, (corner[0] + 25, corner[1] + 18), (number * 7, 90, 60), -1)
    return picture


def encoded(coding: Coding, noise: float, gops: int = 12) -> Iterator[Keyframe]:
    """A picture as ``coding`` encodes it again and again, with the sensor's noise in grey levels."""
    encoder, still, random = Encoder(coding), scene().astype(np.float32), np.random.default_rng(1)
    for _ in range(gops):
        gop = []
        for _ in range(coding.gop):
            grain = random.normal(0, noise, still.shape) if noise else 0.0
            gop.append(encoder.encode(np.clip(still + grain, 0, 255).astype(np.uint8)))
        yield b"".join(gop[0].nals), sum(unit.size + 18 for unit in gop)


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_picture_encoded_again_and_again_is_suspected(codec: str) -> None:
    seen = watched(encoded(replace(CODING, codec=codec), noise=0), FreezeWatch())
    assert seen[-1] > Suspicion.NONE


def test_at_a_constant_quantiser_the_suspicion_is_strong() -> None:
    seen = watched(encoded(replace(CODING, quantiser=28), noise=0), FreezeWatch())
    assert seen[-1] is Suspicion.STRONG


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_the_noise_of_a_sensor_at_night_is_no_strong_suspicion(codec: str) -> None:
    seen = watched(encoded(replace(CODING, codec=codec), noise=2.0), FreezeWatch())
    assert Suspicion.STRONG not in seen
