import pytest

from adapters.libav.faults import Blame, printable
from adapters.libav.wire import Reason
from gateway.errors import AuthFailed, Busy, DeviceError, ProtocolFault, Unreachable


def blame(scheme="http", has_credential=True):
    return Blame(scheme, "10.0.0.5:80", has_credential=has_credential, open_s=15, silence_s=10)


@pytest.mark.parametrize(
    ("scheme", "reason", "opened", "kind", "words"),
    [
        ("http", Reason.UNAUTHORISED, False, AuthFailed, "refuses the user name or the password"),
        ("http", Reason.REFUSED, False, ProtocolFault, "answered with"),
        ("http", Reason.BUSY, False, Unreachable, "another viewer"),
        ("rtsp", Reason.BUSY, False, Busy, "another viewer"),
        ("http", Reason.SILENT, False, Unreachable, "no stream within 15 s"),
        ("http", Reason.SILENT, True, Unreachable, "no video for 10 s"),
        ("http", Reason.ENDED, True, Unreachable, "ended the stream"),
        ("http", Reason.UNREADABLE, False, ProtocolFault, "no stream we can read"),
        ("rtp", Reason.UNREADABLE, False, ProtocolFault, "rtsp:// address"),
        ("http", Reason.CODEC, False, ProtocolFault, "H.264, H.265 and MJPEG"),
        ("http", Reason.NETWORK, False, Unreachable, "cannot be connected"),
        ("http", Reason.NETWORK, True, Unreachable, "broke the connection"),
        ("file", Reason.NETWORK, False, Unreachable, "cannot be read"),
        ("http", Reason.OURS, True, ProtocolFault, "the gateway's own"),
    ],
)
def test_each_reason_is_an_error_that_says_where_and_what(scheme, reason, opened, kind, words):
    error = blame(scheme).error(reason, "what it said", opened=opened)
    assert type(error) is kind
    assert words in str(error)
    assert str(error).count("10.0.0.5:80") == 1


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("opened", [False, True])
def test_no_reason_is_without_an_error(reason, opened):
    assert isinstance(blame().error(reason, "", opened=opened), DeviceError)


def test_a_missing_credential_is_told_from_a_wrong_one():
    assert "none is configured" in str(blame(has_credential=False).error(Reason.UNAUTHORISED, "", opened=False))


def test_a_busy_camera_is_left_alone_for_as_long_as_a_stale_session_lives():
    error = blame("rtsp").error(Reason.BUSY, "", opened=False)
    assert isinstance(error, Busy) and error.after == 60


def test_what_a_child_says_is_one_short_line():
    assert printable("a\r\n\x1b[31mb") == "a   [31mb"
    assert len(printable("x" * 5000)) == 121
