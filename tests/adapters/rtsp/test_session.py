import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rtsp.address import parse_address
from adapters.rtsp.message import Request, Response, parse_head
from adapters.rtsp.refusal import Redirected, UdpOnly
from adapters.rtsp.route import Datagrams, Interleaved
from adapters.rtsp.session import Session, State, Timeouts
from gateway.errors import AuthFailed, Busy, DeviceError, NotSpoken, ProtocolFault, Unreachable
from gateway.model import Credential

URL = "rtsp://10.0.0.5/live?channel=1"
DIGEST = 'Digest realm="r", nonce="{}"'


class Talk:
    """Plays the camera's part of a dialogue, without a socket."""

    def __init__(self, credential=None, allow_basic=True, url=URL, **options):
        self.session = Session(parse_address(url), credential, Timeouts(), allow_basic=allow_basic, **options)
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
    assert talk.field("Session") == "4711" and talk.session.route.rtp == 4
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


@pytest.mark.parametrize(("status", "advice"), [(403, "rights"), (404, "path"), (461, "transport"), (500, "settings")])
def test_a_refusal_says_what_was_asked_and_what_to_do(status, advice):
    with pytest.raises(ProtocolFault, match=rf"10.0.0.5:554 answered DESCRIBE with {status} words; .*{advice}"):
        Talk().hear().hear(status=status)


def test_no_description_at_all_is_a_fault():
    with pytest.raises(ProtocolFault, match="no description of a stream"):
        Talk().hear().hear(body="<html>log in</html>")


def test_audio_alone_is_said():
    with pytest.raises(ProtocolFault, match="offers no video, only audio, application; "):
        Talk().hear().hear(body="m=audio 0 RTP/AVP 0\r\nm=application 0 RTP/AVP 107\r\n")


def test_encrypted_rtp_is_not_spoken(wire):
    with pytest.raises(NotSpoken, match=r"only encrypted RTP \(RTP/SAVP\)"):
        Talk().hear().hear(body=wire.sdp().replace("RTP/AVP", "RTP/SAVP"))


def test_media_of_another_codec_is_left_to_whoever_receives_it(wire):
    talk = Talk().hear().hear(body=wire.sdp(encoding="JPEG"))
    assert talk.session.media.encoding == "JPEG"


# ------------------------------------------------------------------------------------------------ transports

UDP_ANSWER = "RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971"


def auto(opened=None):
    def open_ports():
        if opened is not None:
            opened.append(5000)
        return 5000

    return Talk(transport="auto", open_ports=open_ports)


@pytest.mark.parametrize("status", [400, 406, 461, 501])
def test_udp_is_asked_for_where_tcp_is_refused(wire, status):
    opened = []
    talk = auto(opened).to_setup(wire)
    assert "RTP/AVP/TCP" in talk.field("Transport") and not opened
    talk.hear(status=status)
    assert (talk.method, talk.field("Transport")) == ("SETUP", "RTP/AVP;unicast;client_port=5000-5001")
    talk.hear(session="1", transport=UDP_ANSWER)
    assert talk.method == "PLAY" and talk.session.route == Datagrams((6970, 6971), None)


def test_udp_alone_is_asked_for_where_it_is_configured(wire):
    talk = Talk(transport="udp", open_ports=lambda: 5000).to_setup(wire)
    assert talk.field("Transport") == "RTP/AVP;unicast;client_port=5000-5001"
    with pytest.raises(NotSpoken, match="461"):
        talk.hear(status=461)


def test_a_camera_that_refuses_both_is_not_spoken(wire):
    with pytest.raises(NotSpoken, match="refuses each transport"):
        auto().to_setup(wire).hear(status=461).hear(status=461)


@pytest.mark.parametrize("status", [404, 403])
def test_what_has_nothing_to_do_with_the_transport_is_not_asked_again(wire, status):
    with pytest.raises(ProtocolFault, match=f"SETUP with {status}"):
        auto().to_setup(wire).hear(status=status)


