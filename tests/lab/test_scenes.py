from datetime import UTC, datetime

import numpy as np
import pytest

from gateway.lab.scenes import painter
from gateway.model import Scene

AT = datetime(2026, 5, 4, 9, 8, 7, 300_000, tzinfo=UTC)
DRAWN = (Scene.STREET, Scene.RURAL, Scene.VILLAGE)


@pytest.mark.parametrize("scene", list(Scene))
@pytest.mark.parametrize(("width", "height"), [(640, 360), (1920, 1080)])
def test_every_scene_is_drawn_at_the_size_asked_for(scene: Scene, width: int, height: int) -> None:
    picture = painter(scene, width, height, "CAM").frame(12.0, AT)
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 20, "a picture, not a plain colour"


@pytest.mark.parametrize("scene", DRAWN)
def test_something_moves_below_the_caption(scene: Scene) -> None:
    artist = painter(scene, 640, 360, "CAM")
    before, after = artist.frame(3.0, AT)[30:330], artist.frame(3.5, AT)[30:330]
    assert np.count_nonzero(np.any(before != after, axis=2)) > 200


@pytest.mark.parametrize("scene", DRAWN)
def test_the_same_second_looks_the_same(scene: Scene) -> None:
    artist = painter(scene, 640, 360, "CAM")
    first = artist.frame(9.25, AT)
    artist.frame(77.0, AT)
    assert np.array_equal(first, artist.frame(9.25, AT))


def test_the_caption_tells_tenths_of_a_second_and_the_name() -> None:
    artist = painter(Scene.RURAL, 640, 360, "CAM A")
    one, other = artist.frame(1.0, AT), artist.frame(1.0, AT.replace(microsecond=400_000))
    changed = np.argwhere(np.any(one != other, axis=2))
    assert len(changed) > 0
    assert changed[:, 0].max() < 26, "only the clock at the top may differ"
    renamed = painter(Scene.RURAL, 640, 360, "CAM B").frame(1.0, AT)
    assert np.argwhere(np.any(one != renamed, axis=2))[:, 0].min() > 330, "only the name at the bottom may differ"


def test_scenes_differ() -> None:
    pictures = [painter(scene, 640, 360, "CAM").frame(1.0, AT).astype(int) for scene in DRAWN]
    for index, picture in enumerate(pictures):
        for other in pictures[index + 1 :]:
            assert np.abs(picture - other).mean() > 20
