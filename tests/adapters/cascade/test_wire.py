import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.cascade import wire
from adapters.cascade.batch import read_batch
from adapters.cascade.problems import Problem, json_response
from gateway.canonical import canonical_json, sha256_hex
from gateway.model import Entry
from gateway.ports import Arrival, Report

AT = datetime(2026, 1, 31, 8, 0, 0, 123000, tzinfo=UTC)


def entry(**changes) -> Entry:
    values = {
        "id": "0197-e",
        "alert_id": "0197-a",
        "node": "zhuyang",
        "seq": 7,
        "parents": ("0197-d",),
        "at": AT,
        "actor": "terminal/tv-0001",
        "action": "note",
        "comment": "门口",
        "data": {"until": None},
    }
    return Entry(**{**values, **changes})


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e15, 1e15) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
ids = st.from_regex(r"[A-Za-z0-9._:-]{1,128}", fullmatch=True)
entries = st.builds(
    Entry,
    id=ids,
    alert_id=ids,
    node=st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True),
    seq=st.integers(1, 2**53 - 1),
    parents=st.lists(texts, max_size=3).map(tuple),
    at=st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(
        lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC)
    ),
    actor=texts,
    action=texts,
    comment=st.none() | texts,
    data=st.dictionaries(texts, values, max_size=3),
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["specversion", "id", "source", "type", "data", "node", "parents", "seq", "at", "x"])
            | st.text(),
            inner,
            max_size=6,
        )
    ),
    max_leaves=30,
)


def test_an_entry_is_a_cloud_event_with_all_that_the_field_expects():
    event = json.loads(wire.event_bytes(entry()))
    assert event == {
        "specversion": "1.0",
        "id": "0197-e",
        "source": "/nodes/zhuyang",
        "type": "gateway.entry.v1",
        "subject": "alerts/0197-a",
        "time": "2026-01-31T08:00:00.123Z",
        "datacontenttype": "application/json",
        "sequence": "7",
        "data": {
            "id": "0197-e",
            "alert_id": "0197-a",
            "node": "zhuyang",
            "seq": 7,
            "parents": ["0197-d"],
            "at": "2026-01-31T08:00:00.123Z",
            "actor": "terminal/tv-0001",
            "action": "note",
            "comment": "门口",
            "data": {"until": None},
        },
    }


@given(entries)
def test_an_entry_survives_the_way_and_its_bytes_are_canonical(original):
    sent = wire.event_bytes(original)
    [value], listed = wire.read_body(sent)
    assert not listed
    arrival = wire.read_arrival(value, sent, "lower")
    assert isinstance(arrival, Arrival)
    assert wire.event_bytes(arrival.entry) == sent
    assert arrival.sha256 == sha256_hex(sent)
    assert wire.read_entry(value) == arrival.entry


def test_in_a_list_the_canonical_json_counts():
    event = wire.event_json(entry())
    body = json.dumps([event], indent=3).encode()
    batch = read_batch(body, "zhuyang")
    assert [arrival.sha256 for arrival in batch.arrivals] == [sha256_hex(canonical_json(event))]


def test_alone_its_bytes_as_sent_count():
    body = json.dumps(wire.event_json(entry()), indent=3).encode()
    batch = read_batch(body, "zhuyang")
    assert [arrival.sha256 for arrival in batch.arrivals] == [sha256_hex(body)]


def test_optional_attributes_may_be_absent_or_null_and_extensions_are_passed_over():
    full = wire.event_json(entry())
    event = {name: full[name] for name in ("specversion", "id", "source", "type", "data")}
    event |= {"time": None, "traceparent": "00-aa-bb-00", "datacontenttype": "application/json; charset=utf-8"}
    assert wire.read_entry(event) == entry()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"id": ""}, "id"),
        ({"id": 5}, "id"),
        ({"id": "x" * 129}, "id"),
        ({"source": None}, "source"),
        ({"type": None}, "type"),
        ({"type": "gateway.parade.v1"}, "gateway.parade.v1"),
        ({"data": "text"}, "data"),
        ({"data": None, "data_base64": "e30="}, "data"),
        ({"datacontenttype": "application/xml"}, "datacontenttype"),
        ({"data": {}}, "id"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(changes, told):
    with pytest.raises(ValueError, match=told):
        wire.read_arrival({**wire.event_json(entry()), **changes}, b"", "zhuyang")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"at": "0001-01-01T00:00:00+14:00"}, "at"),
        ({"at": "2026-01-31T08:00:00"}, "at"),
        ({"node": "/above"}, "node"),
        ({"node": "n" * 65}, "node"),
        ({"id": "../../etc"}, "id"),
        ({"alert_id": "a b"}, "alert_id"),
        ({"seq": 0}, "seq"),
        ({"seq": 2**63}, "seq|integer"),
        ({"comment": "\ud800"}, "JSON"),
        ({"comment": "x" * 300_000}, "larger"),
    ],
)
@pytest.mark.parametrize("alone", [True, False])
def test_an_entry_that_no_node_would_write_is_refused_in_words(changes, told, alone):
    event = wire.event_json(entry())
    event["data"] |= changes
    body = json.dumps(event if alone else [event]).encode()
    batch = read_batch(body, "zhuyang")
    assert batch.arrivals == []
    assert re.search(told, batch.refused[0]["reason"])


