"""The topics of terminals (``tv/{terminal}/…``), and which addresses an answer may go to. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from gateway.model import ReplyTo

_ROOT = "tv"
_LONGEST_TOPIC = 65_535  # MQTT 5.0 §1.5.4, in bytes
_LONGEST_CORRELATION = 4096  # it is kept on disk with every answer until the press is closed


class Topic(StrEnum):
    """What a terminal says, as the last level of its topic."""

    ALARM = "alarm"
    CANCEL = "cancel"
    STATUS = "status"
    HEARTBEAT = "heartbeat"

    @property
    def filter(self) -> str:
        return f"{_ROOT}/+/{self.value}"

    @property
    def template(self) -> str:
        """The label of metrics: never a topic with a terminal's name in it."""
        return f"{_ROOT}/{{terminal}}/{self.value}"


@dataclass(frozen=True, slots=True)
class Address:
    terminal: str
    topic: Topic


def address_of(topic: str) -> Address | None:
    """Read ``tv/{terminal}/{alarm|cancel|status|heartbeat}``; None for any other topic. The terminal may be empty."""
    levels = topic.split("/")
    if len(levels) != 3 or levels[0] != _ROOT or levels[2] not in set(Topic):
        return None
    return Address(levels[1], Topic(levels[2]))


def ack_topic(terminal: str) -> str:
    return f"{_ROOT}/{terminal}/ack"


def alarm_topic(terminal: str) -> str:
    return f"{_ROOT}/{terminal}/{Topic.ALARM.value}"


def neighbour_topic(terminal: str) -> str:
    """Where a household hears of a neighbour's press."""
    return f"{_ROOT}/{terminal}/neighbour"


def trial_topic(terminal: str) -> str:
    """Where a household is asked to press once, as a test."""
    return f"{_ROOT}/{terminal}/test"


def publishable(topic: str) -> bool:
    """May be published to: MQTT 5.0 §4.7 (no wildcard, no NUL, UTF-8 that fits) and not the broker's own ``$`` trees."""
    if not topic or topic.startswith("$") or any(mark in topic for mark in "+#\0"):
        return False
    try:
        return len(topic.encode()) <= _LONGEST_TOPIC
    except UnicodeEncodeError:
        return False


def reply_address(
    terminal: str, topic: str | None, correlation: bytes | None, reserved: Collection[str] = ()
) -> tuple[ReplyTo | None, str | None]:
    """Where to send a copy of the answers to a press, and the fault of a Response Topic that is not used.

    The gateway may write more topics than a terminal may: a Response Topic under ``tv/`` is taken only inside the
    terminal's own branch and never where something is *said* (an answer must not raise an alarm). ``reserved``: topics on
    which the gateway gives orders, to sirens.
    """
    if topic is None:
        return None, None
    if not publishable(topic):
        return None, "the response topic is not one that can be published to"
    if topic in reserved:
        return None, "the response topic is one on which sirens are given their orders"
    if _speaks_for_a_terminal(terminal, topic):
        return None, "the response topic is one on which terminals speak, or another terminal's"
    if correlation is not None and len(correlation) > _LONGEST_CORRELATION:
        return None, f"the correlation data is longer than {_LONGEST_CORRELATION} bytes"
    return ReplyTo(topic, correlation), None


def _speaks_for_a_terminal(terminal: str, topic: str) -> bool:
    levels = topic.split("/")
    if levels[0] != _ROOT:
        return False
    return len(levels) < 3 or levels[1] != terminal or levels[2] in {*Topic, "neighbour", "test"}
