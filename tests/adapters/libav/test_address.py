import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.libav.address import parse_address
from adapters.libav.wire import REQUEST_SIZE, Opening
from gateway.errors import ProtocolFault
from gateway.model import Credential

VIEWER = Credential("vi:ewer", "p@ss/wo?rd %1")


def test_a_credential_goes_into_the_address_for_libav_and_nowhere_else():
    address = parse_address("rtsp://10.0.0.5/live?a=b@c", VIEWER)
    opening = address.opening("auto", 15, 10)
    assert opening.url == "rtsp://vi%3Aewer:p%40ss%2Fwo%3Frd%20%251@10.0.0.5/live?a=b@c"
    assert address.place == "10.0.0.5:554"
    assert "wo" not in repr(address) + repr(opening)


def test_a_configured_credential_counts_before_one_in_the_address():
    assert parse_address("http://a:b@h/x", VIEWER).credential == VIEWER
    assert parse_address("http://a:b%40@h/x", None).opening("auto", 1, 1).url == "http://a:b%40@h/x"


@pytest.mark.parametrize(
    ("url", "place", "opened"),
    [
        ("RTSPS://[fe80::1]/s", "[fe80::1]:322", "rtsps://[fe80::1]/s"),
        ("http://cam/mjpg?x=1", "cam:80", "http://cam/mjpg?x=1"),
        ("https://cam:8443/", "cam:8443", "https://cam:8443/"),
        ("udp://@239.1.1.1:5000", "239.1.1.1:5000", "udp://239.1.1.1:5000"),
        ("rtp://239.1.1.1:5000?localaddr=10.0.0.1", "239.1.1.1:5000", "rtp://239.1.1.1:5000?localaddr=10.0.0.1"),
        ("file:///a%20b.mp4", "/a b.mp4", "file:/a b.mp4"),
        ("file://localhost/a.mp4", "/a.mp4", "file:/a.mp4"),
    ],
)
def test_addresses(url, place, opened):
    address = parse_address(url, None)
    assert (address.place, address.opening("auto", 1, 1).url) == (place, opened)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://cam/x",
        "concat:/etc/passwd",
        "hls+http://cam/x",
        "pipe:0",
        "file://server/share",
        "file:relative.mp4",
        "rtp://239.1.1.1",
        "http:///x",
        "rtsp://cam:port/",
        "http://cam/a b",
        "",
        "http://user:hidden-word@[::1/x",
    ],
)
def test_what_is_no_stream_address(url):
    with pytest.raises(ProtocolFault) as fault:
        parse_address(url, None)
    assert "hidden-word" not in str(fault.value)


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "http", "https", "rtp", "udp", "file"])
def test_a_device_cannot_make_us_open_anything_else(scheme):
    options = (
        parse_address(f"{scheme}:///f" if scheme == "file" else f"{scheme}://h:1/", None).opening("auto", 1, 1).options
    )
    formats = options["format_whitelist"].split(",")
    assert not {"hls", "dash", "concat", "sdp", "image2", "lavfi", "imf"} & set(formats)
    assert ("file" in options["protocol_whitelist"].split(",")) is (scheme == "file")


def test_transports():
    address = parse_address("rtsp://h/", None)
    assert address.opening("multicast", 1, 1).options["rtsp_transport"] == "udp_multicast"
    assert address.opening("tcp", 1, 1).options["rtsp_transport"] == "tcp"
    with pytest.raises(ProtocolFault, match="pigeon"):
        address.opening("pigeon", 1, 1)


def test_only_files_are_paced():
    assert parse_address("file:///f", None).opening("auto", 1, 1).paced
    assert not parse_address("http://h/f", None).opening("auto", 1, 1).paced


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_a_fault(text):
    try:
        parse_address(text, VIEWER)
    except ProtocolFault as fault:
        assert "rd %1" not in str(fault)  # no credential


def test_an_opening_survives_the_way_to_the_child():
    opening = parse_address("rtsp://10.0.0.5/live", VIEWER).opening("udp", 15, 10)
    sent = opening.encode()
    assert REQUEST_SIZE.unpack_from(sent) == (len(sent) - REQUEST_SIZE.size,)
    assert Opening.decode(sent[REQUEST_SIZE.size :]) == opening