def test_one_bad_event_is_named_and_the_others_go_on():
    good = wire.event_json(entry())
    unknown = {**good, "id": "odd", "type": "gateway.parade.v1"}
    huge = {**good, "id": "huge", "data": {**good["data"], "data": {"n": 2**60}}}
    batch = read_batch(json.dumps([unknown, good, huge, 17]).encode(), "zhuyang")
    assert batch.ids == ["0197-e"]
    assert [refusal["id"] for refusal in batch.refused] == ["odd", "huge", None]
    assert all(refusal["reason"] for refusal in batch.refused)


def test_deep_nesting_is_refused_and_exhausts_nothing():
    deep: object = "x"
    for _ in range(200):
        deep = [deep]
    event = {**wire.event_json(entry()), "extension": deep}
    batch = read_batch(json.dumps([event, wire.event_json(entry())]).encode(), "zhuyang")
    assert batch.ids == ["0197-e"]
    assert "nested" in batch.refused[0]["reason"]
    with pytest.raises(Problem) as caught:
        read_batch(b"[" * 100_000 + b"]" * 100_000, "zhuyang")
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"17", b'"text"', b'{"a": NaN}', b"[1e5, Infinity]", b"1" * 5000]
)
def test_a_body_that_is_no_json_of_events_is_a_400(body):
    with pytest.raises(Problem) as caught:
        read_batch(body, "zhuyang")
    assert caught.value.status == 400


@pytest.mark.parametrize("piece", [b"[]", b"{}", b"1"])
def test_a_body_of_a_million_values_is_not_even_read(piece):
    with pytest.raises(Problem, match="values"):
        read_batch(b"[" + piece + (b"," + piece) * 300_001 + b"]", "zhuyang")


def test_a_byte_order_mark_is_read_over():
    assert read_batch(b"\xef\xbb\xbf" + wire.event_bytes(entry()), "zhuyang").ids == ["0197-e"]


def test_more_than_a_thousand_events_are_too_many():
    assert len(read_batch(json.dumps([1] * 1000).encode(), "zhuyang").refused) == 1000
    with pytest.raises(Problem) as caught:
        read_batch(json.dumps([1] * 1001).encode(), "zhuyang")
    assert caught.value.status == 413


@given(st.lists(junk, max_size=4), st.binary(max_size=40))
def test_junk_is_refused_and_every_refusal_can_be_answered(events, raw):
    batch = (
        read_batch(json.dumps([event for event in events], allow_nan=False).encode(), "v") if _finite(events) else None
    )
    if batch is not None:
        assert len(batch.arrivals) + len(batch.refused) == len(events)
        json.loads(json_response(batch.refused).body)
    try:
        read_batch(raw, "v")
    except Problem as problem:
        json.loads(problem.response().body)


def _finite(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("source", "data", "node"),
    [
        ("/nodes/village", {}, "village"),
        ("/nodes/village", {"node": "hamlet"}, "hamlet"),
        ("urn:elsewhere", {}, "lower"),
        ("/nodes/a/b", {}, "lower"),
    ],
)
def test_a_report_says_whom_it_is_about(source, data, node):
    event = {"specversion": "1.0", "id": "r1", "source": source, "type": "gateway.health.v1", "data": data}
    report = wire.read_arrival(event, None, "lower")
    assert isinstance(report, Report)
    assert (report.node, report.type, report.id) == (node, "gateway.health.v1", "r1")
