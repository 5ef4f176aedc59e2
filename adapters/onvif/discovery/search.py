"""Finding ONVIF devices (ONVIF Core §7, WS-Discovery 2005/04): asking by multicast and one by one.

Nothing here retries or remembers. All queues are bounded, since anybody on the network may answer.
"""

import asyncio
import contextlib
import random
import socket
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence

from adapters.onvif.discovery.budget import TimeBudget
from adapters.onvif.discovery.interfaces import chosen_interfaces
from adapters.onvif.discovery.probes import PORT, PROBE_TYPES, Found, probe_message, read_announcement
from adapters.onvif.discovery.sockets import Group, UnicastSockets, multicast_sockets, receive
from gateway.address_ranges import AddressRange

MOST_FOUND = 4096
MOST_ASKED = 65_536
"""Addresses asked one by one in one search; at a thousand a second, twice, that is two minutes."""
_MOST_OF_A_SENDER = 256
"""Devices that it tells of, in answer to four questions: whoever tells of more than 64 wants something else."""
_WAITING = 4096
_SHARE, _BURST_OF_ANSWERS_S = 0.25, 1.0
"""Of the loop's time: thousands of devices that answer at once take a second."""
_REPEAT_S = (0.05, 0.5)
"""A probe is sent twice with a random pause between (SOAP-over-UDP 1.1 appendix I): UDP loses, and answers collide."""
_BURST = 10
_BURST_S = 0.01
"""A thousand addresses a second: more fills the kernel's neighbour table with questions for empty addresses."""
_LAST_ANSWERS_S = 1.5
"""After the last question: WS-Discovery §5.1 lets a device wait up to 0.5 s, and slow ones take one more."""


async def probe(
    interfaces: Sequence[str] = (), ranges: Sequence[AddressRange] = (), timeout: float = 5.0, *, port: int = PORT
) -> AsyncIterator[Found]:
    """Ask, and give each device as it answers, once for each of its addresses.

    ``interfaces``: names or own addresses; every one that is up and not loopback where none is named. ``ranges``: asked one
    by one as well. Lasts ``timeout`` seconds, or as long as the ranges take. Raises UsageError for an unknown interface.
    """
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        hearing = _Hearing(loop)
        multicast = [stack.enter_context(sock) for sock in multicast_sockets(chosen_interfaces(interfaces), port)]
        unicast = stack.enter_context(UnicastSockets(port)) if ranges else None
        for sock in [each.socket for each in multicast] + ([] if unicast is None else unicast.sockets):
            loop.add_reader(sock, hearing.read, sock)
            stack.callback(loop.remove_reader, sock)
        asking = loop.create_task(hearing.until_answered(_ask(multicast, unicast, ranges), loop.time() + timeout))
        stack.callback(asking.cancel)
        async for found in hearing.devices():
            yield found
        await asking


async def _ask(multicast: Sequence[Group], unicast: UnicastSockets | None, ranges: Sequence[AddressRange]) -> None:
    for repeat in range(2):
        for types in PROBE_TYPES:
            message = probe_message(types, str(uuid.uuid4()))
            for group in multicast:
                group.send(message)
        await asyncio.sleep(random.uniform(*_REPEAT_S))  # noqa: S311 -- jitter, no secret
        if unicast is not None:
            # Asked one by one a device gets one type a round: most know both, and the questions are half as many.
            await _ask_each(unicast, ranges, PROBE_TYPES[repeat])


async def _ask_each(unicast: UnicastSockets, ranges: Iterable[AddressRange], types: str) -> None:
    sent = 0
    for each in ranges:
        for address in each:
            unicast.send(probe_message(types, str(uuid.uuid4())), address)
            sent += 1
            if sent % _BURST == 0:
                await asyncio.sleep(_BURST_S)


class _Hearing:
    """What sockets hear, as devices."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heard: asyncio.Queue[Found | None] = asyncio.Queue(_WAITING)
        self._senders: Counter[str] = Counter()
        self._budget = TimeBudget(_SHARE, _BURST_OF_ANSWERS_S)

    def read(self, sock: socket.socket) -> None:
        received = receive(sock)
        if received is None:
            return
        datagram, host = received
        if self._senders[host] >= _MOST_OF_A_SENDER or len(self._senders) > MOST_FOUND:
            return
        if self._budget.is_spent:
            return
        with self._budget.spending():
            told = read_announcement(datagram, host).found
        self._senders[host] += len(told) or 1
        with contextlib.suppress(asyncio.QueueFull):
            for found in told:
                self._heard.put_nowait(found)

    async def until_answered(self, asking: Coroutine[None, None, None], until: float) -> None:
        """The devices end at ``until`` of the loop's clock, and never before the last question has had its time."""
        try:
            await asking
            await asyncio.sleep(max(until - self._loop.time(), _LAST_ANSWERS_S))
        finally:
            if self._heard.full():  # whoever takes from it may have had enough: this must not wait for it
                self._heard.get_nowait()
            self._heard.put_nowait(None)

    async def devices(self) -> AsyncIterator[Found]:
        """Each of its addresses once. IPv6 comes last, and only of devices that no IPv4 address leads to."""
        seen: set[tuple[str, str, int]] = set()
        endpoints: set[str] = set()
        later: list[Found] = []
        while len(seen) < MOST_FOUND and (found := await self._heard.get()) is not None:
            key = (found.endpoint, found.host, found.port)
            if key in seen:
                continue
            seen.add(key)
            if ":" in found.host:
                later.append(found)
                continue
            endpoints.add(found.endpoint)
            yield found
        for found in later:
            if not found.endpoint or found.endpoint not in endpoints:
                endpoints.add(found.endpoint)
                yield found
