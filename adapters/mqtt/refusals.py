"""How a broker says no, as errors that name it. Pure."""

from paho.mqtt.reasoncodes import ReasonCode

from adapters.mqtt.settings import MqttSettings
from adapters.mqtt.tls_words import refusal, silence
from gateway.errors import AuthFailed, GatewayError, Unreachable

REFUSED = 0x80  # from here on a reason code is a refusal (MQTT 5.0 §2.4)
_BAD_VERSION = 0x84  # MQTT 5.0 §3.2.2.2; paho turns the 3.1.1 code 1 into it
_AUTH_REASONS = {0x86, 0x87, 0x8C}
_TOPIC_REASONS = {0x87, 0x90}  # MQTT 5.0 §3.4.2.1: not authorized, topic name invalid


class VersionRefused(Unreachable):
    """The broker does not speak this version of MQTT."""


class NotTaken(GatewayError):
    """The broker did not take a publish."""


class TopicRefused(NotTaken):
    """It will never take one of ours on this topic."""


def publish_refused(where: str, topic: str, reason: int) -> NotTaken:
    """What a PUBACK says that is a refusal."""
    kind = TopicRefused if reason in _TOPIC_REASONS else NotTaken
    return kind(f"{where} refused a publish on {topic} (reason 0x{reason:02x}); may the gateway write it?")


def connect_refused(where: str, reason: ReasonCode, *, v5: bool) -> GatewayError:
    """What a CONNACK says that is no welcome."""
    if reason.value == _BAD_VERSION:
        return VersionRefused(f"{where} does not speak MQTT {'5' if v5 else '3.1.1'}")
    if reason.value in _AUTH_REASONS:
        return AuthFailed(
            f"{where} refused our user name or password ({reason.getName().lower()}); "
            "check username and password of this source"
        )
    return Unreachable(f"{where} refused the connection: {reason.getName().lower()}")


def turned_away(settings: MqttSettings, alert: str | None, *, v5: bool) -> GatewayError:
    """With TLS 1.3 a broker looks at our certificate when the handshake is over for us: its verdict (``alert``) is the first
    that is read, or nothing is, where our CONNECT crossed it."""
    where = f"broker {settings.url}"
    told = refusal(alert, settings.tls)
    if told is not None:
        return AuthFailed(f"{where}: {told}")
    # A broker that knows only 3.1.1 may close without a CONNACK (MQTT 3.1.1 §3.1.2.2).
    kind = VersionRefused if v5 else Unreachable
    return kind(f"{where} {silence(settings.tls)}")
