import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rtsp.sdp import parse_description, session_timeout

HEAD = "v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=x\r\nt=0 0\r\n"


def media(*lines: str) -> str:
    return HEAD + "\r\n".join(lines) + "\r\n"


def test_the_first_video_meant_for_receiving_is_chosen():
    text = media(
        "m=audio 0 RTP/AVP 0",
        "a=control:audio",
        "m=video 0 RTP/AVP 96",
        "a=rtpmap:96 H264/90000",
        "a=sendonly",
        "a=control:back",
        "m=video 0 RTP/AVP 97",
        "a=rtpmap:97 H264/90000 ",
        "a=control:front",
    )
    assert parse_description(text).video(["H264"]).control == "front"


def test_video_marked_sendonly_is_taken_where_there_is_no_other():
    text = media("m=video 0 RTP/AVP 99", "a=rtpmap:99 h264/90000", "a=control:t1", "a=sendonly")
    assert parse_description(text).video(["H264"]).control == "t1"


BOTH = ("m=video 0 RTP/AVP 26", "m=video 0 RTP/AVP 96", "a=rtpmap:96 H265/90000", "m=audio 0 RTP/AVP 0")


def test_the_encoding_named_first_is_preferred_and_any_other_taken_where_none_is_there():
    description = parse_description(media(*BOTH))
    assert description.video(["H264", "H265", "JPEG"]).encoding == "H265"
    assert description.video(["JPEG", "H265"]).encoding == "JPEG"
    assert description.video(["H264"]).encoding == "JPEG"


def test_audio_alone_is_no_video():
    description = parse_description(media("m=audio 0 RTP/AVP 0", "m=audio 0 RTP/AVP 8"))
    assert description.video(["H264"]) is None
    assert description.kinds == ["audio"]


def test_the_profile_tells_encrypted_rtp():
    assert parse_description(media("m=video 0 rtp/savp 96")).medias[0].profile == "RTP/SAVP"
    assert parse_description(media("m=video")).medias[0].profile == ""


def test_format_parameters_keep_their_case_and_their_padding():
    text = media(
        "m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000", "a=fmtp:96 X=1; sprop-parameter-sets=Z00AKg==,aO48gA== "
    )
    assert parse_description(text).video(["H264"]).parameters("H264")["sprop-parameter-sets"] == "Z00AKg==,aO48gA=="


def test_a_media_control_is_not_the_sessions():
    description = parse_description(HEAD + "a=control:*\r\nm=video 0 RTP/AVP 96\r\na=control:t1\r\na=control:t2\r\n")
    assert description.control == "*"
    assert description.medias[0].control == "t2"


@given(st.text(max_size=400))
def test_no_text_makes_it_fail(text):
    parse_description(HEAD + "m=video 0 RTP/AVP 96\r\na=" + text).video(["H264"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("12345678;timeout=60", ("12345678", 60)),
        ("       708345999;timeout=60", ("708345999", 60)),
        ("9a90de54; Timeout = 120", ("9a90de54", 120)),
        ("F8F8E425", ("F8F8E425", None)),
        ("1;timeout=soon", ("1", None)),
    ],
)
def test_a_session_names_its_timeout(value, expected):
    assert session_timeout(value) == expected


def test_recorded_descriptions_of_real_cameras_are_understood(recordings):
    h265 = {"anjvision_describe.txt", "dahua_describe_h265_pcma.txt", "tplink_sdp.txt"}
    read = 0
    for path in sorted([*recordings.glob("*describe*.txt"), *recordings.glob("*sdp*.txt"), *recordings.glob("*.sdp")]):
        text = path.read_bytes().decode("utf-8", "replace").partition("v=0")[2]
        found = parse_description(text).video(["H264", "H265"])
        assert found.encoding == ("H265" if path.name in h265 else "H264"), path.name
        assert found.control, path.name
        read += 1
    assert read > 15
