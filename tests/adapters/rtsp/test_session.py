import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rtsp.address import parse_address
from adapters.rtsp.message import Request, Response, parse_head
from adapters.rtsp.session import Session, State, Timeouts
from gateway.errors import AuthFailed, DeviceError, ProtocolFault, Unreachable
from gateway.model import Credential

URL = "rtsp://10.0.0.5/live?channel=1"
DIGEST = 'Digest realm="r", nonce="{}"'


class Talk:
    """Plays the camera's part of a dialogue, without a socket."""

    def __init__(self, credential=None, allow_basic=True, url=URL):
        self.session = Session(parse_address(url), credential, Timeouts(), allow_basic=allow_basic)
        self.sent = self.session.begin(0.0).decode()

    @property
    def method(self):
        return self.sent.split(" ")[0]

    @property
    def uri(self):
        return self.sent.split(" ")[1]

    def field(self, name):
        found = re.search(rf"^{name}: (.*)\r$", self.sent, re.MULTILINE)
        return found and found[1]

    def hear(self, status=200, body="", now=0.0, cseq=None, **fields):
        headers = {
            name.replace("_", "-"): value if isinstance(value, list) else [value] for name, value in fields.items()
        }
        if cseq != "none":
            headers["cseq"] = [cseq or self.field("CSeq")]
        self.sent = self.session.receive(Response(status, "words", headers, body.encode()), now).decode()
        return self

    def to_setup(self, wire, **fields):
        return self.hear(public="OPTIONS, GET_PARAMETER").hear(body=wire.sdp(), **fields)

    def to_playing(self, wire, session="4711;timeout=60", now=0.0):
        self.to_setup(wire).hear(session=session, transport="RTP/AVP/TCP;interleaved=0-1").hear(session="4711", now=now)
        assert self.session.state is State.PLAYING
        return self


def test_the_dialogue(wire):
    talk = Talk()
    steps = [(talk.method, talk.uri)]
    talk.hear()
    steps.append((talk.method, talk.uri))
    talk.hear(body=wire.sdp(control="track1"), content_base="rtsp://10.0.0.5/live/")
    steps.append((talk.method, talk.uri))
    assert talk.field("Transport") == "RTP/AVP/TCP;unicast;interleaved=0-1"
    assert talk.field("Require") is None
    talk.hear(session="4711", transport="RTP/AVP/TCP;unicast;interleaved=4-5")
    steps.append((talk.method, talk.uri))
    assert talk.field("Session") == "4711" and talk.session.channel == 4
    talk.hear(session="4711")
    assert talk.session.state is State.PLAYING
    assert steps == [
        ("OPTIONS", URL),
        ("DESCRIBE", URL),
        ("SETUP", "rtsp://10.0.0.5/live/track1"),
        ("PLAY", "rtsp://10.0.0.5/live/"),
    ]
    assert talk.session.teardown(0.0).startswith(b"TEARDOWN rtsp://10.0.0.5/live/ RTSP/1.0\r\n")


def test_a_camera_without_options_is_described_all_the_same():
    assert Talk().hear(status=501).method == "DESCRIBE"


def test_a_changed_session_id_is_followed(wire):
    talk = Talk().to_setup(wire).hear(session="1;timeout=60").hear(session="2")
    assert b"Session: 2\r\n" in talk.session.teardown(0.0)


def test_answers_to_earlier_requests_and_provisional_ones_are_passed_over():
    talk = Talk().hear()
    sent = talk.sent
    assert talk.session.receive(Response(404, "", {"cseq": ["1"]}), 0.0) == b""
    assert talk.session.receive(Response(100, "", {"cseq": ["2"]}), 0.0) == b""
    assert "DESCRIBE" in sent and talk.session.state is State.DESCRIBE


def test_an_answer_without_a_number_is_taken(wire):
    assert Talk().hear(cseq="none").method == "DESCRIBE"


def test_a_camera_that_asks_is_answered(wire):
    talk = Talk().to_playing(wire)
    assert talk.session.receive(Request("OPTIONS", {"cseq": ["9"]}), 0.0) == b"RTSP/1.0 200 OK\r\nCSeq: 9\r\n\r\n"
    assert b"501" in talk.session.receive(Request("SING"), 0.0)
    with pytest.raises(Unreachable, match="TEARDOWN"):
        talk.session.receive(Request("TEARDOWN"), 0.0)


@pytest.mark.parametrize(
    ("status", "advice"), [(404, "path"), (461, "transport"), (453, "bandwidth"), (500, "settings")]
)
def test_a_refusal_says_what_was_asked_and_what_to_do(status, advice):
    with pytest.raises(ProtocolFault, match=rf"10.0.0.5:554 answered DESCRIBE with {status} words; .*{advice}"):
        Talk().hear().hear(status=status)


