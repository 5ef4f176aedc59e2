"""From a device's answers to what is news in them."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from lxml import etree

from adapters.onvif.events.notifications import NOTHING, Notification, parse_pull, xml_of
from adapters.onvif.events.states import States
from adapters.onvif.events.subscription import Subscription
from adapters.onvif.events.timing import Timing
from adapters.onvif.events.topics import Occurrence, Unknown, impersonal, occurrence
from adapters.onvif.events.unknown import UnknownTopics
from gateway.errors import ProtocolFault, Unreachable


@dataclass(frozen=True, slots=True)
class Heard:
    """Something that happened, or a state that changed, with the notification that told of it (None: time passed)."""

    occurrence: Occurrence
    notification: Notification | None


class Ear:
    """Hands on what is news. ``spoke_at``: when the device last said anything at all; ``tells_states``: it has told how
    things stand when somebody subscribed. ``channels``: VideoSourceConfiguration token → VideoSource token."""

    def __init__(
        self,
        device: str,
        heard: Callable[[Heard], None],
        *,
        states: States,
        unknown: UnknownTopics,
        vendor: str = "",
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self._device = device
        self._heard = heard
        self._states = states
        self._unknown = unknown
        self._vendor = vendor
        self._mono = mono
        self.channels: Mapping[str, str] = NOTHING
        self.spoke_at = mono()
        self.tells_states = False

    def begin(self) -> None:
        """A subscription begins."""
        self.spoke_at = self._mono()
        self._states.begin(self.spoke_at)

    def take(self, body: etree._Element) -> int:
        """A PullMessagesResponse or a Notify; how many notifications it has."""
        now = self._mono()
        notifications = parse_pull(body)
        for notification in notifications:
            self._take(notification, body, now)
        if notifications:
            self.spoke_at = now
        self.idle()
        return len(notifications)

    def idle(self) -> None:
        """Time passes: some states end by that."""
        for told in self._states.due(self._mono()):
            self._heard(Heard(told, None))

    def _take(self, notification: Notification, body: etree._Element, now: float) -> None:
        self.tells_states = self.tells_states or notification.operation == "Initialized"
        found = occurrence(notification, self._vendor, self.channels)
        if isinstance(found, Unknown):
            self._unknown.note(self._device, self._vendor, found, lambda: xml_of(body, notification))
        elif found is not None:
            for told in self._states.note(found, now):
                self._heard(Heard(told, impersonal(notification)))


class Watchdog:
    """Notices a subscription that is alive and says nothing any more.

    A device that is silent for long is asked for its states; one that told them when we subscribed, and does not now, has
    lost us.
    """

    def __init__(self, ear: Ear, timing: Timing, mono: Callable[[], float]) -> None:
        self._ear = ear
        self._timing = timing
        self._mono = mono
        self._asked_at: float | None = None

    async def is_deaf(self, subscription: Subscription) -> bool:
        """To be asked between pulls. Raises AuthFailed."""
        now = self._mono()
        if self._asked_at is not None and self._ear.spoke_at >= self._asked_at:
            self._asked_at = None
        if now - self._ear.spoke_at < self._timing.silence:
            return False
        if self._asked_at is None:
            self._asked_at = now
            with suppress(ProtocolFault, Unreachable):  # the next pull says so
                await subscription.synchronise()
            return False
        if now - self._asked_at < self._timing.deaf:
            return False
        self._asked_at = None
        self._ear.spoke_at = now
        return self._ear.tells_states
