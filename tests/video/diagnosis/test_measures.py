import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gateway.model import ImageFault, Measures, Thresholds
from gateway.video.diagnosis.measures import look, measure
from gateway.video.diagnosis.references import reference_of
from gateway.video.diagnosis.verdicts import judge


def street(seed: int = 1, high: int = 360, wide: int = 640) -> np.ndarray:
    """Boxes of many sizes and colours on a bright ground: edges everywhere."""
    chance = np.random.default_rng(seed)
    picture = np.full((high, wide, 3), 150, np.uint8)
    for _ in range(220):
        x, y = chance.integers(0, wide), chance.integers(0, high)
        picture[y : y + chance.integers(4, 60), x : x + chance.integers(4, 60)] = chance.integers(20, 240, 3)
    noise = chance.normal(0, 1.5, picture.shape)
    return (picture + noise).clip(0, 255).astype(np.uint8)


def told(frames: list[np.ndarray], valid: np.ndarray | None = None, reference: bytes | None = None) -> set[ImageFault]:
    return set(judge(look(frames, valid, reference), Thresholds.day(), False))


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        np.uint8,
        st.one_of(
            st.tuples(st.integers(1, 70), st.integers(1, 90)),
            st.tuples(st.integers(1, 70), st.integers(1, 90), st.just(3)),
        ),
        elements=st.integers(0, 255),
        fill=st.integers(0, 255),
    )
)
def test_every_picture_of_any_size_has_finite_measures(picture: np.ndarray) -> None:
    figures = measure(picture).to_json()

    assert all(figure is None or np.isfinite(figure) for figure in figures.values())
    assert judge(measure(picture), Thresholds.day(), False) <= set(ImageFault)


@pytest.mark.parametrize("shape", [(1, 1), (1, 640, 3), (360, 1, 3), (2, 3), (5000, 20), (20, 5000, 3)])
def test_odd_shapes_are_measured(shape: tuple[int, ...]) -> None:
    chance = np.random.default_rng(3)

    assert measure(chance.integers(0, 256, shape, np.uint8)).seen > 0


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((10, 10, 3), np.float32),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((0, 10, 3), np.uint8),
        np.zeros((10,), np.uint8),
        np.zeros((10, 10, 3), np.uint16),
    ],
)
def test_what_is_no_picture_is_refused_in_words(picture: np.ndarray) -> None:
    with pytest.raises(ValueError, match="picture"):
        measure(picture)


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="mask"):
        measure(street(), np.ones((10, 10), bool))


def test_masks_over_everything_leave_no_verdict() -> None:
    picture = np.zeros((360, 640, 3), np.uint8)

    assert told([picture]) == {ImageFault.BLACK}
    assert told([picture], np.zeros((360, 640), bool)) == set()


def test_a_black_mask_over_much_of_the_picture_is_not_seen() -> None:
    picture = street()
    valid = np.ones((360, 640), bool)
    valid[:, :300] = False
    picture[~valid] = 0
    intact = street()

    assert told([picture], valid, reference_of(intact, valid)) == set()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 639), st.integers(0, 359), st.integers(1, 640), st.integers(1, 360))
def test_any_mask_makes_no_intact_picture_black_or_lost(x: int, y: int, wide: int, high: int) -> None:
    picture, valid = street(), np.ones((360, 640), bool)
    valid[y : y + high, x : x + wide] = False
    picture[~valid] = 0

    assert not told([picture], valid) & {ImageFault.BLACK, ImageFault.SIGNAL_LOST, ImageFault.TOO_DARK}


def test_the_letterbox_is_no_part_of_the_picture() -> None:
    picture = street()
    boxed = picture.copy()
    boxed[:50] = 0
    boxed[-50:] = 0

    assert measure(boxed).seen == pytest.approx(260 / 360, abs=0.02)
    assert measure(boxed).brightness == pytest.approx(measure(picture[50:-50]).brightness, abs=2)


def test_grey_pictures_are_measured_as_such() -> None:
    grey = street()[:, :, 1]

    assert measure(grey).saturation < 1
    assert told([grey]) == set()


def test_measures_survive_the_way_to_the_worker() -> None:
    found = look([street(), street()], None, reference_of(street()))

    assert Measures.from_json(found.to_json()) == found
    with pytest.raises(KeyError):
        Measures.from_json({"seen": 1.0})