def test_another_codec_is_named(wire):
    with pytest.raises(ProtocolFault, match=r"offers video as H265; only H\.264"):
        Talk().hear().hear(body=wire.sdp(encoding="H265"))


def test_no_description_at_all_is_a_fault():
    with pytest.raises(ProtocolFault, match="no video"):
        Talk().hear().hear(body="<html>log in</html>")


def test_another_transport_than_asked_is_a_fault(wire):
    with pytest.raises(ProtocolFault, match="RTP/AVP;unicast"):
        Talk().to_setup(wire).hear(session="1", transport="RTP/AVP;unicast;client_port=1-2")


# ------------------------------------------------------------------------------------------------ authentication

VIEWER = Credential("viewer", "hidden-word")


def test_a_challenge_is_answered_once():
    talk = Talk(VIEWER).hear(status=401, www_authenticate=DIGEST.format("a"))
    assert talk.method == "OPTIONS" and 'nonce="a"' in talk.field("Authorization")
    with pytest.raises(AuthFailed, match="refuses the user name or the password") as failure:
        talk.hear(status=401, www_authenticate=DIGEST.format("b"))
    assert "hidden-word" not in str(failure.value)


def test_a_stale_nonce_is_no_wrong_password():
    talk = Talk(VIEWER).hear(status=401, www_authenticate=DIGEST.format("a"))
    talk.hear(status=401, www_authenticate=DIGEST.format("b") + ", stale=true")
    assert 'nonce="b"' in talk.field("Authorization")
    assert talk.hear().method == "DESCRIBE"


def test_endlessly_stale_nonces_end():
    talk = Talk(VIEWER).hear(status=401, www_authenticate=DIGEST.format("a"))
    with pytest.raises(AuthFailed, match="new nonce each"):
        for _ in range(4):
            talk.hear(status=401, www_authenticate=DIGEST.format("b") + ", stale=true")


def test_a_new_nonce_for_each_request_is_followed_once_the_password_is_proven(wire):
    talk = Talk(VIEWER).hear().hear(status=401, www_authenticate=DIGEST.format("a")).hear(body=wire.sdp())
    assert talk.method == "SETUP"
    talk.hear(status=401, www_authenticate=DIGEST.format("b"))
    assert talk.method == "SETUP" and 'nonce="b"' in talk.field("Authorization")
    assert talk.field("Transport")
    talk.hear(session="1").hear(status=401, www_authenticate=DIGEST.format("c")).hear()
    for at in (30.0, 60.0, 90.0):
        talk.sent = talk.session.tick(at, media_seen=True, keyframe_at=at).decode()
        talk.hear(status=401, www_authenticate=DIGEST.format(at))
        assert f'nonce="{at}"' in talk.field("Authorization")
        talk.hear(now=at)


def test_a_camera_that_wants_a_password_and_gets_none_is_told_apart():
    with pytest.raises(AuthFailed, match="none is configured"):
        Talk().hear(status=401, www_authenticate=DIGEST.format("a"))


def test_basic_is_not_answered_unless_allowed():
    with pytest.raises(AuthFailed, match="offers only basic"):
        Talk(VIEWER, allow_basic=False).hear(status=401, www_authenticate='Basic realm="r"')


def test_the_credential_of_the_address_never_goes_out_in_it():
    talk = Talk(url="rtsp://viewer:hidden-word@10.0.0.5/live")
    assert talk.uri == "rtsp://10.0.0.5/live"


# ------------------------------------------------------------------------------------------------ time


def test_each_answer_has_its_deadline():
    talk = Talk()
    assert talk.session.tick(9.9, media_seen=False, keyframe_at=0.0) == b""
    with pytest.raises(Unreachable, match="did not answer OPTIONS within 10 s"):
        talk.session.tick(10.0, media_seen=False, keyframe_at=0.0)


@pytest.mark.parametrize(
    ("session", "interval"),
    [
        ("1", 30),
        ("1;timeout=60", 30),
        ("1;timeout=20", 10),
        ("1;timeout=3600", 60),
        ("1;timeout=0", 30),
        ("1;timeout=1", 1),
    ],
)
def test_the_session_is_kept_alive_at_half_its_timeout(wire, session, interval):
    talk = Talk().to_playing(wire, session=session)

    def tick(now):
        return talk.session.tick(now, media_seen=True, keyframe_at=now)

    assert tick(interval - 0.5) == b""
    assert tick(interval + 0.5).startswith(b"GET_PARAMETER ")
    assert tick(interval + 1.0) == b""


def test_a_camera_that_refuses_get_parameter_is_asked_for_options(wire):
    talk = Talk().to_playing(wire)
    talk.sent = talk.session.tick(30.0, media_seen=True, keyframe_at=30.0).decode()
    talk.hear(status=405)
    assert talk.session.tick(60.0, media_seen=True, keyframe_at=60.0).startswith(b"OPTIONS ")


