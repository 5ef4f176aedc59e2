import cv2
import numpy as np
import pytest

from gateway.model import ImageFault, Thresholds
from gateway.video.diagnosis import covers
from gateway.video.diagnosis.measures import look
from gateway.video.diagnosis.references import compare, read_reference, reference_of, tint, view_of
from gateway.video.diagnosis.verdicts import judge


def yard(shift: int = 0, seed: int = 5) -> np.ndarray:
    chance = np.random.default_rng(seed)
    picture = np.full((460, 900, 3), 140, np.uint8)
    for _ in range(260):
        x, y = chance.integers(0, 900), chance.integers(0, 460)
        picture[y : y + chance.integers(6, 50), x : x + chance.integers(6, 50)] = chance.integers(20, 240, 3)
    noisy = picture + np.random.default_rng(shift + 100).normal(0, 1.5, picture.shape)
    return noisy.clip(0, 255).astype(np.uint8)[50:410, 100 + shift : 740 + shift]


def test_a_reference_is_small_and_reads_back() -> None:
    valid = np.ones((360, 640), bool)
    valid[:90] = False
    reference = reference_of(yard(), valid)
    view = read_reference(reference)

    assert len(reference) <= 20_000
    assert (view.grey == view_of(yard(), valid).grey).all()
    assert not view.valid[:20].any() and view.valid[30:].all()


@pytest.mark.parametrize(
    "spoil", [lambda reference: b"V0" + reference[2:], lambda reference: reference[:-1], lambda _: b""]
)
def test_a_reference_of_another_version_is_refused(spoil) -> None:
    with pytest.raises(ValueError, match="take a new one"):
        read_reference(spoil(reference_of(yard())))


def test_the_same_view_is_kept_and_another_is_not() -> None:
    same, other = compare(view_of(yard()), view_of(yard())), compare(view_of(yard()), view_of(yard(seed=6)))

    assert same is not None and same.kept == 1.0
    assert same.home > Thresholds.day().moved_home
    assert other is not None and other.kept < Thresholds.day().moved_kept and other.home < Thresholds.day().moved_home


def test_a_view_that_turned_aside_fits_better_elsewhere() -> None:
    found = compare(view_of(yard()), view_of(yard(shift=80)))

    assert found is not None and found.home < 1


def test_rows_of_windows_turned_aside_by_one_are_another_view() -> None:
    picture = np.full((360, 900, 3), 170, np.uint8)
    for x in range(10, 880, 60):
        for y in range(60, 300, 60):
            picture[y : y + 30, x : x + 24] = 60
    picture[150:240, 300:420] = (40, 60, 150)  # all that is not the same one window aside

    home, aside = view_of(picture[:, 60:700]), view_of(picture[:, 120:760])
    turned, stayed = compare(home, aside), compare(home, home)

    assert turned is not None and turned.home < Thresholds.day().moved_home
    assert stayed is not None and stayed.home > Thresholds.day().moved_home


def test_a_cast_is_told_from_a_place_that_has_its_colour() -> None:
    field = np.clip(yard() * np.array([0.45, 0.85, 1.0]), 0, 255).astype(np.uint8)  # a yellow place
    filtered = np.clip(yard() * np.array([0.35, 0.8, 1.3]), 0, 255).astype(np.uint8)
    day = Thresholds.day()

    assert judge(look([field], None, reference_of(field)), day, False) == set()
    assert judge(look([filtered], None, reference_of(yard())), day, False) == {ImageFault.COLOUR_CAST}


def test_a_reference_under_infrared_light_says_nothing_of_colours() -> None:
    grey = yard()[:, :, 1]

    assert tint(view_of(grey), view_of(yard())) is None
    assert tint(view_of(yard()), view_of(yard())) == 0.0


def test_a_reference_without_structure_says_nothing() -> None:
    assert compare(view_of(np.full((360, 640, 3), 90, np.uint8)), view_of(yard())) is None


def test_infrared_light_is_the_same_view() -> None:
    by_night = (255 - yard().mean(axis=2)) * 0.5

    found = compare(view_of(yard()), view_of(by_night.astype(np.uint8)))

    assert found is not None and found.kept > 0.8


def test_a_turned_camera_is_told_and_a_covered_one_is_not_called_turned() -> None:
    reference = reference_of(yard())
    hand = yard()
    hand[:, 120:] = (90, 120, 170)

    assert judge(look([yard(shift=90)], None, reference), Thresholds.day(), False) == {ImageFault.MOVED}
    assert judge(look([hand], None, reference), Thresholds.day(), False) == {ImageFault.COVERED}


def test_behind_a_cover_the_view_is_gone_and_after_a_turn_it_is_another_one() -> None:
    covered = yard()
    covered[:, 200:] = (90, 120, 170)
    softened = cv2.GaussianBlur(yard(), (0, 0), 5)
    gone = {}
    for name, picture in (("covered", covered), ("turned", yard(shift=90)), ("softened", softened), ("same", yard())):
        found = compare(view_of(yard()), view_of(picture))
        assert found is not None
        gone[name] = covers.gone(picture, found)

    assert gone["covered"] > 0.55
    assert max(gone["turned"], gone["softened"], gone["same"]) < 0.1


def test_what_fades_in_its_place_has_weaker_edges() -> None:
    faint = (yard() * 0.3 + 90).astype(np.uint8)
    found, same = (compare(view_of(yard()), view_of(picture)) for picture in (faint, yard()))

    assert (
        found is not None and found.faded == pytest.approx(0.3, abs=0.05) and found.home > Thresholds.day().moved_home
    )
    assert same is not None and same.faded == pytest.approx(1.0, abs=0.02)


def test_shaking_is_told_and_a_slow_pan_is_not() -> None:
    shaken = [yard(shift) for shift in (0, 16, -10, 22, 0)]
    panned = [yard(shift) for shift in (0, 10, 20, 30, 40)]

    assert ImageFault.SHAKE in judge(look(shaken), Thresholds.day(), False)
    assert ImageFault.SHAKE not in judge(look(panned), Thresholds.day(), False)
    assert look(panned[:2]).jitter is None


def test_pictures_that_are_one_and_the_same_are_frozen_whatever_their_clock_says() -> None:
    frames = [yard().copy() for _ in range(3)]
    for number, frame in enumerate(frames):
        frame[8:28, 400 + 30 * number : 420 + 30 * number] = 255

    assert ImageFault.FROZEN in judge(look(frames), Thresholds.day(), False)
    alive = [yard(), np.roll(yard(), 1, axis=2), yard(seed=7)]
    assert ImageFault.FROZEN not in judge(look(alive), Thresholds.day(), False)
    assert look(frames[:1]).stillness is None
