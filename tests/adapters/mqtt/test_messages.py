"""Answers with their proof, and notices to neighbours, sirens and test runs, as the broker is given them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.mqtt.messages import message_of
from gateway.errors import Refused
from gateway.model import Answer, Notice, Stage

AT = datetime(2026, 1, 31, 8, tzinfo=UTC)


def answer(stage: Stage, **proof: Any) -> Answer:
    return Answer("tv", "tv-0001", "p1", "alert-1", stage, "n1", AT, "好", None, proof)


def notice(kind: str, to: str = "tv-0002", **data: Any) -> Notice:
    return Notice(kind, to, "alert-1", AT, "邻居求助", data)


def told(content: Answer | Notice) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message_of(content).payload)
    return found


def test_forwarded_carries_the_upper_nodes_receipt() -> None:
    proof = {"sink": "county", "node": "xian", "seq": 17, "sha256": "ab", "committed_at": "2026-01-31T08:00:00.000Z"}
    assert told(answer(Stage.FORWARDED, **proof))["receipt"] == proof
    assert "receipt" not in told(answer(Stage.FORWARDED))


def test_accepted_says_who_took_it_and_where() -> None:
    found = told(answer(Stage.ACCEPTED, by="li", node="xian", level="county"))
    assert (found["by"], found["at_node"], found["level"], found["node"]) == ("li", "xian", "county", "n1")
    assert set(told(answer(Stage.ACCEPTED))) == {"press_id", "alert_id", "stage", "node", "at", "text"}


def test_neighbour_and_test_go_to_topics_of_their_own() -> None:
    neighbour = message_of(notice("neighbour", alert_id="alert-1", terminal="tv-0001", state="raised"))
    assert neighbour.topic == "tv/tv-0002/neighbour"
    assert json.loads(neighbour.payload) == {
        "alert_id": "alert-1",
        "terminal": "tv-0001",
        "state": "raised",
        "text": "邻居求助",
        "at": "2026-01-31T08:00:00.000Z",
    }
    assert message_of(notice("test", run="r1")).topic == "tv/tv-0002/test"


@pytest.mark.parametrize(
    ("payload", "sent"), [("ON", b"ON"), ({"state": 1}, b'{"state":1}'), (None, b""), ("响", "响".encode())]
)
def test_a_siren_is_given_its_own_payload(payload: object, sent: bytes) -> None:
    made = message_of(notice("siren", topic="sirens/7/set", payload=payload))
    assert (made.topic, made.payload, made.terminal) == ("sirens/7/set", sent, None)


@pytest.mark.parametrize("topic", ["tv/tv-0001/alarm", "tv/x/cancel", "a/#", "", None, "$SYS/x"])
def test_a_sirens_topic_that_would_raise_alarms_or_is_none_is_refused(topic: str | None) -> None:
    with pytest.raises(Refused, match="siren"):
        message_of(notice("siren", topic=topic, payload="ON"))


@pytest.mark.parametrize("kind", ["neighbour", "test"])
def test_a_terminal_that_can_be_no_topic_is_refused(kind: str) -> None:
    with pytest.raises(Refused, match="MQTT topic"):
        message_of(notice(kind, "a/+"))


def test_what_is_for_people_is_refused() -> None:
    with pytest.raises(Refused, match="only answers and notices"):
        message_of(notice("person"))