def test_a_camera_that_sets_up_udp_unasked_is_asked_anew(wire):
    talk = auto().to_setup(wire)
    with pytest.raises(UdpOnly):
        talk.hear(session="1", transport=UDP_ANSWER)
    assert talk.session.teardown(0.0).startswith(b"TEARDOWN ")


def test_a_camera_that_interleaves_though_udp_was_asked_for_is_taken_at_its_word(wire):
    talk = auto().to_setup(wire).hear(status=461).hear(session="1", transport="RTP/AVP/TCP;interleaved=2-3")
    assert talk.session.route == Interleaved(2, 3)


def test_multicast_is_for_another_adapter(wire):
    with pytest.raises(NotSpoken, match="which is multicast"):
        auto().to_setup(wire).hear(session="1", transport="RTP/AVP;multicast;destination=239.0.0.1")


def test_another_transport_than_asked_is_a_fault_where_tcp_alone_is_wanted(wire):
    with pytest.raises(ProtocolFault, match="RTP/AVP;unicast"):
        Talk().to_setup(wire).hear(session="1", transport="RTP/AVP;unicast;client_port=1-2")


# ------------------------------------------------------------------------------------------------ elsewhere, or later


def test_a_redirection_is_told_at_any_step(wire):
    for talk in (Talk(), Talk().hear(), Talk().to_setup(wire)):
        with pytest.raises(Redirected) as redirected:
            talk.hear(status=302, location="rtsp://10.0.0.6/live")
        assert redirected.value.location == "rtsp://10.0.0.6/live"


def test_a_camera_that_asks_us_to_go_elsewhere_is_followed(wire):
    talk = Talk().to_playing(wire)
    with pytest.raises(Redirected):
        talk.session.receive(Request("REDIRECT", {"location": ["rtsp://10.0.0.6/live"]}), 0.0)
    with pytest.raises(Unreachable, match="REDIRECT"):
        talk.session.receive(Request("REDIRECT"), 0.0)


def test_a_busy_camera_is_left_alone_for_as_long_as_its_session_lives(wire):
    talk = Talk().to_setup(wire).hear(session="1;timeout=25")
    with pytest.raises(Busy, match="PLAY with 453") as busy:
        talk.hear(status=453)
    assert busy.value.after == 25
    with pytest.raises(Busy) as busy:
        Talk().hear().hear(status=503, retry_after="7")
    assert busy.value.after == 7


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


def test_a_camera_that_knows_nothing_but_basic_is_told_how_to_be_allowed():
    with pytest.raises(AuthFailed, match="or allow_basic: true for this camera"):
        Talk(VIEWER, allow_basic=False).hear(status=401, www_authenticate='Basic realm="r"')


def test_over_tls_basic_is_answered_all_the_same():
    talk = Talk(VIEWER, allow_basic=False, url="rtsps://10.0.0.5/live")
    assert talk.hear(status=401, www_authenticate='Basic realm="r"').field("Authorization").startswith("Basic ")


def test_of_several_challenges_the_strongest_is_answered():
    talk = Talk(VIEWER).hear(
        status=401,
        www_authenticate=[
            'Basic realm="r"',
            DIGEST.format("m"),
            DIGEST.format("s") + ', algorithm=SHA-256, qop="auth"',
        ],
    )
    answer = talk.field("Authorization")
    assert 'nonce="s"' in answer and "algorithm=SHA-256" in answer and "qop=auth," in answer


def test_a_teardown_that_is_challenged_is_sent_again(wire):
    talk = Talk(VIEWER).hear().hear(status=401, www_authenticate=DIGEST.format("a")).hear(body=wire.sdp())
    talk.hear(session="1").hear()
    talk.sent = talk.session.teardown(0.0).decode()
    talk.hear(status=401, www_authenticate=DIGEST.format("b"))
    assert talk.method == "TEARDOWN" and 'nonce="b"' in talk.field("Authorization")
    talk.hear()
    assert talk.session.state is State.CLOSED


