"""ONVIF behind the links of device sessions: the one module of this room that knows the adapter."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice

import aiohttp

from adapters.onvif import clock, ptz
from adapters.onvif.client import SoapClient, shared_http
from adapters.onvif.clock import DeviceClock
from adapters.onvif.discovery import recognition
from adapters.onvif.events.listener import EventListener, Heard, Leftover
from adapters.onvif.events.notify import NotifyDesk
from adapters.onvif.events.states import States
from adapters.onvif.events.unknown import UnknownTopics
from adapters.onvif.faults import ClockSuspected as OnvifClockSuspected
from adapters.onvif.faults import NotPermitted
from adapters.onvif.information import get_device_information
from adapters.onvif.inspection.inspector import Channel, Inspector
from adapters.onvif.services import Services, get_services
from adapters.onvif.snapshot import fetch_snapshot
from gateway.errors import DeviceError, NotSpoken, ProtocolFault, Unreachable
from gateway.model import ClockReading, DeviceInformation, OnvifAddress, Preset, PtzMove
from gateway.reach import Reach
from gateway.video.devices.link import (
    ClockSuspected,
    EventsRefused,
    EventsUnsupported,
    Happening,
    View,
)
from gateway.video.devices.memory import DeviceMemory
from gateway.video.devices.reception import Door, Reception

MOST, LONGEST = 8, 128
"""Of what a device said with a signal: items, and characters of each."""


class OnvifConnector:
    """Links of one worker: they share its HTTP session. ``door``: where devices call that cannot be asked for their events.
    ``inspector`` is for tests."""

    def __init__(
        self,
        memory: DeviceMemory,
        inspector: Inspector | None = None,
        door: Door | None = None,
        *,
        reach: Reach | None = None,
    ) -> None:
        self._reach = reach or Reach()
        self._memory = memory
        self._ears = _Ears(_Remembered(memory), UnknownTopics(), Reception(NotifyDesk, door))
        self._inspector = inspector
        self._http: aiohttp.ClientSession | None = None

    @property
    def requests(self) -> Mapping[str, int]:
        return self._ears.requests

    def link(self, address: OnvifAddress) -> "OnvifLink":
        if self._http is None:  # made here because it wants a running loop, and most workers have no ONVIF device
            self._http = shared_http(reach=self._reach)
        return OnvifLink(self._http, address, self._ears, self._states(f"{address.host.lower()}:{address.port}"))

    def _states(self, device: str) -> States:
        """How things stood there when any worker heard of it last; put down from now on as they change."""
        states = States(partial(self._memory.states_changed, device))
        states.restore(self._memory.states(device), time.monotonic())
        self._memory.keep_states(device, states.kept)
        return states

    async def views(self, address: OnvifAddress) -> Sequence[View]:
        if self._inspector is None:
            self._inspector = Inspector(reach=self._reach)
        inspection = await self._inspector.inspect(address)
        return [_view(channel, moves=inspection.has_ptz) for channel in inspection.channels]

    async def close(self) -> None:
        await self._ears.reception.close()
        if self._inspector is not None:
            await self._inspector.close()
        if self._http is not None:
            await self._http.close()


class OnvifLink:
    """One login at one device; see ``DeviceLink``."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        address: OnvifAddress,
        ears: "_Ears",
        states: States,
        *,
        calls: bool = False,
    ) -> None:
        self._http = http
        self._address = address
        self._ears = ears
        self._calls = calls or address.events == "push"  # it has no pull points that work
        self._states = states  # what stood when we last heard of it: what changed in between is news
        self._client = SoapClient(http, address, clock=DeviceClock(), tally=ears.requests)
        self._services: Services | None = None
        self._vendor = self._serial = ""
        self.has_ptz = False

    @property
    def logged_in(self) -> bool:
        return self._client.logged_in

    def again(self) -> "OnvifLink":
        return OnvifLink(self._http, self._address, self._ears, self._states, calls=self._calls)

    async def measure_clock(self) -> ClockReading | None:
        try:
            return await clock.look(self._client)
        except ProtocolFault:
            return None  # it keeps its time to itself, or to those who are logged in

    async def look(self) -> DeviceInformation:
        try:
            self._services = await get_services(self._client)
            information = await get_device_information(self._client)
        except OnvifClockSuspected as doubt:
            raise ClockSuspected(str(doubt)) from None
        self._vendor, self._serial = information.vendor, information.serial
        self.has_ptz = await self._moves()
        return information

    async def another(self, identity: str) -> str | None:
        return await recognition.another(self._client, identity, self._serial)

    async def set_clock(self, at: datetime) -> None:
        await clock.set_clock(self._client, at)

    async def listen(self, heard: Callable[[Happening], None], online: Callable[[], None]) -> None:
        try:
            if not self._calls:
                await self._ask_for_events(heard, online)
            await self._be_called(heard, online)
        except OnvifClockSuspected as doubt:
            raise ClockSuspected(str(doubt)) from None
        except NotPermitted as refusal:
            raise EventsRefused(str(refusal)) from None
        except NotSpoken as lack:
            raise EventsUnsupported(str(lack)) from None

    async def _ask_for_events(self, heard: Callable[[Happening], None], online: Callable[[], None]) -> None:
        """Returns where the device has no pull points that work, but may call us."""
        try:
            await self._listener(heard, None).run(online)
        except NotSpoken:
            if self._known_services().events is None or self._address.events == "pull":
                raise
            self._calls = True

    async def _be_called(self, heard: Callable[[Happening], None], online: Callable[[], None]) -> None:
        desk = await self._ears.reception.desk(self._address.host, self._address.port)
        await self._listener(heard, desk).run(online)

    def _listener(self, heard: Callable[[Happening], None], notify: NotifyDesk | None) -> EventListener:
        return EventListener(
            self._client,
            self._known_services(),
            lambda told: heard(_happening(told)),
            remembered=self._ears.remembered,
            states=self._states,
            unknown=self._ears.unknown,
            vendor=self._vendor,
            notify=notify,
            mode="pull" if notify is None else "push",
        )

    async def picture(self, url: str) -> bytes:
        return await fetch_snapshot(self._http, url, self._address.credential)

    async def presets(self, profile: str) -> Sequence[Preset]:
        return await ptz.get_presets(self._client, self._ptz(), profile)

    async def go_to_preset(self, profile: str, preset: str) -> None:
        await ptz.go_to_preset(self._client, self._ptz(), profile, preset)

    async def move(self, profile: str, move: PtzMove) -> None:
        await ptz.continuous_move(self._client, self._ptz(), profile, move)

    async def stop_moving(self, profile: str) -> None:
        await ptz.stop(self._client, self._ptz(), profile)

    async def _moves(self) -> bool:
        url = self._known_services().ptz
        if url is None:
            return False
        try:
            return await ptz.has_ptz(self._client, url)
        except DeviceError:
            return False

    def _ptz(self) -> str:
        url = self._known_services().ptz
        if url is None:
            raise Unreachable(f"{self._client.device} has no PTZ service")
        return url

    def _known_services(self) -> Services:
        assert self._services is not None, "a device is looked at first"
        return self._services


