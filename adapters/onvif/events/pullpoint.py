"""Pull points: the device keeps what it notices until we fetch it (ONVIF Core, real-time pull-point notification)."""

import random
import time
from collections.abc import Callable
from typing import Final

from lxml import etree

from adapters.onvif.client import SoapClient
from adapters.onvif.events.subscription import Book, Subscription, subscribe
from adapters.onvif.events.timing import Timing
from adapters.onvif.faults import ClockSuspected, NotPermitted, OnvifFault
from gateway.errors import Busy, Unreachable

_TEV: Final = "http://www.onvif.org/ver10/events/wsdl"
_CREATE: Final = f"{_TEV}/EventPortType/CreatePullPointSubscriptionRequest"
_PULL: Final = f"{_TEV}/PullPointSubscription/PullMessagesRequest"
MESSAGE_LIMIT: Final = 100
_LEAST_LIMIT: Final = 10
_LONGEST_ANSWER: Final = 1024 * 1024  # bytes; a hundred notifications take a fifth of it
_MOST_DRAINED: Final = 10  # answers
_DRAINED_WITHIN: Final = 5.0  # seconds for each; there are devices that hold an empty answer as long as they like
GRACE: Final = 8.0  # seconds that an answer may come after the time we asked it to be held
_LEAST_HOLD: Final = 1.0
_HELD: Final = 0.9  # of the time asked for: it was held, and not answered at once


async def create(client: SoapClient, events: str, book: Book, rng: random.Random) -> Subscription:
    """A pull point of our own for all topics. Raises Busy and every other DeviceError."""
    return await subscribe(
        client, events, _CREATE, _create_body, operation="CreatePullPointSubscription", book=book, rng=rng
    )


def _create_body(until: str) -> bytes:
    return (
        f'<CreatePullPointSubscription xmlns="{_TEV}"><InitialTerminationTime>{until}</InitialTerminationTime>'
        f"</CreatePullPointSubscription>"
    ).encode()


async def drain(subscription: Subscription, take: Callable[[etree._Element], int]) -> None:
    """What has waited in a pull point that an earlier attempt left: a button is pressed and let go while nobody listens,
    and afterwards its state says nothing of it. Raises DeviceError."""
    for _ in range(_MOST_DRAINED):
        answer = await subscription.call(
            _PULL,
            _pull_body(1, MESSAGE_LIMIT),
            operation="PullMessages",
            timeout=_DRAINED_WITHIN,
            limit=_LONGEST_ANSWER,
        )
        if not take(answer):
            return


class Pulling:
    """Fetches from a device, and learns how long it can hold an answer. ``works``: it has answered one."""

    def __init__(self, timing: Timing, mono: Callable[[], float] = time.monotonic) -> None:
        self._timing = timing
        self._mono = mono
        self._hold = timing.hold
        self._longest = timing.longest_hold
        self._limit = MESSAGE_LIMIT
        self.works = False

    async def pull(self, subscription: Subscription) -> etree._Element | None:
        """What the device noticed; it holds its answer while there is nothing. None where it hung up on a long hold, or
        refused what was asked for: less is asked for from now on. Raises DeviceError."""
        asked_at = self._mono()
        hold = min(self._hold, max(1.0, subscription.renew_at - asked_at))
        body = _pull_body(hold, self._limit)
        try:
            answer = await subscription.call(
                _PULL, body, operation="PullMessages", timeout=hold + GRACE, limit=_LONGEST_ANSWER
            )
        except (Busy, ClockSuspected, NotPermitted):
            raise
        except OnvifFault:  # PullMessagesFaultResponse: more than its MaxTimeout or MaxMessageLimit
            if not self._ask_for_less(limit=not self.works):
                raise
            return None
        except Unreachable:
            took = self._mono() - asked_at
            if took >= hold + GRACE or not (self._ask_for_less(limit=False) or self._hold_shorter(took)):
                raise
            return None
        self.works = True
        return answer

    def _ask_for_less(self, *, limit: bool) -> bool:
        """False where it is asked for the least already."""
        if self._hold > self._timing.hold:
            self._hold = self._longest = self._timing.hold
            return True
        if limit and self._limit > _LEAST_LIMIT:
            self._limit = _LEAST_LIMIT
            return True
        return False

    def _hold_shorter(self, took: float) -> bool:
        """After one that held for a while and then hung up. False where it cannot hold at all, or has gone."""
        if took < _LEAST_HOLD or self._hold <= _LEAST_HOLD:
            return False
        self._hold = self._longest = max(_LEAST_HOLD, self._hold / 2)
        return True

    def pause(self, asked_at: float, count: int) -> float:
        """Seconds to wait before the next pull, after one that brought ``count`` notifications."""
        took = self._mono() - asked_at
        if not count and took >= self._hold * _HELD:
            self._hold = min(2 * self._hold, self._longest)
        if count >= self._limit:
            return 0.0
        return max(0.0, (self._timing.after_some if count else self._timing.after_empty) - took)


def _pull_body(hold: float, limit: int) -> bytes:
    return (
        f'<PullMessages xmlns="{_TEV}"><Timeout>PT{max(1, round(hold))}S</Timeout>'
        f"<MessageLimit>{limit}</MessageLimit></PullMessages>"
    ).encode()
