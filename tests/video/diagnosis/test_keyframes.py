"""Keyframes that a look stands on, and those that verdicts stand on."""

from gateway.ports import AccessUnit
from gateway.video.diagnosis.keyframes import EVIDENCE, EVIDENCE_BYTES, IN_A_ROW, ROW_S, Evidence, newest_row, payloads
from gateway.video.pictures.ring import KeyframeRing, StoredKeyframe


def ring_of(*frames: tuple[float, str]) -> KeyframeRing:
    ring = KeyframeRing(max_age_s=1000.0)
    for at, codec in frames:
        ring.add(AccessUnit("c1", at, True, codec, b"%d" % at))
    return ring


def frame(number: int, payload: bytes = b"") -> StoredKeyframe:
    return StoredKeyframe(f"k{number}", "c1", float(number), "h264", payload)


def test_a_row_is_the_newest_few_newest_last() -> None:
    row = newest_row(ring_of(*((float(at), "h264") for at in range(10))), "c1")
    assert payloads(row) == [b"6", b"7", b"8", b"9"]
    assert len(row) == IN_A_ROW


def test_another_codec_and_what_is_long_past_are_no_part_of_it() -> None:
    row = newest_row(ring_of((0.0, "h265"), (1.0, "h264"), (ROW_S, "h265"), (ROW_S + 2, "h264")), "c1")
    assert [frame.received_mono for frame in row] == [ROW_S + 2]


def test_a_camera_that_showed_nothing_has_none() -> None:
    assert newest_row(KeyframeRing(), "c1") == []


def test_evidence_is_its_own_cameras() -> None:
    evidence = Evidence()
    evidence.keep(frame(1))
    assert evidence.get("c1", "k1") == frame(1)
    assert evidence.get("c2", "k1") is None
    assert evidence.get("c1", "k2") is None


def test_of_too_many_the_oldest_go() -> None:
    evidence = Evidence()
    for number in range(EVIDENCE + 1):
        evidence.keep(frame(number))
    assert evidence.get("c1", "k0") is None
    assert evidence.get("c1", "k1") is not None


def test_of_too_large_ones_too() -> None:
    evidence, half = Evidence(), bytes(EVIDENCE_BYTES // 2)
    for number in range(3):
        evidence.keep(frame(number, half))
    assert [evidence.get("c1", f"k{number}") is None for number in range(3)] == [True, False, False]


def test_of_a_camera_that_is_forgotten_nothing_is_kept_and_of_others_all() -> None:
    evidence, other = Evidence(), StoredKeyframe("k9", "c2", 9.0, "h264", b"")
    for kept in (frame(1), other, frame(2)):
        evidence.keep(kept)
    evidence.forget("c1")
    assert evidence.get("c1", "k1") is evidence.get("c1", "k2") is None
    assert evidence.get("c2", "k9") == other