def test_an_endlessly_challenged_teardown_ends(wire):
    talk = Talk(VIEWER).hear().hear(status=401, www_authenticate=DIGEST.format("a")).hear(body=wire.sdp())
    talk.hear(session="1").hear()
    talk.sent = talk.session.teardown(0.0).decode()
    for _ in range(3):
        assert talk.session.state is State.CLOSING
        talk.hear(status=401, www_authenticate=DIGEST.format("b"))
    assert talk.session.state is State.CLOSED and not talk.sent


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


def test_a_refused_keep_alive_ends_neither_the_stream_nor_is_it_repeated(wire):
    talk = Talk(VIEWER).hear(status=401, www_authenticate=DIGEST.format("a")).to_playing(wire)
    talk.sent = talk.session.tick(30.0, media_seen=True, keyframe_at=30.0).decode()
    tries = 0
    while talk.sent:  # the password was changed meanwhile: each of these is a wrong one
        tries += 1
        talk.hear(status=401, www_authenticate=DIGEST.format("b"))
    assert tries <= 3 and talk.session.state is State.PLAYING
    assert talk.session.tick(90.0, media_seen=True, keyframe_at=90.0) == b""


def test_silence_while_playing_ends_it(wire):
    talk = Talk().to_playing(wire, now=100.0)
    talk.session.tick(105.0, media_seen=True, keyframe_at=101.0)
    talk.session.tick(114.0, media_seen=False, keyframe_at=101.0)
    with pytest.raises(Unreachable, match="no video for 10 s; the camera hangs"):
        talk.session.tick(115.0, media_seen=False, keyframe_at=101.0)


def test_a_camera_that_never_showed_anything_may_be_full(wire):
    talk = Talk().to_playing(wire, now=100.0)
    with pytest.raises(Unreachable, match=r"after PLAY.*as many viewers as it can"):
        talk.session.tick(110.0, media_seen=False, keyframe_at=0.0)


def test_video_without_keyframes_ends_it(wire):
    talk = Talk().to_playing(wire, now=100.0)
    talk.session.tick(129.0, media_seen=True, keyframe_at=0.0)
    with pytest.raises(Unreachable, match="keyframe for 30 s"):
        talk.session.tick(130.0, media_seen=True, keyframe_at=0.0)


def test_there_is_nothing_to_tear_down_before_setup():
    assert Talk().hear().session.teardown(0.0) == b""


# ------------------------------------------------------------------------------------------------ anything at all

names = st.sampled_from(
    ["cseq", "session", "transport", "www-authenticate", "content-base", "public", "location", "retry-after"]
)
words = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "1",
            "4711;timeout=5",
            "RTP/AVP/TCP;interleaved=2-3",
            UDP_ANSWER,
            "rtsp://c/",
            DIGEST.format("n"),
            'Basic realm="r"',
            "//[",
        ]
    ),
)
descriptions = st.one_of(
    st.binary(max_size=200),
    st.just(b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:t\r\n"),
)
answers = st.builds(
    Response,
    st.one_of(st.just(200), st.sampled_from([302, 401, 461]), st.integers(100, 599)),
    st.text(max_size=10),
    st.dictionaries(names, st.lists(words, max_size=2), max_size=5),
    descriptions,
)


@given(st.lists(st.one_of(answers, st.builds(Request, st.sampled_from(["OPTIONS", "TEARDOWN", "X"]))), max_size=12))
def test_no_answers_make_it_fail_otherwise(messages):
    talk = Talk(VIEWER, transport="auto", open_ports=lambda: 5000)
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


@pytest.mark.parametrize("name", ["luckfox_rkipc_setup_udp", "h264dvr_setup_video"])
def test_recorded_answers_with_udp(recordings, wire, name):
    message, _ = parse_head((recordings / f"{name}.txt").read_bytes())
    message.headers.pop("cseq")
    with pytest.raises(ProtocolFault, match="allow RTP over TCP"):
        Talk().to_setup(wire).session.receive(message, 0.0)
    with pytest.raises(UdpOnly):
        auto().to_setup(wire).session.receive(message, 0.0)
    asked = Talk(transport="udp", open_ports=lambda: 5000).to_setup(wire)
    assert asked.session.receive(message, 0.0).startswith(b"PLAY ")
    assert isinstance(asked.session.route, Datagrams)
