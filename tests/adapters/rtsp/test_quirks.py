"""Descriptions and answers as cameras really write them, retyped small; each with what it must not keep us from."""

import base64

import pytest

from adapters.rtsp.address import parse_address
from adapters.rtsp.message import Response, parse_head
from adapters.rtsp.payload.depacketiser import depacketiser
from adapters.rtsp.session import Session, State, Timeouts

URL = "rtsp://192.0.2.10/live"


class Camera:
    """A camera's side of the dialogue that answers what it is told to."""

    def __init__(self, url=URL):
        self.session = Session(parse_address(url), None, Timeouts(), allow_basic=True)
        self.session.begin(0.0)
        self.said(b"RTSP/1.0 200 OK\r\n\r\n")

    def said(self, raw):
        head, gap, body = raw.partition(b"\r\n\r\n")
        message, _ = parse_head(head + gap)
        assert isinstance(message, Response)
        message.headers.pop("cseq", None)
        asked = self.session.receive(Response(message.status, message.reason, message.headers, body), 0.0)
        return asked.decode().split(" ")[:2]

    def describes(self, sdp, *fields):
        return self.said("\r\n".join(["RTSP/1.0 200 OK", *fields, "", ""]).encode() + sdp)

    @property
    def size(self):
        found = depacketiser(self.session.media, lambda *unit: None)
        return found.width, found.height


@pytest.fixture
def sets(wire):
    """sprop-parameter-sets of a picture of 1920×1080."""
    return ",".join(base64.b64encode(nal).decode() for nal in (wire.SPS, wire.PPS))


@pytest.fixture
def annexb_sets(wire):
    """The same, but each with a start code and a zero at its end, as encoders hand them out."""
    return ",".join(base64.b64encode(wire.annexb(nal) + b"\x00").decode() for nal in (wire.SPS, wire.PPS))


VIDEO = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 sprop-parameter-sets={sets}\r\na=control:t1\r\n"

