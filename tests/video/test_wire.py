import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Camera, CameraHealth, CameraState, Credential, StreamAddress
from gateway.video.wire import (
    CameraOrder,
    Refused,
    camera_list_from_json,
    camera_list_to_json,
    digest,
    health_from_json,
    health_to_json,
    orders_from_json,
    orders_to_json,
)

texts = st.none() | st.text(max_size=20)
order = st.builds(
    CameraOrder,
    st.text(min_size=1, max_size=20),
    texts,
    texts,
    st.none() | st.builds(Credential, st.text(max_size=9), st.text(max_size=9)),
    st.booleans(),
    st.sampled_from(["auto", "tcp", "udp", "multicast"]),
    st.integers(0, 9),
    st.floats(0, 600),
    masks=st.lists(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=5).map(tuple)).map(tuple),
)


@given(st.lists(order, max_size=5, unique_by=lambda item: item.id))
def test_orders_come_back_as_they_were(orders: list[CameraOrder]) -> None:
    assert orders_from_json(json.loads(json.dumps(orders_to_json(orders)))) == orders


reasons = st.dictionaries(st.text(), st.text(), max_size=3)


@given(st.lists(order, max_size=5, unique_by=lambda item: item.id), st.builds(Refused, reasons, reasons))
def test_a_camera_list_comes_back_as_it_was(orders: list[CameraOrder], refused: Refused) -> None:
    value = json.loads(json.dumps(camera_list_to_json(orders, refused)))
    assert camera_list_from_json(value) == (orders, refused)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "an object"),
        ({}, "JSON list"),
        ({"cameras": [], "refused": {"a": 1}}, "refused is an object"),
        ({"cameras": [], "onvif_refused": []}, "onvif_refused is an object"),
    ],
)
def test_a_wrong_camera_list_is_refused_in_words(value: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        camera_list_from_json(value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "JSON list"),
        ([1], "camera number 1 is not an object"),
        ([{"id": ""}], "has no id"),
        ([{"id": "a"}, {"id": "a"}], "twice"),
        ([{"id": "a", "main": 5}], "main is not a text"),
        ([{"id": "a", "importance": "high"}], "are numbers"),
        ([{"id": "a", "record_s": None}], "are numbers"),
    ],
)
def test_a_wrong_list_is_refused_in_words(value: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        orders_from_json(value)


def test_the_sub_stream_is_taken_where_there_is_one() -> None:
    both = Camera("1", "n", rtsp=StreamAddress("rtsp://a/main", "rtsp://a/sub"))
    assert CameraOrder.of(both).url == "rtsp://a/sub"
    assert CameraOrder.of(Camera("1", "n", rtsp=StreamAddress("rtsp://a/main"))).url == "rtsp://a/main"
    assert CameraOrder.of(Camera("1", "n")).url is None


def test_a_password_is_in_no_repr_and_changes_the_digest() -> None:
    one = CameraOrder("1", "rtsp://a", credential=Credential("u", "geheim"))
    other = CameraOrder("1", "rtsp://a", credential=Credential("u", "anders"))
    assert "geheim" not in repr(one)
    assert digest([one]) != digest([other])


def test_health_comes_back_as_it_was() -> None:
    health = CameraHealth(
        "1",
        CameraState.OFFLINE,
        datetime(2026, 1, 1, tzinfo=UTC),
        "dark",
        datetime(2026, 1, 2, tzinfo=UTC),
        "h264",
        704,
        576,
        12,
        3,
        2,
        ("frozen",),
    )
    assert health_from_json(json.loads(json.dumps(health_to_json(health)))) == health
