from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from adapters.onvif import soap
from adapters.onvif.events.notifications import (
    LONGEST_TOPIC,
    LONGEST_VALUE,
    MOST_ITEMS,
    MOST_NOTIFICATIONS,
    Notification,
    parse_pull,
    parse_time,
    xml_of,
)
from gateway.errors import ProtocolFault

_MESSAGE = (
    '<wsnt:NotificationMessage><wsnt:Topic Dialect="x">{topic}</wsnt:Topic><wsnt:Message>'
    '<tt:Message UtcTime="2026-01-02T03:04:05Z" PropertyOperation="Changed">{inside}</tt:Message>'
    "</wsnt:Message></wsnt:NotificationMessage>"
)


def pulled(*messages: str) -> etree._Element:
    """A PullMessagesResponse whose prefixes nobody declared, as some cameras send it."""
    body = "<tev:PullMessagesResponse>" + "".join(messages) + "</tev:PullMessagesResponse>"
    return soap.read(soap.envelope(body.encode()), "10.0.0.5:80", "PullMessages")


def message(topic: str = "tns1:VideoSource/MotionAlarm", inside: str = "") -> str:
    return _MESSAGE.format(topic=topic, inside=inside)


def test_prefixes_that_nobody_declared_are_read() -> None:
    inside = (
        '<tt:Source><tt:SimpleItem Name="Source" Value="1"/></tt:Source>'
        '<tt:Key><tt:SimpleItem Name="ObjectId" Value="7"/></tt:Key>'
        '<tt:Data><tt:SimpleItem Name="State" Value="true"/></tt:Data>'
    )
    (found,) = parse_pull(pulled(message(inside=inside)))
    assert found.topic == "tns1:VideoSource/MotionAlarm"
    assert found.at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found.operation == "Changed"
    assert (found.source, found.key, found.data) == ({"Source": "1"}, {"ObjectId": "7"}, {"State": "true"})


def test_white_space_in_a_topic_does_not_count() -> None:
    (found,) = parse_pull(pulled(message("\n   tns1:RuleEngine / CellMotionDetector/Motion\n  ")))
    assert found.topic == "tns1:RuleEngine/CellMotionDetector/Motion"


def test_a_message_without_the_inner_message_element_is_read() -> None:
    flat = '<NotificationMessage><Topic>a/b</Topic><Message UtcTime="2026-01-02T03:04:05Z"/></NotificationMessage>'
    (found,) = parse_pull(pulled(flat))
    assert (found.topic, found.source) == ("a/b", {})


def test_an_element_item_is_told_in_words() -> None:
    inside = (
        '<tt:Data><tt:ElementItem Name="LineCrossing"><v:Area><v:Line id="0">left</v:Line></v:Area></tt:ElementItem>'
        '<tt:ElementItem Name="Text">plain</tt:ElementItem></tt:Data>'
    )
    (found,) = parse_pull(pulled(message(inside=inside)))
    assert found.data == {"LineCrossing": "Line.id=0, Line=left", "Text": "plain"}


def test_what_has_no_topic_or_no_message_is_left_out() -> None:
    assert parse_pull(pulled(message(""), "<NotificationMessage><Topic>a</Topic></NotificationMessage>")) == []


def test_hostile_sizes_are_cut() -> None:
    deep = "<x>" * 60 + "y" * 5000 + "</x>" * 60
    items = "".join(f'<tt:SimpleItem Name="n{n}" Value="v"/>' for n in range(MOST_ITEMS + 9))
    inside = (
        f"<tt:Source>{items}</tt:Source>"
        f'<tt:Key><tt:SimpleItem Name="long" Value="{"v" * 5000}"/></tt:Key>'
        f'<tt:Data><tt:ElementItem Name="deep">{deep}</tt:ElementItem>'
        f'<tt:ElementItem Name="wide">{"<z>" + "w" * 5000 + "</z>"}</tt:ElementItem></tt:Data>'
    )
    (found,) = parse_pull(pulled(message("t" * 999, inside)))
    assert len(found.topic) == LONGEST_TOPIC
    assert len(found.source) == MOST_ITEMS
    assert {len(value) for value in found.key.values()} == {LONGEST_VALUE}
    assert found.data["deep"] == ""
    assert len(found.data["wide"]) == LONGEST_VALUE
    assert len(parse_pull(pulled(*[message()] * (MOST_NOTIFICATIONS + 5)))) == MOST_NOTIFICATIONS


