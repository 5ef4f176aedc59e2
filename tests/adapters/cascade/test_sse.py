import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.cascade.sse import EventParser, ServerSentEvent
from gateway.errors import ProtocolFault

lines = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=12)
words = st.text("abcdefghij0123456789", min_size=1, max_size=6)
sent = st.lists(st.tuples(st.none() | words, st.none() | words, st.lists(lines, min_size=1, max_size=3)), max_size=6)


def parse(*chunks: bytes) -> list[ServerSentEvent]:
    parser = EventParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


def test_an_event_has_id_type_and_data():
    assert parse(b"id: 5\nevent: entry\ndata: {}\n\n") == [ServerSentEvent("5", "entry", "{}")]


def test_the_id_stays_until_another_comes_and_the_type_does_not():
    assert parse(b"id: 5\nevent: entry\ndata: a\n\ndata: b\n\nid\ndata: c\n\n") == [
        ServerSentEvent("5", "entry", "a"),
        ServerSentEvent("5", "message", "b"),
        ServerSentEvent("", "message", "c"),
    ]


def test_comments_unknown_fields_and_events_without_data_pass_silently():
    assert parse(b": hello\nretry: 1000\nfoo: bar\n\nevent: x\n\ndata:y\n\n") == [ServerSentEvent("", "message", "y")]


def test_a_byte_order_mark_is_read_over_once_at_the_start():
    assert parse(b"\xef\xbb\xbfdata: a\n\n") == [ServerSentEvent("", "message", "a")]


@given(sent, st.sampled_from([b"\n", b"\r", b"\r\n"]), st.data())
def test_any_cut_and_any_line_end_give_the_same_events(events, end, data):
    body, expected, last = b"", [], ""
    for event_id, kind, texts in events:
        fields = ([f"id: {event_id}"] if event_id else []) + ([f"event: {kind}"] if kind else [])
        fields += [f"data: {text}" for text in texts]
        body += b"".join(field.encode() + end for field in fields) + end
        last = event_id or last
        expected.append(ServerSentEvent(last, kind or "message", "\n".join(texts)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    chunks = [body[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert parse(*chunks) == expected


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_junk_never_raises_anything_but_a_protocol_fault(chunks):
    parser = EventParser(limit=100)
    for chunk in chunks:
        try:
            parser.feed(chunk)
        except ProtocolFault:
            return


@pytest.mark.parametrize("chunk", [b"x" * 50, b"data: abcdefgh\n", b"id: 123456\n"])
def test_an_event_without_end_is_a_fault_and_not_a_growing_memory(chunk):
    parser = EventParser(limit=1000)
    with pytest.raises(ProtocolFault, match="larger than 1000 bytes"):
        for _ in range(1000):
            parser.feed(chunk)


def test_many_small_events_never_reach_the_bound():
    parser = EventParser(limit=100)
    assert sum(len(parser.feed(b"data: abcdefgh\n\n")) for _ in range(1000)) == 1000
