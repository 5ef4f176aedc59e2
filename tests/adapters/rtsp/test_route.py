import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rtsp.message import parse_head
from adapters.rtsp.route import Datagrams, Interleaved, over_udp, read_transport


@pytest.mark.parametrize(
    ("value", "route"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=4cacc3d1", Interleaved(0, 1)),
        ("RTP/AVP/TCP;unicast;interleaved=6-7", Interleaved(6, 7)),
        ("RTP/AVP/TCP;interleaved=4", Interleaved(4, None)),
        ("RTP/AVP/TCP;interleaved=4-4", Interleaved(4, None)),
        ("RTP/AVP/TCP;interleaved=4-999", Interleaved(4, None)),
        ("RTP/AVP/TCP;unicast", Interleaved(0, 1)),
        ("RTP/AVP;unicast;Interleaved = 2-3", Interleaved(2, 3)),  # says UDP, means TCP
        ("RTP/AVP/TCP;interleaved=300-301", None),
        ("RTP/AVP/TCP;interleaved=x", None),
        ("RTP/AVP;multicast;destination=239.0.0.1;port=5000-5001;ttl=16", None),
        ("RAW/RAW/UDP;unicast", None),
        ("RTP/AVP;unicast;client_port=5000-5001;server_port=49152-49153", Datagrams((49152, 49153), None)),
        ("RTP/AVP/UDP;unicast;server_port=6970", Datagrams((6970, 6971), None)),
        ("RTP/AVP;unicast;server_port=0-0", Datagrams(None, None)),
        ("RTP/AVP;unicast;server_port=65535-65536", Datagrams(None, None)),
        ("RTP/AVP;unicast;source=10.0.0.9;server_port=7-8", Datagrams((7, 8), "10.0.0.9")),
        ("RTP/AVP;unicast;source=camera.local", Datagrams(None, None)),
        ("RTP/AVP;unicast;source=[fe80::1]", Datagrams(None, "fe80::1")),
        ("RTP/AVP;unicast, RTP/AVP/TCP;interleaved=0-1", Datagrams(None, None)),
    ],
)
def test_the_camera_chooses_how_it_sends(value, route):
    assert read_transport(value) == route


def test_a_camera_that_says_nothing_does_as_it_was_asked():
    assert read_transport("") == Interleaved(0, 1)
    assert read_transport("", asked_udp=True) == Datagrams(None, None)


def test_udp_is_asked_for_with_a_pair_of_ports():
    assert over_udp(5004) == "RTP/AVP;unicast;client_port=5004-5005"


@given(st.text(alphabet="RTP/AVPUDC;=-,0123456789 interleaved_server_port source[]:", max_size=80), st.booleans())
def test_no_transport_makes_it_fail(value, asked_udp):
    read_transport(value, asked_udp=asked_udp)


@pytest.mark.parametrize(
    ("name", "route"),
    [
        ("dahua_setup", Interleaved(0, 1)),
        ("hikvision_setup", Interleaved(0, 1)),
        ("reolink_setup", Interleaved(0, 1)),
        ("gw_sub_setup", Interleaved(0, 1)),
        ("gw_main_setup_audio", Interleaved(2, 3)),
        ("luckfox_rkipc_setup_udp", Datagrams((49152, 49153), None)),
        ("h264dvr_setup_video", Datagrams((40004, 40005), "127.0.0.1")),
    ],
)
def test_recorded_answers_to_setup(recordings, name, route):
    message, _ = parse_head((recordings / f"{name}.txt").read_bytes())
    assert read_transport(message.first("transport")) == route
