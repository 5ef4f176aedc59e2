"""A subscription to a device's events, as both ways of hearing them share it (WS-BaseNotification 1.3 §6; ONVIF Core,
event handling): made, renewed, asked for the present states, ended."""

import asyncio
import random
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Final, Protocol

from lxml import etree
from yarl import URL

from adapters.onvif import soap
from adapters.onvif.addresses import reachable, same_host
from adapters.onvif.client import SoapClient
from adapters.onvif.events.notifications import parse_time
from adapters.onvif.faults import NotPermitted, OnvifFault
from gateway.errors import Busy, DeviceError, ProtocolFault, Unreachable
from gateway.model import OnvifAddress

# Ten minutes: what a crash leaves behind is gone soon, and a device that cannot renew makes us subscribe anew six times an
# hour and not sixty.
LEASE: Final = 600.0
RENEW_AT: Final = 0.8
# Below this an answered lease is no lease: devices answer with their present time, or with one long past (they took the
# relative time for an absolute one).
SHORTEST_LEASE: Final = 10.0
_WSA: Final = "http://www.w3.org/2005/08/addressing"
_WSNT: Final = "http://docs.oasis-open.org/wsn/b-2"
_TEV: Final = "http://www.onvif.org/ver10/events/wsdl"
_MANAGER: Final = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager"
_SYNCHRONISE: Final = f"{_TEV}/PullPointSubscription/SetSynchronizationPointRequest"
_FULL: Final = frozenset(("BlockedThreadUpperLimit", "SubscribeCreationFailedFault", "UnableToCreatePullPointFault"))
_FULL_WORDS: Final = re.compile(r"too many|maxim|upper ?limit|subscription.{0,20}(limit|full)", re.IGNORECASE)
FULL_FOR: Final = 300.0  # seconds to leave a device alone that has no subscription left; up to a quarter more
_HOST: Final = re.compile(r"\s*\w+://(?:[^/@]*@)?(\[[^\]]*\]|[^:/?]*)")
_MADE_WITHIN: Final = 2.0
_MOST_PARAMETERS: Final = 4096
_MOST_BLOCKS: Final = 32
_LONGEST_ANSWER: Final = 128 * 1024


@dataclass(frozen=True, slots=True)
class Leftover:
    """A subscription as it is remembered across a crash: where it is managed, the SOAP headers that name it (XML), and
    when the device will have dropped it by itself (seconds since the epoch)."""

    url: str
    headers: str
    until: float


class SubscriptionMemory(Protocol):
    """Subscriptions that were not ended yet. ``device`` is ``SoapClient.device_url``; one each. Quick; never raises."""

    def remember(self, device: str, subscription: Leftover) -> None: ...
    def forget(self, device: str) -> None: ...
    def left(self, device: str) -> Leftover | None: ...


def addressing(url: str, action: str) -> bytes:
    """WS-Addressing headers (WS-Addressing 1.0, SOAP binding), which Tapo and Axis want and nobody minds."""
    return (
        f'<Action xmlns="{_WSA}">{action}</Action><MessageID xmlns="{_WSA}">urn:uuid:{uuid.uuid4()}</MessageID>'
        f'<To xmlns="{_WSA}">{soap.escape(url).decode()}</To>'
    ).encode()