def test_a_refused_keep_alive_does_not_end_the_stream(wire):
    talk = Talk().to_playing(wire)
    talk.sent = talk.session.tick(30.0, media_seen=True, keyframe_at=30.0).decode()
    talk.hear(status=401, www_authenticate=DIGEST.format("a"))
    assert talk.session.state is State.PLAYING


def test_silence_while_playing_ends_it(wire):
    talk = Talk().to_playing(wire, now=100.0)
    talk.session.tick(105.0, media_seen=True, keyframe_at=101.0)
    talk.session.tick(114.0, media_seen=False, keyframe_at=101.0)
    with pytest.raises(Unreachable, match="no video for 10 s after PLAY"):
        talk.session.tick(115.0, media_seen=False, keyframe_at=101.0)


def test_video_without_keyframes_ends_it(wire):
    talk = Talk().to_playing(wire, now=100.0)
    talk.session.tick(129.0, media_seen=True, keyframe_at=0.0)
    with pytest.raises(Unreachable, match="keyframe for 30 s"):
        talk.session.tick(130.0, media_seen=True, keyframe_at=0.0)


def test_there_is_nothing_to_tear_down_before_setup():
    assert Talk().hear().session.teardown(0.0) == b""


# ------------------------------------------------------------------------------------------------ anything at all

names = st.sampled_from(["cseq", "session", "transport", "www-authenticate", "content-base", "public", "location"])
words = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["1", "4711;timeout=5", "RTP/AVP/TCP;interleaved=2-3", DIGEST.format("n"), 'Basic realm="r"', "//["]
    ),
)
descriptions = st.one_of(
    st.binary(max_size=200),
    st.just(b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:t\r\n"),
)
answers = st.builds(
    Response,
    st.one_of(st.just(200), st.just(401), st.integers(100, 599)),
    st.text(max_size=10),
    st.dictionaries(names, st.lists(words, max_size=2), max_size=5),
    descriptions,
)


@given(st.lists(st.one_of(answers, st.builds(Request, st.sampled_from(["OPTIONS", "TEARDOWN", "X"]))), max_size=12))
def test_no_answers_make_it_fail_otherwise(messages):
    talk = Talk(VIEWER)
    try:
        for at, message in enumerate(messages):
            sent = talk.session.receive(message, float(at))
            assert b"hidden-word" not in sent
            assert b"\r\n\r\n" not in sent[:-4]
            talk.session.tick(float(at), media_seen=True, keyframe_at=float(at))
    except DeviceError as error:
        assert str(error).isprintable()
    talk.session.teardown(99.0)


# ------------------------------------------------------------------------------------------------ recordings


@pytest.mark.parametrize(
    ("name", "setup"),
    [
        ("hikvision", "rtsp://192.0.2.10:554/Streaming/Channels/101/trackID=1?transportmode=unicast&profile=Profile_1"),
        ("gw_main", "rtsp://192.0.2.10:5050/H264?channel=1&subtype=0&unicast=true&proto=Onvif/video"),
        ("reolink", "rtsp://192.0.2.10/h264Preview_01_main/trackID=1"),
    ],
)
def test_recorded_dialogues_play(recordings, name, setup):
    def recorded(step):
        head, _, body = (recordings / f"{name}_{step}.txt").read_bytes().partition(b"\r\n\r\n")
        message, _ = parse_head(head)
        assert isinstance(message, Response)
        return Response(message.status, message.reason, {k: v for k, v in message.headers.items() if k != "cseq"}, body)

    talk = Talk()
    talk.hear()
    described = talk.session.receive(recorded("describe"), 0.0).decode()
    assert described.startswith(f"SETUP {setup} RTSP/1.0\r\n")
    setup_step = "setup_video" if (recordings / f"{name}_setup_video.txt").exists() else "setup"
    assert talk.session.receive(recorded(setup_step), 0.0).startswith(b"PLAY ")
    talk.session.receive(recorded("play"), 0.0)
    assert talk.session.state is State.PLAYING


def test_a_recorded_challenge_is_answered(recordings):
    message, _ = parse_head((recordings / "longse_unauthorized.txt").read_bytes())
    talk = Talk(VIEWER)
    sent = talk.session.receive(message, 0.0).decode()
    assert 'realm="Surveillance Server", nonce="98481030"' in sent


def test_a_recorded_answer_with_udp_is_refused(recordings, wire):
    message, _ = parse_head((recordings / "luckfox_rkipc_setup_udp.txt").read_bytes())
    message.headers.pop("cseq")
    with pytest.raises(ProtocolFault, match="allow RTP over TCP"):
        Talk().to_setup(wire).session.receive(message, 0.0)
