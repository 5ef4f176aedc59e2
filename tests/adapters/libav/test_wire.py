import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.libav.wire import OPENED, UNIT, Kind, Opened, Reason, Unit, decode


def test_messages():
    assert decode(Kind.READY, b"") is None
    assert decode(Kind.OPENED, OPENED.pack(2, 640, 360)) == Opened("mjpeg", 640, 360)
    head = UNIT.pack(12.5, True, 90, 640, 360)
    assert decode(Kind.UNIT, head + b"jpeg") == Unit(12.5, True, 90, 640, 360, b"jpeg")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (0, b""),
        (99, b""),
        (Kind.OPENED, b""),
        (Kind.OPENED, OPENED.pack(9, 1, 1)),
        (Kind.UNIT, b"x"),
        (Kind.FAULT, b""),
    ],
)
def test_what_no_child_of_ours_would_say(kind, body):
    with pytest.raises(ValueError):
        decode(kind, body)


@given(st.integers(0, 255), st.binary(max_size=64))
def test_anything_is_a_message_or_a_value_error(kind, body):
    try:
        decode(kind, body)
    except ValueError:
        assert kind not in (Kind.READY,)
    else:
        assert kind in list(Kind)
        assert kind != Kind.FAULT or body[0] in list(Reason)
