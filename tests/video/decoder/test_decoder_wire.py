"""Masks on their way to the decoder."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.video.decoder.wire import WHOLE, pack_masks, unpack_masks

_PART = st.floats(0, 1)
_MASKS = st.lists(st.lists(st.tuples(_PART, _PART), min_size=3, max_size=32).map(tuple), max_size=16)


@given(_MASKS, st.binary(max_size=50))
def test_masks_arrive_and_the_keyframe_behind_them(masks, keyframe) -> None:
    found, rest = unpack_masks(memoryview(pack_masks(masks) + keyframe))
    assert bytes(rest) == keyframe
    assert found == [[(round(x * WHOLE), round(y * WHOLE)) for x, y in mask] for mask in masks]
