import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console.problems import Problem
from gateway.console.ranges import requested


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes= 10 - 19 ", (10, 20)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=-", None),
        ("bytes=9-5", None),
        ("bytes=a-b", None),
        ("bytes=0-1,2-3", None),
        ("items=0-1", None),
        ("bytes=٣-", None),
        ("bytes=" + "9" * 400 + "-", None),
    ],
)
def test_what_is_asked_of_a_hundred_bytes(header: str | None, span: tuple[int, int] | None) -> None:
    assert requested(header, 100) == span


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_no_byte_of_it_is_there(header: str) -> None:
    with pytest.raises(Problem) as caught:
        requested(header, 100)
    assert (caught.value.status, caught.value.headers["Content-Range"]) == (416, "bytes */100")


@given(st.one_of(st.text(), st.from_regex(r"bytes=\d*-\d*")), st.integers(0, 10**12))
def test_whatever_is_asked_the_span_lies_within_the_file(header: str, size: int) -> None:
    try:
        span = requested(header, size)
    except Problem:
        return
    assert span is None or 0 <= span[0] < span[1] <= size