class Subscription:
    """One subscription under way. Its calls raise DeviceError. ``renew_at``: by our own clock (``mono``)."""

    def __init__(
        self, client: SoapClient, url: str, parameters: bytes, book: "Book", *, absolute: bool = False
    ) -> None:
        self.url = url
        self.renew_at = float("inf")
        self._client = client
        self._parameters = parameters
        self._book = book
        self._absolute = absolute
        self._at_once = False
        self._remembered_until = float("-inf")

    def leased(self, answer: etree._Element, asked_at: float) -> None:
        """Set the next renewal, counted by our own clock from before the request, and remember the subscription.

        The lease is the one we asked for, whatever year a device names (a Dahua answered with the next), but for devices
        that say they give less: their two times are by one clock, so that its error is in neither.
        """
        given = _given(answer)
        lease = LEASE if given is None else min(LEASE, given)
        if lease < SHORTEST_LEASE:  # it took "PT600S" for something else: renew it at once, until a time of day
            self._at_once = not self._absolute
            lease = 0.0 if self._at_once else LEASE
            self._absolute = True
        self.renew_at = asked_at + lease * RENEW_AT
        self._remember(self._book.now() + LEASE)

    def _remember(self, until: float) -> None:
        """Not at every renewal, since it is written to disk: it may say longer than it is, for as long again."""
        if until > self._remembered_until:
            self._remembered_until = until + LEASE
            kept = Leftover(self.url, self._parameters.decode(), self._remembered_until)
            self._book.memory.remember(self._client.device_url, kept)

    async def call(
        self, action: str, body: bytes, *, operation: str, timeout: float = 10.0, limit: int = _LONGEST_ANSWER
    ) -> etree._Element:
        """An operation on this subscription, with the headers that name it."""
        headers = addressing(self.url, action) + self._parameters
        return await self._client.call(
            self.url, action, body, operation=operation, headers=headers, timeout=timeout, limit=limit
        )

    async def renew(self) -> None:
        """For the same lease again. Raises OnvifFault where the device has dropped it, or cannot renew."""
        at_once, self._at_once = self._at_once, False
        try:
            await self._renew()
        except OnvifFault:
            if self._absolute and not at_once:
                raise
            self._absolute = True
            self.renew_at = self._book.mono() + LEASE * RENEW_AT
            if not at_once:
                await self._renew()

    async def _renew(self) -> None:
        asked_at = self._book.mono()
        until = termination_time(self._client, absolute=self._absolute)
        body = f'<Renew xmlns="{_WSNT}"><TerminationTime>{until}</TerminationTime></Renew>'.encode()
        self.leased(await self.call(f"{_MANAGER}/RenewRequest", body, operation="Renew"), asked_at)

    async def synchronise(self) -> None:
        """Have the device tell all its states (ONVIF Core, SetSynchronizationPoint)."""
        body = f'<SetSynchronizationPoint xmlns="{_TEV}"/>'.encode()
        await self.call(_SYNCHRONISE, body, operation="SetSynchronizationPoint", timeout=5.0)

    async def unsubscribe(self, *, timeout: float = 3.0) -> None:
        """End it, and forget it, but for a device that cannot be reached: the next attempt ends it then."""
        body = f'<Unsubscribe xmlns="{_WSNT}"/>'.encode()
        with suppress(ProtocolFault):  # it knows it no more
            await self.call(f"{_MANAGER}/UnsubscribeRequest", body, operation="Unsubscribe", timeout=timeout)
        self._book.memory.forget(self._client.device_url)


@dataclass(frozen=True, slots=True)
class Book:
    """Where subscriptions are remembered, and the clocks they are kept by (monotonic, and seconds since the epoch)."""

    memory: SubscriptionMemory
    mono: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time


async def subscribe(
    client: SoapClient,
    events: str,
    action: str,
    body: Callable[[str], bytes],
    *,
    operation: str,
    book: Book,
    rng: random.Random,
) -> Subscription:
    """Make a subscription at the events service ``events``. ``body``: from the termination time to the request.

    Raises Busy where the device has none left for us: to ask again soon is what keeps it so. Who is cancelled while the
    device makes one waits for it a moment longer, to give it back.
    """
    making = asyncio.ensure_future(_make(client, events, action, body, operation, book, rng))
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        with suppress(DeviceError, TimeoutError):
            async with asyncio.timeout(_MADE_WITHIN):
                made = await making
                await made.unsubscribe()
        raise


async def _make(
    client: SoapClient,
    events: str,
    action: str,
    body: Callable[[str], bytes],
    operation: str,
    book: Book,
    rng: random.Random,
) -> Subscription:
    asked_at = book.mono()
    absolute = False
    try:
        answer = await _asked(client, events, action, body(termination_time(client)), operation)
    except OnvifFault as fault:
        if _is_full(fault):
            raise Busy(
                f"{client.device} has no event subscription left for us; it is left alone for some minutes",
                FULL_FOR + rng.uniform(0, FULL_FOR / 4),
            ) from fault
        if not _minds_duration(fault):
            raise
        absolute = True
        answer = await _asked(client, events, action, body(termination_time(client, absolute=True)), operation)
    reference = soap.child(answer, "SubscriptionReference")
    told = soap.text(reference, "Address") if reference is not None else None
    if reference is None or not told:
        raise ProtocolFault(f"{client.device} answered {operation} without the subscription's address")
    url = managed_at(told, events, client.address)
    made = Subscription(client, url, _parameters(reference), book, absolute=absolute)
    made.leased(answer, asked_at)
    return made


