import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Credential
from gateway.supervision.place import Login, Place


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("rtsp://10.1.2.3/ch1", Place("10.1.2.3", 554, "10.1.2.0/24")),
        ("rtsp://u:p@10.1.2.3:8554/ch1", Place("10.1.2.3", 8554, "10.1.2.0/24")),
        ("rtsps://[2001:db8:1:2:3::4]/", Place("2001:db8:1:2:3::4", 322, "2001:db8:1:2::/64")),
        ("rtsp://[::ffff:10.1.2.3]/", Place("::ffff:10.1.2.3", 554, "10.1.2.0/24")),
        ("rtsp://Gate.example/x", Place("gate.example", 554, "gate.example")),
        ("http://10.1.2.9/mjpg", Place("10.1.2.9", 80, "10.1.2.0/24")),
    ],
)
def test_a_device_is_counted_by_its_address_and_network(url: str, place: Place) -> None:
    assert Place.of(url) == place


@pytest.mark.parametrize("url", ["file:///srv/street.mp4", "rtsp://", "rtsp://[::1", "rtsp://a:99999/", "", "nonsense"])
def test_what_cannot_be_read_is_a_place_of_its_own(url: str) -> None:
    assert Place.of(url) == Place(url, 0, url)


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    assert Place.of(text).subnet == Place.of(text).subnet
    Login.of(text, None)


def test_a_login_is_the_credential_given_or_the_one_in_the_address() -> None:
    url = "rtsp://us%40er:p%3Aw@10.0.0.5/main"
    assert Login.of(url, None) == Login("10.0.0.5", 554, "us@er", "p:w")
    assert Login.of(url, Credential("a", "b")) == Login("10.0.0.5", 554, "a", "b")
    assert Login.of("rtsp://10.0.0.5/sub", None) == Login("10.0.0.5", 554)
    assert Login.of("rtsp://10.0.0.5/sub", Credential("a", "b")) == Login.of(
        "rtsp://10.0.0.5:554/x", Credential("a", "b")
    )


def test_a_login_hides_its_password() -> None:
    assert "geheim" not in repr(Login("h", 1, "u", "geheim"))
