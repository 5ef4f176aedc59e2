"""What is left of a query whose fields were not all filled in."""

import pytest

from gateway.console.blanks import without_blanks


@pytest.mark.parametrize(
    ("query", "left"),
    [
        (b"kind=&since=&limit=", b""),
        (b"workflow=new&kind=&q=%20&cursor=", b"workflow=new&q=%20"),
        (b"q=a=b&flag&=", b"q=a=b"),
        (b"kind=sos&kind=", b"kind=sos"),
    ],
)
def test_only_what_was_given_is_left(query: bytes, left: bytes) -> None:
    assert without_blanks(query) == left
