"""What is subscribed to at a broker, and what it grants of that less than is wanted. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from adapters.mqtt.refusals import REFUSED
from gateway.errors import AuthFailed


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic filter. ``retained``: 0 hand over what is retained at every connect, 1 only when it is new."""

    filter: str
    retained: int
    needed: bool = False


def options(one: Subscription) -> SubscribeOptions:
    """Retain As Published shows a retained press as one even while we listen (MQTT 5.0 §3.8.3.1)."""
    return SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=one.retained)


def shortfalls(where: str, wanted: Sequence[Subscription], reasons: Sequence[ReasonCode]) -> list[str]:
    """What is not granted as it should be, ``where`` being the broker. Raises AuthFailed for a needed filter."""
    faults: list[str] = []
    for one, reason in zip(wanted, reasons, strict=False):
        if reason.value >= REFUSED and one.needed:
            raise AuthFailed(
                f"{where} does not let us read {one.filter}; give the gateway's user the right to subscribe to it"
            )
        if reason.value >= REFUSED:
            faults.append(f"{where} does not let us read {one.filter}")
        elif reason.value == 0:
            faults.append(f"{where} grants {one.filter} at QoS 0 only: messages can be lost on the way")
    return faults