async def end_leftover(
    client: SoapClient, book: Book, drain: Callable[[Subscription], Awaitable[None]] | None = None
) -> None:
    """End what a crash left, so that it takes up no place at the device; ``drain`` first takes what has waited in it.

    Only what is certainly still ours: within its lease, and at an address of its own. Under an address that all share (a
    Dahua has one for everybody) it might be somebody else's.
    """
    left = book.memory.left(client.device_url)
    if left is None:
        return
    own_address = bool(left.headers) or any(c.isdigit() for c in left.url.rpartition("/")[2])
    if book.now() >= left.until or not own_address:
        book.memory.forget(client.device_url)
        return
    subscription = Subscription(client, left.url, left.headers.encode(), book)
    if drain is not None:
        with suppress(ProtocolFault, Unreachable):  # it knows it no more, or is in no hurry
            await drain(subscription)
    with suppress(Unreachable):  # the subscribing that follows says so
        await subscription.unsubscribe()


def termination_time(client: SoapClient, *, absolute: bool = False) -> str:
    """The lease as a duration; as a time by the device's clock for those that cannot read one."""
    if not absolute:
        return f"PT{LEASE:.0f}S"
    return (client.clock.device_now() + timedelta(seconds=LEASE)).strftime("%Y-%m-%dT%H:%M:%SZ")


def managed_at(told: str, events: str, address: OnvifAddress) -> str:
    """Where a subscription is managed: at the host that answered. A device that names another host (NAT, the address of
    last year) is wrong about the port, too: it is at the events service's."""
    rewritten = reachable(told, address)
    named = _HOST.match(told)
    if named is None or same_host(named[1], address.host):
        return rewritten
    here, there = URL(events, encoded=True), URL(rewritten, encoded=True)
    return f"{here.scheme}://{here.raw_authority}{there.raw_path_qs}"


async def _asked(client: SoapClient, events: str, action: str, body: bytes, operation: str) -> etree._Element:
    headers = addressing(events, action)
    return await client.call(events, action, body, operation=operation, headers=headers, limit=_LONGEST_ANSWER)


def _is_full(fault: OnvifFault) -> bool:
    """Dahua says BlockedThreadUpperLimit; Axis names SubscribeCreationFailedFault in the Detail, others say nothing."""
    says_nothing = fault.code == "Receiver" and not fault.subcodes and not fault.reason
    return says_nothing or not _FULL.isdisjoint(fault.subcodes) or bool(_FULL_WORDS.search(fault.reason))


def _minds_duration(fault: OnvifFault) -> bool:
    """Perhaps: few say so (UnacceptableInitialTerminationTimeFault), most call any argument wrong."""
    if fault.unsupported or isinstance(fault, NotPermitted):
        return False
    return fault.code == "Sender" or any("TerminationTime" in name for name in fault.subcodes)


def _given(answer: etree._Element) -> float | None:
    """How many seconds the device says it gives, by its own clock."""
    now, until = parse_time(soap.text(answer, "CurrentTime")), parse_time(soap.text(answer, "TerminationTime"))
    return (until - now).total_seconds() if now and until else None


def _parameters(reference: etree._Element) -> bytes:
    """The reference parameters as header blocks (WS-Addressing 1.0, SOAP binding §2): Axis and Pelco name the
    subscription by them. More than a few kB are none."""
    held = soap.child(reference, "ReferenceParameters")
    blocks = b""
    # An entity that nobody declared stands among them as it is, and is no element.
    told = (each for each in (held if held is not None else ()) if isinstance(each.tag, str))
    for parameter in islice(told, _MOST_BLOCKS):
        block = deepcopy(parameter)
        block.tail = None
        if not len(block):
            block.text = (block.text or "").strip()
        block.set(f"{{{_WSA}}}IsReferenceParameter", "true")
        etree.cleanup_namespaces(block)
        blocks += etree.tostring(block)
        if len(blocks) > _MOST_PARAMETERS:
            return b""
    return blocks
