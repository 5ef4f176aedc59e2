import pytest

from adapters.rtsp.address import base_of, control_url, parse_address
from gateway.errors import ProtocolFault
from gateway.model import Credential


def test_an_address_loses_its_credential_and_keeps_the_rest_letter_by_letter():
    address = parse_address("rtsp://admin:p%40ss@Camera.example:8554/Streaming/Channels/101?a=1&b=%2F;x#y")
    assert address.url == "rtsp://Camera.example:8554/Streaming/Channels/101?a=1&b=%2F;x#y"
    assert (address.host, address.port) == ("camera.example", 8554)
    assert address.credential == Credential("admin", "p@ss")


def test_the_port_is_554_unless_told():
    assert parse_address("rtsp://10.0.0.5/live").authority == "10.0.0.5:554"


def test_rtsps_is_encrypted_and_has_a_port_of_its_own():
    address = parse_address("RTSPS://10.0.0.5/live")
    assert address.tls and (address.port, address.url) == (322, "rtsps://10.0.0.5/live")
    assert not parse_address("rtsp://10.0.0.5/live").tls


def test_ipv6_is_written_in_brackets():
    assert parse_address("rtsp://[fe80::1]:8554/live").authority == "[fe80::1]:8554"


@pytest.mark.parametrize(
    "url",
    ["", "http://camera/live", "rtsp://", "rtsp://camera:port/", "rtsp://[::1/", "rtsp://a b/"],
)
def test_what_is_no_rtsp_address_is_a_protocol_fault(url):
    with pytest.raises(ProtocolFault):
        parse_address(url)


def test_the_sentence_shows_no_credential():
    with pytest.raises(ProtocolFault) as fault:
        parse_address("http://admin:hidden@camera/live")
    assert "hidden" not in str(fault.value)


@pytest.mark.parametrize(
    ("announced", "base"),
    [
        (None, "rtsp://10.0.0.5/live"),
        (" ", "rtsp://10.0.0.5/live"),
        ("rtsp://10.0.0.5/base/", "rtsp://10.0.0.5/base/"),
        ("10.0.0.5:554/base/", "rtsp://10.0.0.5:554/base/"),
        ("/base/", "rtsp://10.0.0.5/base/"),
    ],
)
def test_the_base_is_what_the_camera_announced(announced, base):
    assert base_of(announced, "rtsp://10.0.0.5/live") == base


def test_a_base_without_a_scheme_has_that_of_the_request():
    assert base_of("10.0.0.5/base/", "rtsps://10.0.0.5/live") == "rtsps://10.0.0.5/base/"
    assert base_of("/base/", "rtsps://10.0.0.5/live") == "rtsps://10.0.0.5/base/"


@pytest.mark.parametrize(
    ("base", "control", "url"),
    [
        ("rtsp://c/live/", "track1", "rtsp://c/live/track1"),
        ("rtsp://c/live", "track1", "rtsp://c/live/track1"),
        ("rtsp://c/live?channel=1", "track1", "rtsp://c/live?channel=1/track1"),
        ("rtsp://c/live/", "rtsp://c/other/track1?x=1", "rtsp://c/other/track1?x=1"),
        ("rtsp://c/live/", "*", "rtsp://c/live/"),
        ("rtsp://c/live/", None, "rtsp://c/live/"),
    ],
)
def test_a_control_address_is_put_behind_the_base(base, control, url):
    assert control_url(base, control) == url
