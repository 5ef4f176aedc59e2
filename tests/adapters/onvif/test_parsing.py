import gc
from pathlib import Path

import pytest
from lxml import etree

from adapters.onvif.parsing import LARGE, Reader

_NAME = b"n" * 40
_FORMS = (
    b"<%b%d/>",
    b"</%b%d>",
    b"<%b%d:a/>",
    b"<?%b%d x?>",
    b"&%b%d;",
    b'<a %b%d="1"/>',
    b"<a b='1'%b%d='1'/>",
    b'<a b="1" %b%d/>',
    b"<a b='\"' %b%d='1'/>",
    b'<a b=">" %b%d="1"/>',
    b'<a xmlns="%b%d"/>',
    b'<a xmlns:p  =  "%b%d"/>',
    b"<a xmlns:p='\"%b%d'/>",
    b'<a xmlns:%b%d="u"/>',
)


def _answer(form: bytes, names: range) -> bytes:
    return b"<R>" + b"".join(form % (_NAME, name) for name in names) + b"</R>"


@pytest.mark.parametrize("form", _FORMS)
def test_invented_names_find_no_room(form):
    reader = Reader(most_names=1000)
    assert reader.knows(b'<R><a b="1">text</a></R>')
    assert not reader.knows(_answer(form, range(100)))
    assert reader.knows(b'<R><a b="2">other text</a></R>')


def test_a_device_that_invents_names_fills_no_memory():
    reader = Reader()
    reader.read(_answer(b"<%b%d/>", range(4000)))
    before = _resident()
    for turn in range(1, 100):
        found = reader.read(_answer(b"<%b%d/>", range(4000 * turn, 4000 * (turn + 1))))
        assert found is not None and len(found) == 4000
    del found
    gc.collect()
    assert _resident() - before < 12 * 1024 * 1024  # 20 MB of names went by, which libxml2 keeps in twice the room


def test_what_is_read_apart_is_read_alike():
    reader = Reader(most_names=0)
    for text in (b"<R><a b='1'>x</a>&c;</R>", b"<R><a>", b"<R>" + b"<a/>" * LARGE + b"</R>"):
        found, alike = reader.read(text), Reader().read(text)
        assert found is not None and alike is not None
        assert etree.tostring(found) == etree.tostring(alike)


def test_a_known_name_in_any_answer_of_a_family_is_read_fast():
    reader = Reader()
    first = b'<R><Item Name="State" Value="1"/><Time>2026-01-01T00:00:00Z</Time></R>'
    other = b'<R><Item Name="State" Value="0"/><Time>2026-02-03T04:05:06Z</Time></R>'
    assert reader.knows(first)
    reader = Reader(most_names=200)
    reader.knows(first)
    for _ in range(100):
        assert reader.knows(other)


@pytest.mark.parametrize(
    "piece", [b"xmlns:", b"xmlns ", b"xmlns='", b"<", b"<a ", b"&", b'"', b"x", b" ", b"a=", b"'\""]
)
def test_no_pattern_of_markup_costs_its_square(piece):
    # Squared, a quarter of a MiB would take minutes: the test would hang.
    Reader().knows(piece * (LARGE // len(piece)))


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