def test_a_time_of_spaces_is_none() -> None:
    # Looked for with a pattern, as times of a sensible length are, it would take minutes.
    assert parse_time("2020-01-01" + " " * 200_000 + "x") is None


def test_its_xml_can_be_replayed() -> None:
    inside = '<tt:Data><tt:SimpleItem Name="State" Value="true"/></tt:Data>'
    body = pulled(message("tns1:A/B"), message("tns1:C/D", inside))
    second = parse_pull(body)[1]
    assert parse_pull(pulled(xml_of(body, second).decode())) == [second]
    assert xml_of(body, Notification("tns1:E/F")) == b""


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-04-08T14:35:49Z", datetime(2026, 4, 8, 14, 35, 49, tzinfo=UTC)),
        ("2018-02-27T18:27:56.070891Z", datetime(2018, 2, 27, 18, 27, 56, 70891, tzinfo=UTC)),
        ("2026-04-08T14:35:49", datetime(2026, 4, 8, 14, 35, 49, tzinfo=UTC)),
        ("2026-04-08T22:35:49+08:00", datetime(2026, 4, 8, 14, 35, 49, tzinfo=UTC)),
        ("2024-08-17T00:61:16Z", datetime(2024, 8, 17, 1, 1, 16, tzinfo=UTC)),
        ("2024-08-17T23:59:60Z", datetime(2024, 8, 18, tzinfo=UTC)),
        ("2024-08-17T24:00:00Z", datetime(2024, 8, 18, tzinfo=UTC)),
        ("2023-05-15T-07:10:32Z", datetime(2023, 5, 15, 7, 10, 32, tzinfo=UTC)),
        ("2010-01-01-00:00:00", datetime(2010, 1, 1, tzinfo=UTC)),
        (" 2010-01-01 7:05:09 ", datetime(2010, 1, 1, 7, 5, 9, tzinfo=UTC)),
        ("2010-01-01T07:61:09.5-0130", datetime(2010, 1, 1, 9, 31, 9, 500000, tzinfo=UTC)),
        ("0000-00-00T00:00:00Z", None),
        ("9999-12-31T99:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("2026-04-08T14:35:49+99:99", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_times_as_cameras_write_them(said: str | None, meant: datetime | None) -> None:
    assert parse_time(said) == meant


@given(st.text(max_size=40) | st.from_regex(r"\d{4}-\d{2}-\d{2}[T -]+\d{1,2}:\d{1,2}(:\d{1,2}([.,]\d*)?)?.{0,7}"))
def test_no_time_raises(said: str) -> None:
    found = parse_time(said)
    assert found is None or found.tzinfo is UTC


@given(st.binary(max_size=300), st.integers(0, 400))
def test_whatever_is_damaged_raises_nothing(noise: bytes, at: int) -> None:
    whole = soap.envelope(b"<PullMessagesResponse>" + message().encode() + b"</PullMessagesResponse>")
    try:
        body = soap.read(whole[:at] + noise + whole[at + len(noise) :], "10.0.0.5:80", "PullMessages")
    except ProtocolFault:
        return
    for found in parse_pull(body):
        assert found.topic
        xml_of(body, found)


def test_an_item_of_countless_attributes_is_looked_through_once() -> None:
    """To read them all by items() takes minutes: the test would end by its time limit."""
    countless = " ".join(f'a{number}="{number}"' for number in range(300_000))
    inside = f'<tt:Data><tt:ElementItem Name="Field"><tt:Area {countless}/></tt:ElementItem></tt:Data>'
    (found,) = parse_pull(pulled(message(inside=inside)))
    assert found.data["Field"].startswith("Area.a0=0, Area.a1=1, ")


def test_every_recorded_answer_is_read(recordings) -> None:
    count = 0
    for path in sorted(recordings.glob("*/PullMessages*.xml")):
        if "Fault" in path.name:
            continue
        body = soap.read(path.read_bytes(), "10.0.0.5:80", "PullMessages")
        found = parse_pull(body)
        assert bool(found) == ("empty" not in path.name), path
        for notification in found:
            assert notification.at is not None, path
            assert not set(notification.topic) & set(" \n\t"), path
        count += len(found)
    assert count > 40
