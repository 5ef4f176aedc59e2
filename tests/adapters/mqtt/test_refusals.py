"""How a broker says no, as errors."""

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from adapters.mqtt.refusals import (
    NotTaken,
    TopicRefused,
    VersionRefused,
    connect_refused,
    publish_refused,
    turned_away,
)
from adapters.mqtt.settings import MqttSettings
from gateway.errors import AuthFailed, GatewayError, Unreachable

SECURE = MqttSettings(kind="mqtt", id="box", url="mqtts://box")


def said(code: int) -> ReasonCode:
    return ReasonCode(PacketTypes.CONNACK, identifier=code)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (0x84, VersionRefused, "does not speak MQTT 5"),
        (0x86, AuthFailed, "user name or password"),
        (0x87, AuthFailed, "user name or password"),
        (0x89, Unreachable, "refused the connection"),
    ],
)
def test_each_reason_is_an_error_that_names_the_broker(code: int, kind: type[GatewayError], words: str) -> None:
    error = connect_refused("broker mqtt://box", said(code), v5=True)
    assert type(error) is kind
    assert str(error).startswith("broker mqtt://box") and words in str(error)


def test_a_verdict_on_our_certificate_is_a_fault_of_rights() -> None:
    error = turned_away(SECURE, "TLSV13_ALERT_CERTIFICATE_REQUIRED", v5=True)
    assert isinstance(error, AuthFailed) and str(error).startswith("broker mqtts://box: ")


@pytest.mark.parametrize(("v5", "kind"), [(True, VersionRefused), (False, Unreachable)])
def test_without_a_word_it_may_be_the_version(v5: bool, kind: type[GatewayError]) -> None:
    assert type(turned_away(SECURE, None, v5=v5)) is kind


@pytest.mark.parametrize(
    ("code", "kind"), [(0x80, NotTaken), (0x87, TopicRefused), (0x90, TopicRefused), (0x97, NotTaken)]
)
def test_only_a_topic_that_is_forbidden_is_refused_for_good(code: int, kind: type[NotTaken]) -> None:
    error = publish_refused("broker mqtt://box", "replies/7", code)
    assert type(error) is kind
    assert str(error).startswith("broker mqtt://box") and f"0x{code:02x}" in str(error)
