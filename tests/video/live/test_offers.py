"""The text of offers and answers."""

import pytest

from gateway.video.live.offers import (
    MOST_CANDIDATES,
    MOST_LINES,
    announced,
    candidates,
    has_candidate,
    without_names,
)

NAME = "a=candidate:1 1 udp 2113937151 0c0a5a6b-9d4e-4f0e-9d8a-3b1f2c4d5e6f.local 50001 typ host\r\n"
ADDRESS = "a=candidate:2 1 udp 2113937151 10.0.0.7 50002 typ host\r\n"


def test_names_and_the_last_word_are_left_out_of_an_offer() -> None:
    offer = f"v=0\r\nm=video 9 X 96\r\n{NAME}{ADDRESS}a=end-of-candidates\r\na=mid:0\r\n"
    assert without_names(offer) == f"v=0\r\nm=video 9 X 96\r\n{ADDRESS}a=mid:0\r\n"


def test_an_offer_without_end_is_not_read_and_of_thousands_of_addresses_a_few_are_tried() -> None:
    read = without_names(f"v=0\r\n{ADDRESS * 900}a=mid:0\r\n")
    assert read.count("a=candidate:") == MOST_CANDIDATES
    assert read.endswith("a=mid:0\r\n")
    with pytest.raises(ValueError, match="at most 1000 are read"):
        without_names("a=ssrc:1 cname:x\r\n" * (MOST_LINES + 1))


def test_a_fragments_addresses_come_with_their_media() -> None:
    fragment = f"a=ice-ufrag:x\r\n{ADDRESS}m=video 9 X 0\r\na=mid:v1\r\n{NAME}{ADDRESS}a=end-of-candidates\r\n"
    plain = ADDRESS.strip().removeprefix("a=candidate:")
    assert candidates(fragment) == [("0", plain), ("v1", plain)]
    assert candidates("") == []


def test_other_addresses_are_announced_with_our_own_ports() -> None:
    answer = f"v=0\r\nm=video 50002 X 96\r\n{ADDRESS}a=mid:0\r\n"
    assert announced(answer, ()) == answer
    assert announced(answer, ("10.0.0.7", "fd00::1")) == answer, "ours already, and of another family"
    lines = announced(answer, ("203.0.113.5",)).splitlines()
    assert lines[3] == "a=candidate:2x 1 udp 2113937150 203.0.113.5 50002 typ host"
    assert lines[2] == ADDRESS.strip()
    assert has_candidate(answer)
    assert not has_candidate("v=0\r\n")
