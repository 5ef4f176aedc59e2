"""A device's event service (ONVIF Core §9): what it notices, told to who has subscribed."""

import asyncio
import re
from collections.abc import Callable
from typing import Protocol

from gateway.errors import UsageError
from gateway.lab.onvif import answers, notices
from gateway.lab.onvif.answers import PATHS
from gateway.lab.onvif.events import Subscription, Subscriptions
from gateway.lab.onvif.faults import Behaviour
from gateway.lab.onvif.figures import Figures
from gateway.lab.onvif.http import Exchange, Request
from gateway.lab.onvif.nameplate import Nameplate
from gateway.lab.onvif.soap import Call, Fault, calendar_seconds, fault, moment, seconds_of

_LEASE_S = 60.0  # where a client asks for none
_YEAR_S = 365 * 86400.0


class Device(Protocol):
    """What its event service needs of a device."""

    behaviour: Behaviour
    figures: Figures
    plate: Nameplate

    @property
    def base(self) -> str: ...
    def clock(self) -> float: ...
    def moment(self, at: float) -> str: ...
    def written(self, body: str) -> bytes: ...


class EventService:
    """``noticed``: how many events so far. ``now`` is a monotonic clock."""

    def __init__(self, device: Device, now: Callable[[], float]) -> None:
        self.noticed = 0
        self.subscriptions = Subscriptions(device.figures, now, self._notify)
        self._device = device
        self._now = now
        self._states: dict[tuple[str, int], bool] = {}
        self._flapping: asyncio.TimerHandle | None = None

    def notice(self, event: str, active: bool = True, place: int = 1) -> None:
        """Notice ``event`` (``notices.EVENTS``) at input or channel ``place``, from 1. Raises UsageError."""
        topics = notices.topics_of(event, self._device.behaviour.dialect)
        places = self._device.plate.inputs if event == "input" else self._device.plate.channels
        if not 1 <= place <= places:
            raise UsageError(f"device {self._device.plate.number} has {event} 1 to {places}, not {place}")
        self._states[event, place] = active
        self.noticed += 1
        if not self._device.behaviour.silent:
            self.subscriptions.tell([self._message(one, active, "Changed", place) for one in topics])

    def flap(self) -> None:
        """Switch the first input five times a second, as long as the device is so."""
        if self._flapping is None:
            self._flap()

    def close(self) -> None:
        self.subscriptions.close()
        if self._flapping is not None:
            self._flapping.cancel()
            self._flapping = None

    # --------------------------------------------------------------------------------------------------- operations

    def subscribe(self, call: Call, request: Request) -> str:
        """CreatePullPointSubscription, or Subscribe with a receiver."""
        if len(self.subscriptions) >= self._device.behaviour.subscriptions:
            self._device.figures.refused += 1
            code = self._device.behaviour.over_limit
            if code:
                raise Fault(400, fault("Sender", code, code))
            at = f"<wsnt:SubscribeCreationFailedFault><wsnt:Timestamp>{moment(self._device.clock())}</wsnt:Timestamp>"
            raise Fault(500, fault("Receiver", detail=f"{at}</wsnt:SubscribeCreationFailedFault>"))
        receiver = ""
        if call.operation == "wsnt:Subscribe":
            consumer = call.body.find(".//{*}ConsumerReference")
            receiver = "" if consumer is None else (consumer.findtext("{*}Address") or "").strip()
            if not receiver.startswith("http://"):
                raise Fault(400, fault("Sender", "ter:InvalidArgVal", reason="no ConsumerReference"))
        lease = self._lease(call.text("InitialTerminationTime"))
        made = self.subscriptions.create(lease, receiver)
        address, reference = f"{self._device.base}/onvif/subscription?Idx={made.name}", ""
        if self._device.behaviour.reference:
            address = f"{self._device.base}{PATHS['tev']}"
            reference = f'<l:SubscriptionId xmlns:l="http://lab.invalid/event">{made.name}</l:SubscriptionId>'
        if receiver:
            self.subscriptions.tell(self._initial(), made)
        return answers.subscribed(call.operation, address, reference, *self._lease_told(lease))

    def pull(self, call: Call, request: Request, exchange: Exchange) -> None:
        one = self._subscription(call, request)
        timeout, limit = seconds_of(call.text("Timeout")), int(call.text("MessageLimit") or 0) or 1024
        closes = self._device.behaviour.pull_s

        def answer(messages: list[str]) -> None:
            if closes and timeout >= closes and not messages:
                exchange.hang_up()
                return
            told = answers.pulled("".join(messages), *self._lease_told(one.ends - self._now()))
            exchange.send(200, self._device.written(told))

        self.subscriptions.pull(one, exchange, min(timeout, closes) if closes else timeout, limit, answer)

    def synchronise(self, call: Call, request: Request) -> str:
        one = self._subscription(call, request)
        if not self._device.behaviour.silent:
            self.subscriptions.tell(self._initial(), one)
        return "<tev:SetSynchronizationPointResponse/>"

    def renew(self, call: Call, request: Request) -> str:
        one = self._subscription(call, request)
        lease = self._lease(call.text("TerminationTime"))
        self.subscriptions.renew(one, lease)
        return answers.renewed(*self._lease_told(lease))

    def unsubscribe(self, call: Call, request: Request) -> str:
        self.subscriptions.end(self._subscription(call, request))
        return "<wsnt:UnsubscribeResponse/>"

    def _subscription(self, call: Call, request: Request) -> Subscription:
        if self._device.behaviour.reference:
            found = self.subscriptions.get(call.reference.get("SubscriptionId", ""))
        else:
            found = self.subscriptions.get(request.path.partition("?Idx=")[2])
        if found is None:
            detail = "<wsnt:ResourceUnknownFault/>"
            raise Fault(400, fault("Sender", "ter:InvalidArgVal", reason="no such subscription", detail=detail))
        return found

    def _lease(self, asked: str | None) -> float:
        """Seconds, from a duration or a time by the device's clock."""
        if not asked:
            return _LEASE_S
        if asked.startswith("P"):
            return seconds_of(asked) or _LEASE_S
        numbers = re.findall(r"\d+", asked)[:6]
        if len(numbers) < 6:
            raise Fault(400, fault("Sender", "ter:InvalidArgVal", reason="no time"))
        return max(0.0, calendar_seconds([int(one) for one in numbers]) - self._device.clock())

    def _lease_told(self, lease: float) -> tuple[str, str]:
        """CurrentTime and TerminationTime."""
        told = _YEAR_S if self._device.behaviour.lease == "a_year_ahead" else lease
        return self._device.moment(self._device.clock()), self._device.moment(self._device.clock() + told)

    def _message(self, topic: notices.Topic, active: bool, operation: str, place: int) -> str:
        at = self._device.moment(self._device.clock())
        return notices.message(topic, active, at=at, operation=operation, source=place, place=place, count=self.noticed)

    def _initial(self) -> list[str]:
        """Every state it has, as Initialized (ONVIF Core §9.1.2)."""
        told = []
        for event, topics in notices.DIALECTS[self._device.behaviour.dialect].items():
            places = self._device.plate.inputs if event == "input" else self._device.plate.channels
            for topic in (one for one in topics if one.property):
                for place in range(1, places + 1):
                    told.append(self._message(topic, self._states.get((event, place), False), "Initialized", place))
        return told

    def _notify(self, messages: list[str]) -> bytes:
        return self._device.written(f"<wsnt:Notify>{''.join(messages)}</wsnt:Notify>")

    def _flap(self) -> None:
        self._flapping = None
        if self._device.behaviour.flapping:
            self.notice("input", not self._states.get(("input", 1), False))
            self._flapping = asyncio.get_running_loop().call_later(0.2, self._flap)
