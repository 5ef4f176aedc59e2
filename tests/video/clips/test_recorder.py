import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DeviceError
from gateway.ports import AccessUnit
from gateway.video.clips import footage
from gateway.video.clips.footage import KEYFRAME, RESTART, Cut
from gateway.video.clips.recorder import MOST_HOLDS, Recorder, Track

MIB = 1024 * 1024
GOP = 10  # pictures, half a second apart


def unit(
    number: int, *, keyframe: bool | None = None, codec: str = "h264", size: int = 100, name: str = "c"
) -> AccessUnit:
    """Picture ``number``, received at number / 2 s; every tenth a keyframe."""
    key = number % GOP == 0 if keyframe is None else keyframe
    return AccessUnit(name, number / 2, key, codec, bytes([number % 251]) * size, number * 45000)


def feed(track: Track, start: int, stop: int, **kwargs: object) -> None:
    for number in range(start, stop):
        track.add(unit(number, **kwargs))  # type: ignore[arg-type]


def payloads(cut: Cut) -> list[bytes]:
    whole = b"".join(cut.payloads)
    assert len(whole) == cut.bytes
    out, at = [], 0
    for size in cut.sizes:
        out.append(whole[at : at + size])
        at += size
    return out


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(8 * MIB)


def test_a_cut_begins_with_the_keyframe_at_or_before_and_ends_in_time(recorder: Recorder) -> None:
    recorder.keep("c", 30)
    feed(recorder.track("c"), 0, 45)
    cut = recorder.cut("c", 8.0, 16.25)
    assert list(cut.received) == [n / 2 for n in range(10, 33)]
    assert list(cut.rtp_times) == [n * 45000 for n in range(10, 33)]
    assert payloads(cut) == [unit(n).payload for n in range(10, 33)]
    assert [bool(flag & KEYFRAME) for flag in cut.flags] == [n % GOP == 0 for n in range(10, 33)]
    assert (cut.camera_id, cut.codec) == ("c", "h264")


def test_the_open_gop_is_part_of_a_cut_and_grows_on(recorder: Recorder) -> None:
    recorder.keep("c", 30)
    track = recorder.track("c")
    feed(track, 0, 5)
    assert len(recorder.cut("c", 0, 99).sizes) == 5
    feed(track, 5, 8)
    assert len(recorder.cut("c", 0, 99).sizes) == 8


def test_a_span_from_before_the_first_keyframe_begins_with_that(recorder: Recorder) -> None:
    recorder.keep("c", 30)
    feed(recorder.track("c"), 3, 25)
    cut = recorder.cut("c", 0, 99)
    assert cut.received[0] == 5.0
    assert payloads(cut)[0] == unit(10).payload


def test_nobody_asked_then_nothing_is_wanted(recorder: Recorder) -> None:
    track = recorder.track("c")
    assert not track.wants
    feed(track, 0, 30)
    assert recorder.bytes == 0
    with pytest.raises(DeviceError, match="no video of camera c"):
        recorder.cut("c", 0, 99)
    with pytest.raises(DeviceError, match="camera other is not known"):
        recorder.cut("other", 0, 99)


def test_what_is_too_old_goes_by_whole_gops(recorder: Recorder) -> None:
    recorder.keep("c", 10)
    feed(recorder.track("c"), 0, 60)
    recorder.prune(30.0)
    cut = recorder.cut("c", 0, 99)
    assert cut.received[0] == 15.0  # its last picture is of 19.5, younger than 10 s and the margin
    assert recorder.dropped == 0


def test_a_camera_gone_dark_keeps_nothing_after_its_time(recorder: Recorder) -> None:
    recorder.keep("c", 10)
    feed(recorder.track("c"), 0, 25)
    recorder.prune(100.0)
    assert recorder.bytes == 0
    assert recorder.track("c").wants


def test_no_longer_kept(recorder: Recorder) -> None:
    recorder.keep("c", 10)
    track = recorder.track("c")
    feed(track, 0, 25)
    recorder.keep("c", 0)
    assert not track.wants
    recorder.prune(20.0)
    assert recorder.bytes == 0


def test_a_hold_records_a_camera_that_is_not_kept_and_ends_by_itself(recorder: Recorder) -> None:
    recorder.prune(0.0)
    recorder.hold("c", -30.0, 20.0)
    track = recorder.track("c")
    assert track.wants
    feed(track, 3, 45)
    recorder.prune(22.5)
    assert not track.wants
    recorder.prune(79.0)
    cut = recorder.cut("c", -30.0, 20.0)
    assert (cut.received[0], cut.received[-1]) == (5.0, 20.0)
    recorder.prune(81.0)
    assert recorder.bytes == 0


