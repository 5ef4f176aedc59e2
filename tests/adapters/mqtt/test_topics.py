import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mqtt.topics import Address, Topic, ack_topic, address_of, publishable, reply_address
from gateway.model import ReplyTo


@pytest.mark.parametrize("terminal", ["tv-0001", "", "一号", "$SYS", " "])
@pytest.mark.parametrize("topic", Topic)
def test_the_topics_of_terminals(terminal, topic):
    assert address_of(f"tv/{terminal}/{topic}") == Address(terminal, topic)


@pytest.mark.parametrize(
    "topic", ["tv/alarm", "tv/a/b/alarm", "TV/a/alarm", "tv/a/Alarm", "tv/a/ack", "", "/tv/a/alarm"]
)
def test_other_topics(topic):
    assert address_of(topic) is None


def test_filters_and_labels_name_no_terminal():
    assert Topic.ALARM.filter == "tv/+/alarm"
    assert Topic.ALARM.template == "tv/{terminal}/alarm"
    assert ack_topic("tv-1") == "tv/tv-1/ack"


@pytest.mark.parametrize("topic", ["replies/tv-1", "tv/tv-1/ack", "tv/tv-1/reply/7", "/", "应答"])
def test_a_response_topic_is_taken(topic):
    assert reply_address("tv-1", topic, b"\0\1") == (ReplyTo(topic, b"\0\1"), None)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "a/+/b",
        "a/#",
        "a\0b",
        "$SYS/broker",
        "$share/g/t",
        "\ud800",
        "x" * 65_536,
        "tv",
        "tv/",
        "tv/tv-1",
        "tv/tv-1/alarm",
        "tv/tv-1/cancel",
        "tv/tv-1/status",
        "tv/tv-1/heartbeat",
        "tv/tv-1/neighbour",
        "tv/tv-2/alarm",
        "tv/tv-2/ack",
        "tv/tv-1/alarm/x",
    ],
)
def test_a_response_topic_that_could_raise_an_alarm_or_do_worse_is_not_used(topic):
    reply, fault = reply_address("tv-1", topic, None)
    assert reply is None and fault


def test_no_answer_goes_where_a_siren_listens():
    assert reply_address("tv-1", "village/siren", None, {"village/siren"})[0] is None
    assert reply_address("tv-1", "village/other", None, {"village/siren"})[0] is not None


def test_no_response_topic_is_no_fault():
    assert reply_address("tv-1", None, b"x") == (None, None)


def test_correlation_data_is_bounded():
    assert reply_address("tv-1", "r", b"x" * 4096)[0] == ReplyTo("r", b"x" * 4096)
    assert reply_address("tv-1", "r", b"x" * 4097)[0] is None


@given(st.text(max_size=40), st.text(max_size=10))
def test_no_response_topic_whatever_is_heard_as_a_terminal(topic, terminal):
    reply, _ = reply_address(terminal, topic, None)
    if reply is not None:
        assert publishable(reply.topic) and address_of(reply.topic) is None