@dataclass(frozen=True, slots=True)
class _Ears:
    """What all links of a worker ask and listen with."""

    remembered: "_Remembered"
    unknown: UnknownTopics
    reception: Reception[NotifyDesk]
    requests: Counter[str] = field(default_factory=Counter)


class _Remembered:
    """The worker's memory as the adapter's ``SubscriptionMemory``."""

    def __init__(self, memory: DeviceMemory) -> None:
        self._memory = memory

    def remember(self, device: str, subscription: Leftover) -> None:
        self._memory.remember(device, subscription.url, subscription.headers, subscription.until)

    def forget(self, device: str) -> None:
        self._memory.forget(device)

    def left(self, device: str) -> Leftover | None:
        found = self._memory.left(device)
        return None if found is None else Leftover(*found)


def _view(channel: Channel, *, moves: bool) -> View:
    """``moves``: the device has something that does; the profiles of fixed cameras may say so, too."""
    sub = channel.sub
    main = channel.main
    return View(
        channel.source,
        main.stream_url,
        None if sub is None else sub.stream_url,
        main.snapshot_url or (None if sub is None else sub.snapshot_url),
        main.token if moves and main.has_ptz else None,
    )


def _few(items: Mapping[str, str]) -> dict[str, str]:
    """For the record, and no more: thousands of signals may wait for the core, and a device may say what it likes."""
    return {name[:LONGEST]: value[:LONGEST] for name, value in islice(items.items(), MOST)}


def _happening(told: Heard) -> Happening:
    occurrence, notification = told.occurrence, told.notification
    detail: dict[str, object] = {"what": occurrence.what, **occurrence.detail}
    if notification is not None:
        said = {
            "operation": notification.operation,
            "source": _few(notification.source),
            "data": _few(notification.data),
        }
        detail["said"] = {
            name: dict(value) if not isinstance(value, str) else value for name, value in said.items() if value
        }
    return Happening(
        occurrence.kind,
        occurrence.active,
        occurrence.source,
        occurrence.initial,
        occurrence.at.astimezone(UTC) if occurrence.at is not None else None,
        notification.topic if notification is not None else "",
        detail,
    )
