"""The session with one ONVIF device: a camera, or a recorder with many."""

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from gateway.backoff import Backoff
from gateway.errors import AuthFailed, DeviceError, Unreachable
from gateway.model import ClockReading, DeviceHealth, DeviceInformation, EventsState, OnvifAddress
from gateway.observability import events
from gateway.ports import Clock
from gateway.supervision.governor import Governor, Turn
from gateway.supervision.lockout import Lockout, Visit
from gateway.supervision.place import Login, Place
from gateway.supervision.supervisor import Supervisor
from gateway.video.devices.link import (
    ClockSuspected,
    DeviceConnector,
    DeviceLink,
    EventsRefused,
    EventsUnsupported,
    Happening,
)
from gateway.video.devices.logins import DeviceKey, device_login, own_login
from gateway.video.devices.note import Note, clock_in_words
from gateway.video.devices.timekeeping import Timekeeping
from gateway.video.wire import CameraOrder

BACKOFF_FIRST_S = 1.0
BACKOFF_CEILING_S = 60.0
"""Events are heard again within a minute of a device's return; its video has a faster loop of its own."""
LOOK_AGAIN_S = 900.0
"""A device is asked for its time this often: it drifts. One that tells no events shows that it lives, too."""
NO_RIGHT_S = 3600.0
"""A user without the right to events is given it by a person at the device; until then each attempt is an entry in its log."""
RTSP_FIRST_S = 10.0
"""With a wrong clock a refusal over ONVIF proves nothing; RTSP's digest knows no time, so it is let in first for this long."""


class DeviceAudience(Protocol):
    """Whom a session tells. No call waits."""

    def heard(self, session: "DeviceSession", happening: Happening) -> None: ...
    def changed(self, session: "DeviceSession") -> None:
        """Its health is another."""

    def recognised(self, session: "DeviceSession") -> None:
        """Which of its cameras are another device (``stranger``) is known, or known better."""

    def came_up(self, session: "DeviceSession") -> None:
        """It let us in: it may be asked what it offers."""

    def clock_was_set(self, session: "DeviceSession", remark: str) -> None:
        """Or could not be: an entry for the audit."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What every session of a worker dials with."""

    connector: DeviceConnector
    governor: Governor
    lockout: Lockout
    clock: Clock