def test_a_hold_keeps_its_span_of_a_kept_camera_and_only_that(recorder: Recorder) -> None:
    recorder.keep("c", 10)
    track = recorder.track("c")
    feed(track, 0, 40)
    recorder.hold("c", 6.0, 14.0)
    feed(track, 40, 120)
    recorder.prune(60.0)
    assert recorder.cut("c", 6.0, 14.0).received[0] == 5.0
    whole = recorder.cut("c", 0.0, 99.0)
    assert sorted({int(at) // 5 for at in whole.received}) == [1, 2, 9, 10, 11]
    recorder.prune(73.0)
    assert recorder.cut("c", 0.0, 99.0).received[0] == 5.0
    recorder.prune(80.0)
    assert recorder.bytes == 0


def test_holds_are_few(recorder: Recorder) -> None:
    for number in range(10 * MOST_HOLDS):
        recorder.hold("c", number, number + 1)
    assert len(recorder.track("c")._holds) == MOST_HOLDS


def test_a_span_that_is_held_again_is_one(recorder: Recorder) -> None:
    recorder.hold("c", 1.0, 2.0)
    for _ in range(2 * MOST_HOLDS):
        recorder.hold("c", 3.0, 4.0)
    assert recorder.track("c")._holds == [(1.0, 2.0), (3.0, 4.0)]


def test_after_a_gap_a_keyframe_comes_first_and_is_marked(recorder: Recorder) -> None:
    recorder.keep("c", 60)
    track = recorder.track("c")
    feed(track, 0, 5)
    track.gap()
    feed(track, 5, 15)
    cut = recorder.cut("c", 0, 99)
    assert [at * 2 for at in cut.received] == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    assert [bool(flag & RESTART) for flag in cut.flags] == [True, *[False] * 4, True, *[False] * 4]


def test_over_the_budget_the_oldest_of_all_goes_first_and_is_counted() -> None:
    recorder = Recorder(200_000)
    for name in ("a", "b"):
        recorder.keep(name, 1000)
    for start in range(0, 100, GOP):
        for name in ("a", "b"):
            feed(recorder.track(name), start, start + GOP, size=2000, name=name)
    assert recorder.bytes <= 200_000 + 2 * GOP * 2100
    assert recorder.dropped >= 10
    oldest = {name: recorder.cut(name, 0, 999).received[0] for name in ("a", "b")}
    assert abs(oldest["a"] - oldest["b"]) <= GOP / 2
    assert all(recorder.cut(name, 0, 999).received[-1] == 49.5 for name in ("a", "b"))


def test_over_the_budget_held_spans_go_last() -> None:
    recorder = Recorder(200_000)
    recorder.keep("a", 1000)
    recorder.keep("b", 1000)
    feed(recorder.track("a"), 0, 20, size=2000)
    recorder.hold("a", 0.0, 9.5)
    feed(recorder.track("b"), 20, 400, size=2000)
    assert len(recorder.cut("a", 0, 99).sizes) == 20


def test_holding_more_than_the_budget_does_not_break_it() -> None:
    recorder = Recorder(100_000)
    recorder.hold("a", 0.0, 1000.0)
    feed(recorder.track("a"), 0, 1000, size=2000)
    assert recorder.bytes <= 100_000 + GOP * 2100
    assert recorder.cut("a", 0, 1000).received[-1] == 499.5


def test_without_a_budget_nothing_is_wanted() -> None:
    recorder = Recorder(0)
    recorder.keep("c", 30)
    recorder.hold("c", 0, 10)
    assert not recorder.track("c").wants
    feed(recorder.track("c"), 0, 30)
    assert recorder.bytes == 0
    with pytest.raises(DeviceError, match=r"video\.clip_mib is 0"):
        recorder.cut("c", 0, 99)


def test_a_gop_without_end_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.video.clips.recorder.CLIP_BYTES", 50_000)
    recorder = Recorder(8 * MIB)
    recorder.keep("c", 1000)
    track = recorder.track("c")
    for number in range(1000):
        track.add(unit(number, keyframe=number == 0))
    assert recorder.dropped == 1
    assert recorder.bytes == 0
    feed(track, 1000, 1010)
    assert len(recorder.cut("c", 0, 9999).sizes) == 10


def test_keyframes_without_end_share_segments(recorder: Recorder) -> None:
    recorder.keep("c", 30)
    track = recorder.track("c")
    for number in range(100):
        track.add(AccessUnit("c", number / 25, True, "h264", b"k", number))
    assert len(track.segments) < 10
    cut = recorder.cut("c", 2.01, 99)
    assert cut.received[0] == 2.0  # to the keyframe, not to the segment
    assert set(cut.flags) == {KEYFRAME}


def test_the_keyframe_is_the_object_that_was_given(recorder: Recorder) -> None:
    recorder.keep("c", 30)
    key = unit(0)
    recorder.track("c").add(key)
    assert recorder.cut("c", 0, 99).payloads[0] is key.payload


def test_mjpeg_is_not_kept_and_said_so(recorder: Recorder) -> None:
    recorder.keep("c", 30)
    track = recorder.track("c")
    feed(track, 0, 1, codec="mjpeg")
    assert not track.wants
    assert recorder.bytes == 0
    with pytest.raises(DeviceError, match="camera c sends MJPEG, of which no clip is made"):
        recorder.cut("c", 0, 99)
    track.gap()
    assert track.wants  # it may come back as something else


def test_of_two_codecs_the_longer_part(recorder: Recorder) -> None:
    recorder.keep("c", 99)
    track = recorder.track("c")
    feed(track, 0, 10, codec="h264")
    feed(track, 10, 50, codec="h265")
    feed(track, 50, 60, codec="h264")
    cut = recorder.cut("c", 0, 99)
    assert (cut.codec, cut.received[0], cut.received[-1]) == ("h265", 5.0, 24.5)


@pytest.mark.parametrize(
    ("limit", "wanted"), [(100 * 100, (0, 99)), (50 * 100, (20, 69)), (250, (40, 41)), (50, (40, 40))]
)
def test_what_is_too_long_is_cut_around_the_middle(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, limit: int, wanted: tuple[int, int]
) -> None:
    monkeypatch.setattr("gateway.video.clips.recorder.CLIP_BYTES", limit + 10_000_000)
    recorder.keep("c", 999)
    feed(recorder.track("c"), 0, 100)
    monkeypatch.setattr("gateway.video.clips.recorder.CLIP_BYTES", limit)
    cut = recorder.cut("c", 0, 99)
    assert cut.flags[0] & KEYFRAME
    assert (cut.received[0] * 2, cut.received[-1] * 2) == wanted


def test_a_forgotten_camera_takes_nothing_any_more(recorder: Recorder) -> None:
    recorder.keep("c", 30)
    track = recorder.track("c")
    feed(track, 0, 15)
    recorder.forget("c")
    assert recorder.bytes == 0
    assert not track.wants
    feed(track, 15, 45)
    track.gap()
    assert recorder.bytes == 0
    recorder.prune(1.0)
    assert recorder.track("c") is not track
    recorder.forget("never seen")


Step = tuple[str, int, float]
steps = st.lists(
    st.tuples(
        st.sampled_from(["unit", "key", "gap", "prune", "hold", "keep", "unkeep", "forget"]),
        st.integers(0, 2),
        st.floats(0, 20),
    ),
    max_size=120,
)


@given(steps)
def test_whatever_happens_the_books_are_right(script: list[Step]) -> None:
    recorder = Recorder(20_000)
    now = 100.0
    for what, number, amount in script:
        name = f"c{number}"
        now += amount / 10
        match what:
            case "unit":
                recorder.track(name).add(AccessUnit(name, now, False, "h264", bytes(900), 2**32 + 5))
            case "key":
                recorder.track(name).add(AccessUnit(name, now, True, "h264", bytes(1500), 7))
            case "gap":
                recorder.track(name).gap()
            case "prune":
                recorder.prune(now)
            case "hold":
                recorder.hold(name, now - amount, now + amount)
            case "forget":
                recorder.forget(name)
            case _:
                recorder.keep(name, amount if what == "keep" else 0)
        kept = [segment for track in recorder._tracks.values() for segment in track.segments]
        assert recorder.bytes == sum(segment.bytes for segment in kept)
        for track in recorder._tracks.values():
            assert not track.segments or track.camera_id in recorder._active
            try:
                cut = recorder.cut(track.camera_id, 0.0, now)
            except DeviceError:
                continue
            assert cut.flags[0] & KEYFRAME
            assert len(cut.sizes) == len(cut.flags) == len(cut.received) == len(cut.rtp_times)
            assert sum(map(len, cut.payloads)) == cut.bytes
    recorder.prune(now + 1000)
    assert recorder.bytes == 0


def test_the_limit_leaves_room_for_an_upper_nodes() -> None:
    assert footage.CLIP_BYTES < 64 * MIB
