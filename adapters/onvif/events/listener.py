"""Listening to one device: one attempt, which raises when it is over."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Literal

from adapters.onvif.client import SoapClient
from adapters.onvif.events import pullpoint
from adapters.onvif.events.channels import get_channels
from adapters.onvif.events.hearing import Ear, Heard, Watchdog
from adapters.onvif.events.notify import NotifyDesk, ask_to_notify, tells_states
from adapters.onvif.events.states import States
from adapters.onvif.events.subscription import Book, Leftover, Subscription, SubscriptionMemory, end_leftover
from adapters.onvif.events.timing import Timing
from adapters.onvif.events.unknown import UnknownTopics
from adapters.onvif.faults import NotPermitted, OnvifFault
from adapters.onvif.services import Services
from gateway.errors import Busy, DeviceError, NotSpoken, ProtocolFault, Unreachable

__all__ = ["EventListener", "Heard", "Leftover", "Mode", "SubscriptionMemory", "Timing"]

_UNCALLED_FOR = 300.0  # seconds; a firewall is changed by a person
_REST = 9.0  # times what an answer took to hear: a device that always has more to say gets a tenth of the loop at most
Mode = Literal["auto", "pull", "push"]


class EventListener:
    """Listens to one device.

    ``heard`` is called for every piece of news; it is quick and never raises. Keep ``states`` from one attempt to the next:
    it knows what changed in between. ``unknown`` is shared by all devices. ``mode``: auto takes base notification where
    pull points fail and there is a ``notify`` desk; push takes nothing else.
    """

    def __init__(
        self,
        client: SoapClient,
        services: Services,
        heard: Callable[[Heard], None],
        *,
        remembered: SubscriptionMemory,
        states: States | None = None,
        unknown: UnknownTopics | None = None,
        vendor: str = "",
        notify: NotifyDesk | None = None,
        mode: Mode = "auto",
        timing: Timing | None = None,
        mono: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self._client = client
        self._services = services
        self._notify = notify
        self._mode = mode
        self._mono = mono
        self._timing = timing or Timing()
        self._rng = rng or random.SystemRandom()
        self._book = Book(remembered, mono, now)
        self._ear = Ear(
            client.device,
            heard,
            states=states or States(),
            unknown=unknown or UnknownTopics(),
            vendor=vendor,
            mono=mono,
        )
        self._watchdog = Watchdog(self._ear, self._timing, mono)
        self._renews: bool | None = None  # of one that calls us: whether it does so before it must

    async def run(self, online: Callable[[], None]) -> None:
        """Subscribe and listen until it breaks. ``online`` is called each time the device has taken a subscription.

        Raises Busy (it has no subscription left for us: wait ``after`` seconds), NotPermitted (its user may not have
        events), NotSpoken (it has none to give), AuthFailed, Unreachable, ProtocolFault.
        """
        events = self._services.events
        if events is None:
            raise NotSpoken(f"{self._client.device} has no events service")
        self._ear.channels = await get_channels(self._client, self._services)
        self._ear.begin()
        drain = None if self._mode == "push" else lambda left: pullpoint.drain(left, self._ear.take)
        await end_leftover(self._client, self._book, drain)
        reason: DeviceError | None = None
        if self._mode != "push":
            reason = await self._pull(events, online)
        if self._notify is None or self._mode == "pull":
            why = str(reason) if reason else f"{self._client.device} is to post its events, and nothing here takes them"
            raise NotSpoken(why) from reason
        await self._push(events, self._notify, online)

    # ------------------------------------------------------------------------------------------------ pull points

    async def _pull(self, events: str, online: Callable[[], None]) -> ProtocolFault:
        """Listens by pull points until that breaks; returns the fault of a device that has none that work."""
        pulling = pullpoint.Pulling(self._timing, self._mono)
        failed = 0
        while True:
            begun_at = self._mono()
            self._ear.begin()
            subscription = None
            try:
                subscription = await pullpoint.create(self._client, events, self._book, self._rng)
                await self._listen(subscription, online, lambda to: self._pulls(to, pulling))
            except NotPermitted:
                raise
            except ProtocolFault as fault:
                if not pulling.works and (failed or (subscription is None and _has_none(fault))):
                    return fault
                if pulling.works and self._mono() - begun_at < self._timing.anew:
                    raise
                failed += 1

    async def _pulls(self, subscription: Subscription, pulling: pullpoint.Pulling) -> None:
        """Returns where the subscription says nothing any more."""
        while not await self._watchdog.is_deaf(subscription):
            asked_at = self._mono()
            if asked_at >= subscription.renew_at:
                await subscription.renew()
            answer = await pulling.pull(subscription)
            if answer is not None:
                began = self._mono()
                count = self._ear.take(answer)
                spent = self._mono() - began
                await asyncio.sleep(max(pulling.pause(asked_at, count), spent * _REST))

    # ------------------------------------------------------------------------------------------------ base notification

    async def _push(self, events: str, desk: NotifyDesk, online: Callable[[], None]) -> None:
        has_states = await tells_states(self._client, events)
        while True:
            begun_at = self._mono()
            self._ear.begin()
            prove = partial(self._until_called, desk=desk, begun_at=self._ear.spoke_at)
            url = desk.open(self._client.device, self._ear.take)
            try:
                subscription = await ask_to_notify(self._client, events, url, self._book, self._rng)
                await self._listen(subscription, online, self._waits, prove if has_states else None)
            except NotPermitted:
                raise
            except ProtocolFault as fault:
                if _has_none(fault):
                    raise NotSpoken(str(fault)) from fault
                if self._mono() - begun_at < self._timing.anew:
                    raise
            finally:
                desk.close(url)

    async def _until_called(self, subscription: Subscription, desk: NotifyDesk, begun_at: float) -> None:
        """It was asked for its states, and has some: if it does not call us with them, it never will. ``begun_at``: what
        ``spoke_at`` was before it was asked. Raises Busy."""
        asked_at = self._mono()
        while self._ear.spoke_at == begun_at:
            if self._mono() - asked_at >= self._timing.call:
                await self._end(subscription)
                raise Busy(
                    f"{self._client.device} took our subscription and does not call: it does not reach us at "
                    f"{desk.base_url}; let it through to there, or correct discovery.notify",
                    _UNCALLED_FOR,
                )
            await asyncio.sleep(self._timing.tick)

    async def _waits(self, subscription: Subscription) -> None:
        """The desk hears; here it is renewed in time. Returns where the subscription says nothing any more."""
        early_at = self._mono() + self._timing.alive
        while not await self._watchdog.is_deaf(subscription):
            now = self._mono()
            if now >= subscription.renew_at:
                await subscription.renew()
            elif now >= early_at and self._renews is not False:
                early_at = now + self._timing.alive
                await self._renew_early(subscription)
            await asyncio.sleep(self._timing.tick)
            self._ear.idle()

    async def _renew_early(self, subscription: Subscription) -> None:
        """Raises OnvifFault where the device has forgotten the subscription; one that knows no renewing is not asked again."""
        try:
            await subscription.renew()
        except OnvifFault:
            self._renews = self._renews or False
            raise
        self._renews = True

    # ------------------------------------------------------------------------------------------------ both

    async def _listen(
        self,
        subscription: Subscription,
        online: Callable[[], None],
        listen: Callable[[Subscription], Awaitable[None]],
        proof: Callable[[Subscription], Awaitable[None]] | None = None,
    ) -> None:
        """One subscription from its states to its end; ``proof`` waits for the states it said it would tell. A device that
        cannot be reached is not asked to end it: it is remembered, and ended first when it is back."""
        try:
            if await _synchronised(subscription) and proof is not None:
                await proof(subscription)
            online()
            await listen(subscription)
        except Unreachable:
            raise
        except BaseException:
            await self._end(subscription)
            raise
        await self._end(subscription)

    async def _end(self, subscription: Subscription) -> None:
        with suppress(DeviceError, TimeoutError):
            async with asyncio.timeout(self._timing.unsubscribe):
                await subscription.unsubscribe()


async def _synchronised(subscription: Subscription) -> bool:
    """Many do not know it, or never answer it, and tell their states all the same."""
    try:
        await subscription.synchronise()
    except (ProtocolFault, Unreachable):
        return False
    return True


def _has_none(fault: ProtocolFault) -> bool:
    """It does not know the operation, or answers with a web page (Thingino; others with HTTP 200)."""
    return fault.unsupported if isinstance(fault, OnvifFault) else True
