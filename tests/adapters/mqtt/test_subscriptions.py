"""What a broker grants, held against what is wanted."""

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from adapters.mqtt.subscriptions import Subscription, options, shortfalls
from gateway.errors import AuthFailed

WANTED = (Subscription("alarm/#", retained=1, needed=True), Subscription("status/#", retained=0))
BROKER = "broker mqtt://box"


def granted(*codes: int) -> list[ReasonCode]:
    return [ReasonCode(PacketTypes.SUBACK, identifier=code) for code in codes]


def test_what_is_granted_at_qos_1_is_as_it_should_be() -> None:
    assert shortfalls(BROKER, WANTED, granted(1, 1)) == []


def test_less_than_qos_1_is_told() -> None:
    assert shortfalls(BROKER, WANTED, granted(1, 0)) == [
        "broker mqtt://box grants status/# at QoS 0 only: messages can be lost on the way"
    ]


def test_a_filter_that_can_be_done_without_is_told_when_it_is_refused() -> None:
    assert shortfalls(BROKER, WANTED, granted(1, 0x87)) == ["broker mqtt://box does not let us read status/#"]


def test_a_needed_filter_that_is_refused_is_a_fault_of_rights() -> None:
    with pytest.raises(AuthFailed, match="alarm/#; give the gateway's user the right"):
        shortfalls(BROKER, WANTED, granted(0x87, 1))


def test_retained_messages_are_shown_as_such_and_asked_for_as_the_filter_says() -> None:
    asked = options(WANTED[0])
    assert (asked.QoS, asked.retainAsPublished, asked.retainHandling) == (1, True, 1)
