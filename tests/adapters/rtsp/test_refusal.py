import pytest

from adapters.rtsp.address import parse_address
from adapters.rtsp.message import Response
from adapters.rtsp.refusal import Redirected, check, check_options, follow
from gateway.errors import Busy, NotSpoken, ProtocolFault
from gateway.model import Credential

VIEWER = Credential("viewer", "hidden-word")


def answer(status, **fields):
    return Response(status, "words", {name.replace("_", "-"): [value] for name, value in fields.items()})


@pytest.mark.parametrize("status", [429, 453, 503])
def test_a_camera_without_a_place_is_busy_for_as_long_as_a_stale_session_lives(status):
    with pytest.raises(Busy, match=f"answered SETUP with {status} words; ") as busy:
        check("10.0.0.5:554", "SETUP", answer(status), 90)
    assert busy.value.after == 90


@pytest.mark.parametrize(("asked", "after"), [("15", 15), ("0", 1), ("86400", 600), ("Thu, 01 Jan 1970", 60), ("", 60)])
def test_it_may_say_how_long(asked, after):
    with pytest.raises(Busy) as busy:
        check("10.0.0.5:554", "SETUP", answer(503, retry_after=asked), 60)
    assert busy.value.after == after


def test_no_transport_that_suits_is_for_another_adapter():
    with pytest.raises(NotSpoken, match="refuses each transport"):
        check("10.0.0.5:554", "SETUP", answer(461), 60)


@pytest.mark.parametrize("status", [200, 250])
def test_success_raises_nothing(status):
    check("10.0.0.5:554", "PLAY", answer(status), 60)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_names_its_place(status):
    with pytest.raises(Redirected) as redirected:
        check("10.0.0.5:554", "DESCRIBE", answer(status, location="rtsp://10.0.0.6/live"), 60)
    assert redirected.value.location == "rtsp://10.0.0.6/live"


@pytest.mark.parametrize(("status", "fields"), [(302, {}), (305, {"location": "rtsp://10.0.0.6/"}), (300, {})])
def test_a_redirection_that_cannot_be_followed_is_a_fault(status, fields):
    with pytest.raises(ProtocolFault, match=f"with {status}"):
        check("10.0.0.5:554", "DESCRIBE", answer(status, **fields), 60)


def test_of_options_only_what_concerns_all_is_taken_seriously():
    for status in (400, 404, 405, 500, 501):
        check_options("10.0.0.5:554", answer(status), 60)
    with pytest.raises(Busy):
        check_options("10.0.0.5:554", answer(503), 60)
    with pytest.raises(Redirected):
        check_options("10.0.0.5:554", answer(302, location="rtsp://10.0.0.6/"), 60)


# ------------------------------------------------------------------------------------------------ where it leads

HERE = parse_address("rtsp://10.0.0.5/live?channel=1")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("rtsp://10.0.0.5:8554/other", "rtsp://10.0.0.5:8554/other"),
        ("rtsps://10.0.0.5/other", "rtsps://10.0.0.5/other"),
        ("/other", "rtsp://10.0.0.5/other"),
        ("10.0.0.5:8554/other", "rtsp://10.0.0.5:8554/other"),
    ],
)
def test_the_same_host_is_shown_the_credential_again(location, url):
    target, credential = follow(HERE, VIEWER, location)
    assert (target.url, credential) == (url, VIEWER)


def test_another_host_is_not():
    target, credential = follow(HERE, VIEWER, "rtsp://10.0.0.6/live")
    assert target.host == "10.0.0.6" and credential is None


def test_a_credential_that_the_camera_itself_named_for_another_host_is():
    target, credential = follow(HERE, VIEWER, "rtsp://guest:word@10.0.0.6/live")
    assert (target.url, credential) == ("rtsp://10.0.0.6/live", Credential("guest", "word"))


def test_nobody_is_led_out_of_encryption():
    with pytest.raises(ProtocolFault, match="which is not encrypted"):
        follow(parse_address("rtsps://10.0.0.5/live"), VIEWER, "rtsp://10.0.0.5/live")


@pytest.mark.parametrize(
    "location", ["http://10.0.0.6/login", "file:///etc/passwd", "rtsp://", "rtsp://a b/", "rtsp://[::1/"]
)
def test_only_rtsp_is_followed(location):
    with pytest.raises(ProtocolFault, match="which is no RTSP address"):
        follow(HERE, VIEWER, location)


def test_a_sentence_never_shows_the_credential_of_a_redirection():
    with pytest.raises(ProtocolFault) as fault:
        follow(HERE, VIEWER, "http://guest:hidden-word@10.0.0.6/")
    assert "hidden" not in str(fault.value)
