from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.onvif.inspection.profiles import Profile, choose
from gateway.errors import ProtocolFault


def profile(token: str, encoding: str | None = "h264", size: str = "", **more: Any) -> Profile:
    width, _, height = size.partition("x")
    more.setdefault("source", "s")
    return Profile(token, encoding=encoding, width=int(width or 0) or None, height=int(height or 0) or None, **more)


@pytest.mark.parametrize(
    ("offered", "main", "sub"),
    [
        ([("a", "h264", "1920x1080"), ("b", "h264", "640x360")], "a", "b"),
        ([("b", "h264", "640x360"), ("a", "h265", "3840x2160")], "a", "b"),
        # The least in the wanted band, not the least of all.
        ([("a", "h265", "2560x1440"), ("b", "h264", "352x288"), ("c", "h264", "704x576"), ("d", "h264", "640x480")], "a", "d"),
        # H.264 before H.265 in the band, but a band of H.265 before a tiny H.264.
        ([("a", "h265", "2560x1440"), ("b", "h265", "640x360"), ("c", "h264", "704x576")], "a", "c"),
        ([("a", "h265", "2560x1440"), ("b", "h265", "640x360"), ("c", "h264", "352x288")], "a", "b"),
        ([("a", "h264", "3840x2160"), ("b", "h264", "1280x720"), ("c", "h264", "352x288")], "a", "b"),
        ([("a", "h264", "3840x2160"), ("b", "h264", "1920x1080"), ("c", "h264", "352x288")], "a", "c"),
        ([("a", "h264", "3840x2160"), ("b", "h264", "1920x1080"), ("c", "h264", "176x144")], "a", "b"),
        # Nothing worth a second session.
        ([("a", "h264", "1280x720"), ("b", "jpeg", "640x360")], "a", None),
        ([("a", "h264", "1280x720"), ("b", "h264", "1280x720")], "a", None),
        ([("a", "h264", "1280x720"), ("b", "h264", "176x144")], "a", None),
        ([("a", "h264", "1280x720")], "a", None),
        # JPEG and MPEG-4 only where there is nothing else.
        ([("a", "jpeg", "1920x1080"), ("b", "h264", "640x480")], "b", None),
        ([("a", "mpeg4", "704x576"), ("b", "jpeg", "1280x960")], "b", None),
        # An encoder that Media1 leaves empty is H.265: the main stream where it comes first, else no better than the known.
        ([("a", None, ""), ("b", "h264", "704x576")], "a", "b"),
        ([("a", None, ""), ("b", None, "")], "a", "b"),
        ([("a", "h264", "1920x1080"), ("b", None, "")], "a", "b"),
        ([("a", "h264", "1920x1080"), ("b", None, ""), ("c", "h264", "640x360")], "a", "c"),
        # Equal in size.
        ([("a", "h265", "1920x1080"), ("b", "h264", "1920x1080")], "b", None),
        ([("a", "h264", "1920x1080"), ("b", "h264", "1920x1080")], "a", None),
    ],
)  # fmt: skip
def test_main_and_sub(offered: list[tuple[str, str | None, str]], main: str, sub: str | None) -> None:
    found = choose([profile(*one) for one in offered])
    assert (found[0].token, found[1] and found[1].token) == (main, sub)


def test_the_faster_of_two_equal_streams_is_the_main_one() -> None:
    slow, fast = profile("a", size="1920x1080", fps=5.0), profile("b", size="1920x1080", fps=25.0)
    assert choose([slow, fast])[0] is fast


def test_a_recorders_channels_are_kept_apart() -> None:
    first = [profile("a", size="1280x720", source="1"), profile("b", size="640x360", source="1")]
    second = [profile("c", size="1920x1080", source="2"), profile("d", size="704x576", source="2")]
    assert choose([*first, *second]) == (first[0], first[1])
    assert choose([*first, *second], "2") == (second[0], second[1])


def test_a_source_without_a_profile_is_named() -> None:
    with pytest.raises(ProtocolFault, match="no stream of the video source “9”"):
        choose([profile("a")], "9")
    with pytest.raises(ProtocolFault):
        choose([])


_profiles = st.builds(
    Profile,
    token=st.sampled_from("abcdefgh"),
    source=st.sampled_from(["1", "2", None]),
    encoding=st.sampled_from(["h264", "h265", "jpeg", "mpeg4", "av1", None]),
    width=st.none() | st.integers(1, 8000),
    height=st.none() | st.integers(1, 8000),
    fps=st.none() | st.floats(0.1, 60),
)


@given(st.lists(_profiles, min_size=1, max_size=8, unique_by=lambda one: one.token))
def test_a_sub_stream_is_another_smaller_one_of_the_same_source(offered: list[Profile]) -> None:
    main, sub = choose(offered)
    assert main.source == offered[0].source
    if sub is not None:
        assert sub.source == main.source
        assert sub.token != main.token
        assert sub.encoding in ("h264", "h265", None)
        assert main.area is None or sub.area is None or sub.area < main.area


@given(st.lists(_profiles, min_size=2, max_size=8, unique_by=lambda one: one.token))
def test_a_jpeg_stream_is_main_only_where_all_are(offered: list[Profile]) -> None:
    same = [replace(one, source="1") for one in offered]
    main, _ = choose(same)
    if main.encoding in ("jpeg", "mpeg4", "av1"):
        assert not [one for one in same if one.encoding in ("h264", "h265", None)]