# name: what the body is, what SETUP then asks for
BODIES = {
    "lines ending in LF alone": (VIDEO.replace("\r\n", "\n"), f"{URL}/t1"),
    "lines ending in blanks": (VIDEO.replace("\r\n", "  \r\n"), f"{URL}/t1"),
    "nothing before the media": (VIDEO, f"{URL}/t1"),
    "control before rtpmap": (
        "m=video 0 RTP/AVP 96\r\na=control:t1\r\na=rtpmap:96 H264/90000 \r\na=fmtp:96 sprop-parameter-sets={sets}\r\n",
        f"{URL}/t1",
    ),
    "fields of the session repeated within the media": (
        VIDEO.replace("a=control:t1", "c=IN IP4 0.0.0.0\r\ns=RtspServer\r\ni=live\r\nc=IN IP4 0.0.0.0\r\na=control:t1"),
        f"{URL}/t1",
    ),
    "the whole media repeated": (VIDEO + VIDEO, f"{URL}/t1"),
    "control twice": (VIDEO + "a=control:t2\r\n", f"{URL}/t2"),
    "no control": (VIDEO.replace("a=control:t1\r\n", ""), URL),
    "an address without its host": ("c=IN\r\no=- 1 1 IN\r\n" + VIDEO, f"{URL}/t1"),
    "words of another alphabet": ("a=charset:Shift_JIS\r\ns=\x83J\x83\x81\x83\x89\r\n" + VIDEO, f"{URL}/t1"),
    "the fmtp of another media behind it": (
        VIDEO + "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 MPEG4-GENERIC/16000/2\r\na=fmtp:0 config=1408\r\na=fmtp:\r\n",
        f"{URL}/t1",
    ),
    "its own fmtp behind another media": (
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:t1\r\n"
        "m=audio 0 RTP/AVP 8\r\na=rtpmap:0 pcma/8000/1\r\na=control:t2\r\na=fmtp:96 sprop-parameter-sets={sets}\r\n",
        f"{URL}/t1",
    ),
    "a media of the maker's own": (
        "m=application/SMART 0 RTP/AVP smart/1/90000\r\na=rtpmap:95 SMART/90000\r\na=control:t3\r\n" + VIDEO,
        f"{URL}/t1",
    ),
    "audio first": ("m=audio 0 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\na=control:t0\r\n" + VIDEO, f"{URL}/t1"),
    "a way to talk back first": (VIDEO.replace("t1", "back") + "a=sendonly\r\n" + VIDEO, f"{URL}/t1"),
    "the direction from its own side": (VIDEO + "a=sendonly\r\n", f"{URL}/t1"),
    "a payload type that differs from its rtpmap": (VIDEO.replace("AVP 96", "AVP 97"), f"{URL}/t1"),
    "a base in the session": ("a=control:rtsp://192.0.2.10:554/live/\r\n" + VIDEO, f"{URL}/t1"),
    "an absolute control with a query": (
        VIDEO.replace("t1", "rtsp://192.0.2.10:554/live/t1?transport=unicast&profile=1"),
        "rtsp://192.0.2.10:554/live/t1?transport=unicast&profile=1",
    ),
    "capitals": (VIDEO.replace("H264", "h264").replace("a=control", "a=Control"), f"{URL}/t1"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_broken_description_is_read_all_the_same(sets, name):
    body, control = BODIES[name]
    camera = Camera()
    assert camera.describes(body.format(sets=sets).encode("latin-1")) == ["SETUP", control]
    assert camera.size == (1920, 1080)


def test_start_codes_within_the_parameter_sets(annexb_sets):
    camera = Camera()
    camera.describes(VIDEO.format(sets=annexb_sets).encode())
    assert camera.size == (1920, 1080)


@pytest.mark.parametrize("sprop", ["", "AAAA", "!", ",,,", "Zw==", "Z0I", "aO48gA==,Z00AKg=="])
def test_parameter_sets_that_are_none_come_in_band(sprop):
    camera = Camera()
    assert camera.describes(VIDEO.format(sets=sprop).encode()) == ["SETUP", f"{URL}/t1"]


@pytest.mark.parametrize(
    ("fields", "control"),
    [
        ((), "rtsp://192.0.2.10/live/t1"),
        (("Content-Base: rtsp://192.0.2.10/base/",), "rtsp://192.0.2.10/base/t1"),
        (("Content-Base: 192.0.2.10:554/base/",), "rtsp://192.0.2.10:554/base/t1"),
        (("Content-Base: /base/",), "rtsp://192.0.2.10/base/t1"),
        (("Content-Base: ",), "rtsp://192.0.2.10/live/t1"),
        (("Content-Location: rtsp://192.0.2.10/place",), "rtsp://192.0.2.10/place/t1"),
        (("content-base:rtsp://192.0.2.10/base",), "rtsp://192.0.2.10/base/t1"),
        (("a line that is no field", "Content-Base: rtsp://192.0.2.10/base/"), "rtsp://192.0.2.10/base/t1"),
        (("Content-Type: text/plain",), "rtsp://192.0.2.10/live/t1"),
    ],
)
def test_broken_fields_of_the_description(sets, fields, control):
    assert Camera().describes(VIDEO.format(sets=sets).encode(), *fields) == ["SETUP", control]


@pytest.mark.parametrize(
    "setup",
    [
        b'RTSP/1.0 200 OK\r\nSession:        708345999;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc= 4cacc3d1 ;mode="play"\r\n\r\n',
        b"RTSP/1.0 200 OK\r\nsession: 9a90de54; timeout=60\r\ntransport: RTP/AVP/TCP;unicast;destination=192.0.2.2;source=192.0.2.10;interleaved=0-1\r\n\r\n",
        b"RTSP/1.0 200 OK\nSession: 1\nTransport: rtp/avp/tcp;Unicast;Interleaved=0-1\n\r\n\r\n",
        b"RTSP/1.0 200\r\nSession: 1\r\n\r\n",
    ],
)
@pytest.mark.parametrize(
    "play",
    [
        b"RTSP/1.0 200 OK\r\nRTP-Info: url=trackID=1;seq=0;rtptime=0\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nSession: other;timeout=60\r\nRTP-Info: url=trackID=1;seq=1;rtptime=-1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nRange: npt=now-\r\nRTP-Info: \r\n\r\n",
    ],
)
def test_broken_answers_to_setup_and_play(sets, setup, play):
    camera = Camera()
    camera.describes(VIDEO.format(sets=sets).encode())
    assert camera.said(setup)[0] == "PLAY"
    camera.said(play)
    assert camera.session.state is State.PLAYING


# ------------------------------------------------------------------------------------------------ recordings

CHANNEL = "rtsp://192.0.2.10:554/Streaming/Channels/101"
GATEWAY = "rtsp://192.0.2.10:50{}/H264?channel=1&subtype={}&unicast=true&proto=Onvif/video"
RECORDED = {
    "anjvision_describe.txt": ("rtsp://192.0.2.10:554/stream0/trackID=1", (1280, 704)),
    "anpviz_sdp.txt": (f"{URL}/trackID=1", (704, 576)),
    "dahua_describe_h264_aac_onvif.txt": (
        "rtsp://192.0.2.10:554/cam/realmonitor?channel=1&subtype=1&unicast=true&proto=Onvif/trackID=0",
        (704, 480),
    ),
    "dahua_describe_h265_pcma.txt": ("rtsp://cam-driveway/cam/realmonitor?channel=1&subtype=2/trackID=0", None),
    "foscam_describe.txt": ("rtsp://192.0.2.10:65534/videoMain/track1", (1280, 720)),
    "geovision_sdp.txt": ("rtsp://192.0.2.10/media/video1/video", None),
    "go2rtc_BugSDP2.sdp": (f"{URL}/track0", (1280, 720)),
    "go2rtc_BugSDP3.sdp": (f"{URL}/track1", None),
    "go2rtc_BugSDP5.sdp": (f"{URL}/trackID=1", None),
    "go2rtc_BugSDP7.sdp": ("rtsp://192.0.2.10/media/video2/video", None),
    "go2rtc_HikvisionPCM.sdp": ("rtsp://192.0.2.10:554/Streaming/channels/101/trackID=1", (3200, 1800)),
    "go2rtc_URLParse.sdp": (f"{URL}/track0", None),
    "gw_main_describe.txt": (GATEWAY.format("50", 0), None),
    "gw_sub_describe.txt": (GATEWAY.format("49", 1), None),
    "h264dvr_describe.txt": ("rtsp://127.0.0.1:554/camera/trackID=3", (1920, 1080)),
    "hikvision_describe.txt": (f"{CHANNEL}/trackID=1?transportmode=unicast&profile=Profile_1", (1920, 1080)),
    "ipcam_describe.txt": (f"{URL}/trackID=1", None),
    "reolink_describe.txt": ("rtsp://192.0.2.10/h264Preview_01_main/trackID=1", None),
    "reolink_describe_control_first.txt": ("rtsp://192.0.2.10/h264Preview_01_main/trackID=1", None),
    "tplink_sdp.txt": (f"{URL}/track1", None),
    "ubiquiti_sdp.txt": (f"{URL}/trackID=2", None),
}


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_description_leads_to_its_video(recordings, name):
    control, size = RECORDED[name]
    raw = (recordings / name).read_bytes()
    camera = Camera()
    asked = camera.said(raw) if raw.startswith(b"RTSP/") else camera.describes(raw)
    assert asked == ["SETUP", control]
    assert None not in camera.size
    assert size is None or camera.size == size


def test_every_recorded_description_is_tried(recordings):
    found = {path.name for path in recordings.iterdir() if "describe" in path.name or "sdp" in path.name}
    assert found == set(RECORDED)