class DeviceSession:
    """Keeps one device's session up: measures its clock, logs in, listens. ``run`` goes on for ever.

    ``refused``: why it has refused this very credential before; it is not tried until ``retry``.
    """

    def __init__(
        self,
        key: DeviceKey,
        orders: Sequence[CameraOrder],
        desk: Desk,
        audience: DeviceAudience,
        refused: str | None = None,
    ) -> None:
        self.key = key
        self.orders: Mapping[str, CameraOrder] = {order.id: order for order in orders}
        self.information: DeviceInformation | None = None
        self.last_event_at: datetime | None = None
        self.trouble: str | None = None
        self.refused = refused
        self.events = EventsState.CONNECTING
        self._desk = desk
        self._audience = audience
        self._place = Place.of(
            f"http://[{key.host}]:{key.port}" if ":" in key.host else f"http://{key.host}:{key.port}"
        )
        self._latest: DeviceLink | None = None
        self._link: DeviceLink | None = None  # the latest that let us in
        self._time = Timekeeping(desk.clock)
        self._tried_beside_rtsp = False  # the login, suspected as it is, with RTSP let in
        self._others: dict[str, str] = {}  # identity → what answered in its place
        self._told: tuple[object, ...] = ()
        self._supervisor = Supervisor(
            self.name,
            self._attempt,
            Backoff(first=BACKOFF_FIRST_S, ceiling=BACKOFF_CEILING_S),
            desk.clock,
            self._broken,
            self._back,
            on_refused=self._shut_out,
            gate=self._turn,
        )

    @property
    def name(self) -> str:
        return f"{self.key.host}:{self.key.port}"

    @property
    def address(self) -> OnvifAddress:
        """As of its first camera; which source that is does not matter to the device."""
        return replace(next(iter(self.orders.values())).onvif or OnvifAddress(self.key.host), source=None)

    @property
    def login(self) -> Login:
        return next((login for order in self.orders.values() if (login := device_login(order))), own_login(self.key))

    @property
    def has_ptz(self) -> bool:
        return self._link is not None and self._link.has_ptz

    @property
    def is_in(self) -> bool:
        """Whether the device has let us in with this credential."""
        return self._link is not None

    @property
    def clock(self) -> ClockReading | None:
        return self._time.reading

    @property
    def note(self) -> Note:
        return Note(self.trouble, self.refused, clock_in_words(self.clock))

    async def run(self) -> None:
        """Keep it up until cancelled."""
        await self._supervisor.run()

    def retry(self) -> None:
        """A refused credential may be tried once more."""
        self.refused = None
        self._time.trust()
        self._supervisor.credential_changed()
        self._tell()

    def nudge(self) -> None:
        """Somebody waits for it."""
        self._supervisor.nudge()

    def link(self) -> DeviceLink:
        """Of a device that let us in. Raises AuthFailed or Unreachable with the reason in words."""
        if self.refused is not None:
            raise AuthFailed(self.refused)
        if self._link is None:
            self.nudge()
            raise Unreachable(self.trouble or f"the ONVIF device at {self.name} has not answered yet")
        return self._link

    def stranger(self, camera_id: str) -> str | None:
        """In words, where the device is not the one that this camera is: its pictures and events are another's."""
        onvif = self.orders[camera_id].onvif
        said = None if onvif is None else self._others.get(onvif.identity or "")
        if said is None or onvif is None:
            return None
        return (
            f"another device answers at {self.name}: {said}, not {onvif.identity}; the right one is looked for; if it was "
            "replaced, write the new one's onvif.identity"
        )

    def health(self, camera_id: str, has_ptz: bool) -> DeviceHealth:
        note, stranger = self.note, self.stranger(camera_id)
        return DeviceHealth(
            camera_id,
            self.events if stranger is None else EventsState.UNREACHABLE,
            note.refused or stranger or note.trouble or note.clock,
            self.information,
            self.clock,
            self.last_event_at,
            has_ptz,
            note.faults,
        )

    # -------------------------------------------------------------------------------------- one attempt

    async def _turn(self) -> Turn:
        rank = min((order.importance for order in self.orders.values()), default=2) + 1  # video goes first
        turn = self._desk.governor.ask(self._place, rank)
        await turn.come()
        return turn

    async def _attempt(self, online: Callable[[], None]) -> None:
        link = self._latest = self._latest.again() if self._latest else self._desk.connector.link(self.address)
        await self._measure(link)
        if self.refused is not None:
            raise AuthFailed(self.refused)
        # Waiting for others who try the same login must not hold up a dial of theirs.
        self._supervisor.playing()
        await self._let_rtsp_go_first()
        visit = await self._desk.lockout.enter(self.login, self._asker(), self.retry)
        try:
            await self._log_in(link, visit)
            await self._stay(link, visit, online)
        except AuthFailed as refusal:
            self._link = None
            self._stop_all(link, visit, str(refusal))
            raise
        except ClockSuspected:
            self._time.suspect()
            raise
        finally:
            visit.leave()

    async def _measure(self, link: DeviceLink) -> None:
        await self._time.measure(link)
        self._tell()

    async def _let_rtsp_go_first(self) -> None:
        """Raises ClockSuspected where a clock was the reason of a refusal and nothing has changed since."""
        lockout, login = self._desk.lockout, self.login
        shared = any(order.url and device_login(order) == login for order in self.orders.values())
        if self._time.is_wrong and shared and login.username is not None:
            waited = 0.0
            while not lockout.stands(login) and self._refusal(login) is None and waited < RTSP_FIRST_S:
                await self._desk.clock.sleep(0.5)
                waited += 0.5
        if self._time.suspected:
            if not lockout.stands(login) or self._tried_beside_rtsp:
                raise ClockSuspected(self.trouble or f"{self.name} refused our login, perhaps for its clock")
            self._tried_beside_rtsp = True

    async def _log_in(self, link: DeviceLink, visit: Visit) -> None:
        turn = await self._turn()
        try:
            self.information = await link.look()
        finally:
            turn.end()
        if link.logged_in:
            visit.proven()
        await self._recognise(link)
        if all(map(self.stranger, self.orders)):
            self._link = self.information = None
            raise Unreachable(self.stranger(next(iter(self.orders))) or "")
        self._link = link
        if link.logged_in:
            self._time.trust()
            self._tried_beside_rtsp = False
        self.refused = self.trouble = None
        self._tell()
        await self._correct_clock(link)
        self._audience.came_up(self)

    async def _recognise(self, link: DeviceLink) -> None:
        """Cameras whose addresses were swapped let us in where their password is the same."""
        wanted = {order.onvif.identity for order in self.orders.values() if order.onvif and order.onvif.identity}
        others = {identity: said for identity in wanted if (said := await link.another(identity)) is not None}
        if others != self._others:
            self._others = others
            self._audience.recognised(self)

    def _settle_login(self, link: DeviceLink, visit: Visit) -> None:
        """One that has never asked for our login has neither proved nor refused it: others may try it at their doors."""
        if link.logged_in:
            visit.proven()
        else:
            visit.leave()

    def _stop_all(self, link: DeviceLink, visit: Visit, reason: str) -> None:
        """Video of these cameras too, unless it stands logged in with this very password while ONVIF never let us in: then
        the device keeps users of its own for ONVIF (Hikvision), and it alone is not asked again."""
        if visit.others_stand and not link.logged_in:
            return
        for camera in self.orders:
            self._desk.lockout.remember(camera, reason)
        visit.refused(reason)

    async def _correct_clock(self, link: DeviceLink) -> None:
        if self.address.set_clock and (became := await self._time.correct(link)) is not None:
            self._tell()
            self._audience.clock_was_set(self, f"the clock of {self.name} {became}")

    async def _stay(self, link: DeviceLink, visit: Visit, online: Callable[[], None]) -> None:
        if self.address.events == "off":
            await self._sit(link, visit, online, EventsState.OFF)

        looking: asyncio.Task[None] | None = None

        def listening() -> None:
            nonlocal looking
            online()
            self._settle_login(link, visit)
            self.events = EventsState.LISTENING
            self.trouble = None
            self._tell()
            # Heard anew, it may have booted, and lost its time, sooner than anybody noticed.
            looking = self._look_at_clock(link, LOOK_AGAIN_S if looking is None else 0.0, looking)

        try:
            await link.listen(self._heard, listening)
        except EventsRefused as refusal:
            # The login itself stands: it is the user's rights, which no password would change.
            self.trouble = str(refusal)
            await self._sit(link, visit, online, EventsState.REFUSED, NO_RIGHT_S)
        except EventsUnsupported as lack:
            self.trouble = str(lack)
            await self._sit(link, visit, online, EventsState.UNSUPPORTED)
        finally:
            if looking is not None:
                looking.cancel()

    def _look_at_clock(
        self, link: DeviceLink, wait_s: float, before: "asyncio.Task[None] | None"
    ) -> "asyncio.Task[None]":
        """After so long, and then now and then, in place of ``before``: each signal tells how far off it was."""

        async def look() -> None:
            await self._desk.clock.sleep(wait_s)
            while True:
                with contextlib.suppress(DeviceError):  # who listens will say so
                    await self._measure(link)
                    await self._correct_clock(link)
                await self._desk.clock.sleep(LOOK_AGAIN_S)

        if before is not None:
            before.cancel()
        return asyncio.create_task(look(), name=f"clock of {self.name}")

    async def _sit(
        self,
        link: DeviceLink,
        visit: Visit,
        online: Callable[[], None],
        state: EventsState,
        seconds: float = math.inf,
    ) -> None:
        """Stay with a device that tells nothing, looking at its clock; after ``seconds`` the attempt is over."""
        online()
        self._settle_login(link, visit)
        self.events = state
        self._tell()
        while seconds > 0:
            await self._desk.clock.sleep(LOOK_AGAIN_S)
            seconds -= LOOK_AGAIN_S
            await self._measure(link)
            before = self._others
            await self._recognise(link)
            if self._others != before:
                raise Unreachable("another device answers")
        raise Unreachable(self.trouble or "it is asked again")

    def _heard(self, happening: Happening) -> None:
        if not happening.initial:
            self.last_event_at = self._desk.clock.now()
        self._audience.heard(self, happening)

    def _asker(self) -> str:
        """The camera in whose name we log in: one that is not refused by itself, where there is one."""
        free = (camera for camera in self.orders if self._desk.lockout.refusal(camera) is None)
        return next(free, next(iter(self.orders)))

    def _refusal(self, login: Login) -> str | None:
        return self._desk.lockout.refusal(self._asker()) or self._desk.lockout.login_refusal(login)

    # -------------------------------------------------------------------------------------- supervision

    def _back(self) -> None:
        events.device_online(self.name)

    def _broken(self, reason: str, retry_in: float, first: bool) -> None:
        self.trouble = reason
        self.events = EventsState.OFF if self.address.events == "off" else EventsState.UNREACHABLE
        events.device_broken(self.name, reason, retry_in, first=first)
        self._tell()

    def _shut_out(self, reason: str) -> None:
        self.refused = reason
        self._link = None
        self.events = EventsState.REFUSED
        events.device_refused(self.name, reason)
        self._tell()

    def _tell(self) -> None:
        """Tell if anything is another; a clock that ticks a little differently each time is not."""
        seen = (self.events, self._others, self.information, self.note, self.has_ptz, self.clock is None)
        if seen != self._told:
            self._told = seen
            self._audience.changed(self)
