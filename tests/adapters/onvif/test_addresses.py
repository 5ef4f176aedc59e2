"""What devices say of themselves, and where they really are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from adapters.onvif.addresses import authority, device_url, port_of, reachable, same_host
from adapters.onvif.faults import printable
from gateway.errors import ProtocolFault
from gateway.model import OnvifAddress

HERE = OnvifAddress("10.0.0.5", 80)


@pytest.mark.parametrize(
    ("said", "port", "meant"),
    [
        ("http://10.0.0.5/onvif/device_service", 80, "http://10.0.0.5/onvif/device_service"),
        ("http://192.168.1.10/onvif/Media", 80, "http://10.0.0.5/onvif/Media"),
        ("http://192.168.1.10/onvif/Media", 8081, "http://10.0.0.5:8081/onvif/Media"),  # NAT
        ("http://10.0.0.5:8000/onvif/event_service", 8000, "http://10.0.0.5:8000/onvif/event_service"),
        ("http://10.0.0.5/cgi-bin/api.cgi?cmd=onvifSnapPic", 8000, "http://10.0.0.5/cgi-bin/api.cgi?cmd=onvifSnapPic"),
        ("http://10.0.0.5:80:8000/onvif/x", 8000, "http://10.0.0.5:8000/onvif/x"),
        ("http://192.168.1.10:80:8899/onvif/x", 80, "http://10.0.0.5:80/onvif/x"),
        ("rtsp://192.168.1.10:554/a?b=1&amp;c=2", 80, "rtsp://10.0.0.5:554/a?b=1&c=2"),
        ("rtsp://192.168.1.10/a", 80, "rtsp://10.0.0.5/a"),
        ("rtsp://192.168.1.10:80:554/a", 80, "rtsp://10.0.0.5:554/a"),
        ("rtsp://192.168.1.10:8554/a b", 80, "rtsp://10.0.0.5:8554/a%20b"),
        ("\n   rtsp://192.168.1.10:554/a\n", 80, "rtsp://10.0.0.5:554/a"),
        ("rtsp://admin:geheim@192.168.1.10:554/a", 80, "rtsp://10.0.0.5:554/a"),
        ("rtsp://a:p@ss@192.168.1.10:554/a", 80, "rtsp://10.0.0.5:554/a"),
        ("http://0.0.0.0/onvif/x", 80, "http://10.0.0.5/onvif/x"),
        ("http://127.0.0.1:80/onvif/x", 8080, "http://10.0.0.5:8080/onvif/x"),
        ("http://[fe80::1]:80/onvif/x", 80, "http://10.0.0.5:80/onvif/x"),
        ("http://fe80::1/onvif/x", 80, "http://10.0.0.5/onvif/x"),
        ("http://camera.local/onvif/x", 80, "http://10.0.0.5/onvif/x"),
        ("https://192.168.1.10/onvif/x", 80, "https://10.0.0.5:80/onvif/x"),
        ("/onvif/Events/Pull?Idx=1", 8000, "http://10.0.0.5:8000/onvif/Events/Pull?Idx=1"),
        ("192.168.1.10/onvif/x", 80, "http://10.0.0.5/onvif/x"),
        ("//192.168.1.10/onvif/x", 80, "http://10.0.0.5/onvif/x"),
        ("http://192.168.1.10", 80, "http://10.0.0.5"),
        ("HTTP://192.168.1.10/X#frag", 80, "http://10.0.0.5/X"),
        ("http://192.168.1.10:99999/x", 80, "http://10.0.0.5/x"),
        ("http://192.168.1.10/名", 80, "http://10.0.0.5/%E5%90%8D"),
        ("http://192.168.1.10/a%20b", 80, "http://10.0.0.5/a%20b"),
        ("http://192.168.1.10/a\r\nHost: x", 80, "http://10.0.0.5/aHost:%20x"),
    ],
)
def test_reachable(said, port, meant):
    assert reachable(said, OnvifAddress("10.0.0.5", port)) == meant


def test_the_port_of_the_device_service_is_the_one_that_answered():
    behind = OnvifAddress("203.0.113.7", 18080)
    assert reachable("http://192.168.1.10:8899/onvif/x", behind, device_port=8899) == "http://203.0.113.7:18080/onvif/x"
    assert reachable("http://192.168.1.10:85/snap", behind, device_port=8899) == "http://203.0.113.7:85/snap"
    assert reachable("http://192.168.1.10/snap", behind, device_port=8899) == "http://203.0.113.7/snap"
    assert reachable("rtsp://192.168.1.10:8899/x", behind, device_port=8899) == "rtsp://203.0.113.7:8899/x"


def test_tls_stays_tls():
    here = OnvifAddress("10.0.0.5", 8443, tls=True)
    assert reachable("http://10.0.0.5/onvif/x", here) == "https://10.0.0.5:8443/onvif/x"
    assert device_url(here) == "https://10.0.0.5:8443/onvif/device_service"


def test_ipv6():
    here = OnvifAddress("fe80::2", 80)
    assert reachable("http://192.168.1.10/x", here) == "http://[fe80::2]/x"
    assert authority(here) == "[fe80::2]:80"
    assert same_host("FE80:0:0::2", "[fe80::2]") and not same_host("fe80::2", "fe80::3")
    assert same_host("Camera.local.", "camera.local")


@pytest.mark.parametrize(
    "said", ["", "   ", "ftp://10.0.0.5/x", "javascript:alert(1)", "file:///etc/passwd", "none", "http:"]
)
def test_no_address(said):
    with pytest.raises(ProtocolFault, match=r"^10\.0\.0\.5:80 gave an address that is none"):
        reachable(said, HERE)


def test_port_of():
    assert [port_of(url) for url in ("http://a/x", "http://a:8000/x", "https://a/", "http://a:1:2/", "x", "")] == [
        *(80, 8000, 443, None),
        *(None, None),
    ]


@given(
    st.one_of(st.text(), st.text().map(lambda tail: "http://" + tail), st.text().map(lambda tail: "rtsp://h:5" + tail))
)
def test_whatever_it_says_leads_to_the_device_or_nowhere(said):
    try:
        found = reachable(said, HERE)
    except ProtocolFault as error:
        assert printable(str(error), 1000) == str(error)
        return
    url = URL(found, encoded=True)
    assert url.host == "10.0.0.5" and url.user is None and found.isascii() and found.isprintable() and " " not in found
    assert url.scheme in ("http", "https", "rtsp", "rtsps")
