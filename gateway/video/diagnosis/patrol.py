"""The patrol: looks at every camera's newest keyframe in turn, and tells the core what stands.

It is the least of what the decoder does: pictures of alarms go before every look, a crash costs the one look that caused it,
and what does not fit into its share of the processor comes later, and is counted.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from gateway.errors import DeviceError, Unreachable
from gateway.model import ImageFault, Mask, Measures, Thresholds
from gateway.observability.logs import logger
from gateway.ports import Clock
from gateway.video.cameras.camera import CameraSession
from gateway.video.cameras.fleet import Fleet
from gateway.video.devices.outbox import Outbox
from gateway.video.diagnosis.daylight import Daylight, Light
from gateway.video.diagnosis.keyframes import Evidence, newest_row, payloads
from gateway.video.diagnosis.learning import Seen, is_old, learn
from gateway.video.diagnosis.rounds import Rounds
from gateway.video.diagnosis.sight import BY_VIEW, judged, unknown_in, without_view
from gateway.video.diagnosis.standing import Standing, Turned
from gateway.video.diagnosis.stills import Stills
from gateway.video.diagnosis.telling import Telling
from gateway.video.diagnosis.verdicts import LEAST_SEEN, judge
from gateway.video.diagnosis.views import PERIODS, View, Views
from gateway.video.diagnosis.wire import FOUND_ELSEWHERE, Look, PatrolOrder, Report, ViewTold
from gateway.video.pictures.ring import StoredKeyframe

TICK_S = 1.0
"""What changes without a look (cameras that come and go, frozen pictures) is noticed so often."""
NO_COLOUR = 4.0
"""Saturation below which there is none: infrared light."""
NO_NEWS_S = 15.0
"""Until a camera that has shown no newer keyframe is looked at again; a "smart" codec sends one in ten seconds and more."""
TROUBLE_S = 60.0
_log = logger("diagnosis")


class Measured(Protocol):
    @property
    def measures(self) -> Measures: ...
    @property
    def cpu_s(self) -> float: ...
    @property
    def view(self) -> bytes: ...


class Measurer(Protocol):
    """``Decoder``. Raises DeviceError."""

    async def measure(
        self,
        keyframes: Sequence[bytes],
        codec: str,
        masks: Sequence[Mask],
        reference: bytes | None,
        *,
        wants_view: bool,
    ) -> Measured: ...


class Patrol:
    """The cameras of one worker. ``is_dome``: whether a camera can turn, whose view says nothing then. ``looks``, ``failed``,
    ``cpu_s`` count up."""

    def __init__(
        self,
        fleet: Fleet,
        measurer: Measurer,
        outbox: Outbox,
        clock: Clock,
        *,
        is_dome: Callable[[str], bool] = lambda _: False,
        order: PatrolOrder | None = None,
    ) -> None:
        self._fleet = fleet
        self._measurer = measurer
        self._clock = clock
        self._is_dome = is_dome
        self._ordered = asyncio.Event()
        self._turn = asyncio.Lock()
        self._standing: dict[str, Standing] = {}
        self._last: dict[str, Look] = {}
        self._evidence = Evidence()
        fleet.also_forget(self._evidence.forget)
        self._telling = Telling(outbox, clock)
        self._stills = Stills(fleet.ring, self._evidence, self._telling, clock)
        self.looks = self.failed = 0
        self.cpu_s = 0.0
        self._rounds = Rounds(0.1)
        self._views = Views(None)
        self._order = PatrolOrder(enabled=False)
        self._daylight = Daylight(UTC)
        if order is not None:
            self.take(order)

    # -------------------------------------------------------------------------------------- what the core says

    def take(self, order: PatrolOrder) -> None:
        """Patrol so from now on."""
        if order.views != self._order.views:
            self._views = Views(order.views)
        self._order, self._rounds.share = order, order.cpu
        self._daylight = Daylight(ZoneInfo(order.zone), order.hours)
        for camera, faults in order.standing.items():
            self._adopt(camera, faults)
        self._let_go_of(order.off if order.enabled else frozenset(map(str, ImageFault)))
        self._ordered.set()

    def report(self, camera_id: str) -> Report:
        """Raises Unreachable."""
        session = self._fleet.session(camera_id)
        look = self._last.get(camera_id)
        night = look.night if look is not None else self._light(camera_id) is Light.NIGHT
        return Report(look, self._told_views(session), asdict(self._order.thresholds(night)), self._every(session))

    async def look(self, camera_id: str) -> Look:
        """Now, because somebody asks. A picture that was looked at before says nothing new, and counts once. Raises
        DeviceError."""
        session = self._fleet.session(camera_id)
        if not session.online:
            raise Unreachable(f"camera {camera_id} is not online: there is no picture of now to be looked at")
        async with self._turn:
            return await self._look(camera_id)

    async def set_view(self, camera_id: str, by: str) -> Mapping[str, ViewTold]:
        """What it shows now is what it is to show, in this light; the view of the other light was of the former scene, and is
        learned anew. Raises DeviceError."""
        async with self._turn:
            session = self._fleet.session(camera_id)
            frames = newest_row(self._fleet.ring, camera_id)
            if not session.online or not frames:
                raise Unreachable(f"camera {camera_id} shows no picture of now to be made its reference view")
            masks = session.order.masks
            found = await self._measurer.measure(payloads(frames), frames[-1].codec, masks, None, wants_view=True)
            self._spent(found.cpu_s)
            self._check_address(session)
            if not found.view:
                raise DeviceError(f"the picture of camera {camera_id} shows too little to be its reference view")
            night = self._is_night(camera_id, found.measures)
            self.forget_views(camera_id)
            self._views.put(camera_id, PERIODS[night], found.view, by, self._clock.now().timestamp(), masks)
        return self._told_views(session)

    def forget_views(self, camera_id: str) -> bool:
        """Whether there were any; another is learned. What stood of the former view has ended with it."""
        forgotten = [self._views.forget(camera_id, period) for period in PERIODS]
        self._without_views(camera_id)
        return any(forgotten)

    def evidence(self, camera_id: str, frame_id: str) -> StoredKeyframe | None:
        """A keyframe that a verdict stands on, after the ring has let go of it."""
        return self._evidence.get(camera_id, frame_id)

    def figures(self) -> dict[str, float]:
        return {
            "looks": self.looks,
            "skipped": self._rounds.skipped,
            "failed": self.failed,
            "cpu_s": self.cpu_s,
            "behind_s": self._rounds.behind(self._clock.mono()),
        }

    # -------------------------------------------------------------------------------------- the rounds

    async def run(self) -> None:
        """Patrol for ever, once the core has said how."""
        await self._ordered.wait()
        while True:
            now = self._clock.mono()
            self._muster(now)
            camera, wait = self._rounds.next(now)
            if camera is None:
                await self._clock.sleep(min(TICK_S, max(0.01, wait)))
                continue
            async with self._turn:
                await self._visit(camera)

    def _muster(self, now: float) -> None:
        sessions = self._fleet.sessions() if self._order.enabled else []
        shown = {session.order.id: session for session in sessions if session.online}
        self._rounds.keep({name: self._every(session) for name, session in shown.items()}, now)
        if len(self._standing) + len(self._last) > 2 * len(sessions):
            self._forget({session.order.id for session in sessions})
        if ImageFault.FROZEN not in self._order.off:
            for session in sessions:
                self._stills.watch(session, now)
        for name, session in shown.items():
            if name in self._standing and session.image_faults != self._standing[name].faults:
                session.set_image_faults(self._standing[name].faults)

    def _every(self, session: CameraSession) -> float:
        order = session.order
        return self._order.important if order.importance <= 1 or order.record_s else self._order.interval

    async def _visit(self, camera_id: str) -> None:
        now = self._clock.mono()
        try:
            self._fleet.session(camera_id)
        except Unreachable:
            return
        newest = self._fleet.ring.newest(camera_id)
        last = self._last.get(camera_id)
        if newest is None or (last is not None and last.frame == newest.id):
            self._rounds.postpone(camera_id, now, NO_NEWS_S)
            return
        try:
            await self._look(camera_id)
        except DeviceError as fault:
            self.failed += 1
            self._last[camera_id] = Look(
                camera_id, self._clock.now(), frame=newest.id, trouble=str(fault), standing=self._stands(camera_id)
            )
            self._rounds.postpone(camera_id, self._clock.mono(), TROUBLE_S)
            _log.debug("a picture could not be looked at", camera=camera_id, reason=str(fault))

    # -------------------------------------------------------------------------------------- one look

    async def _look(self, camera_id: str) -> Look:
        """Raises DeviceError."""
        session = self._fleet.session(camera_id)
        masks = session.order.masks
        frames = newest_row(self._fleet.ring, camera_id)
        if not frames:
            raise Unreachable(f"camera {camera_id} has shown no picture yet")
        newest, last = frames[-1], self._last.get(camera_id)
        if last is not None and last.frame == newest.id and last.trouble is None:
            return last
        period = PERIODS[self._expects_night(camera_id, last)]
        view = self._views_of(session).get(period)
        held = view.content if view is not None else self._views.candidate(camera_id, period, masks)
        wants_view = self._may_learn(camera_id) and (held is None or is_old(view, self._clock.now().timestamp()))
        found = await self._measurer.measure(payloads(frames), newest.codec, masks, held, wants_view=wants_view)
        self._check_address(session)
        night = self._is_night(camera_id, found.measures)
        if PERIODS[night] != period:  # it was held against the view of another light, which says nothing
            found_measures, view, held, fresh = without_view(found.measures), None, None, None
        else:
            found_measures, fresh = found.measures, found.view or None
        thresholds = self._order.thresholds(night)
        faults = {str(fault) for fault in judge(found_measures, thresholds, night)}
        if self._may_learn(camera_id):
            compared = found_measures.kept is not None
            seen = Seen(camera_id, PERIODS[night], masks, view, held, fresh, faults, compared)
            learn(self._views, seen, self._clock.now().timestamp())
            self._views_of(session)  # one of a former version is thrown away
        if view is None:
            faults.discard(ImageFault.MOVED)
        turned = self._settle(session, faults, found_measures, thresholds, can_tell_moved=view is not None)
        look = Look(
            camera_id,
            self._clock.now(),
            night,
            newest.id,
            newest.received_mono,
            found_measures.to_json(),
            tuple(sorted(faults - FOUND_ELSEWHERE - self._order.off)),
            self._stands(camera_id),
            found.cpu_s,
        )
        self._last[camera_id] = look
        self._spent(found.cpu_s)
        self.looks += 1
        self._rounds.looked(camera_id, self._clock.mono(), found.cpu_s, again=self._standing[camera_id].unsettled)
        self._tell(look, turned, newest)
        return look

    def _check_address(self, session: CameraSession) -> None:
        """Raises Unreachable where a picture that was measured meanwhile is no longer of this camera: neither a verdict may
        stand on it nor a view."""
        camera_id = session.order.id
        if self._fleet.session(camera_id).order.url != session.order.url:
            raise Unreachable(f"camera {camera_id} was given another address while its picture was looked at")

    def _settle(
        self, session: CameraSession, faults: set[str], measures: Measures, limits: Thresholds, *, can_tell_moved: bool
    ) -> Turned:
        standing = self._standing.setdefault(session.order.id, Standing())
        if measures.seen < LEAST_SEEN:
            return Turned()
        without = standing.begun_without
        seen = judged(measures, limits, faults, can_tell_moved=can_tell_moved, begun_without=without) - self._order.off
        turned = standing.note(faults & seen, seen, unknown_in(measures))
        session.set_image_faults(standing.faults)
        return turned

    def _stands(self, camera_id: str) -> tuple[str, ...]:
        standing = self._standing.get(camera_id)
        return () if standing is None else standing.faults

    def _may_learn(self, camera_id: str) -> bool:
        return self._order.learn and ImageFault.MOVED not in self._order.off and not self._is_dome(camera_id)

    # -------------------------------------------------------------------------------------- light

    def _light(self, camera_id: str) -> Light:
        return self._daylight.at(self._clock.now(), self._order.places.get(camera_id))

    def _is_night(self, camera_id: str, measures: Measures) -> bool:
        light = self._light(camera_id)
        return light is Light.NIGHT or (light is Light.TWILIGHT and measures.saturation < NO_COLOUR)

    def _expects_night(self, camera_id: str, last: Look | None) -> bool:
        light = self._light(camera_id)
        return light is Light.NIGHT or (light is Light.TWILIGHT and last is not None and last.night)

    # -------------------------------------------------------------------------------------- telling

    def _tell(self, look: Look, turned: Turned, frame: StoredKeyframe) -> None:
        for fault in sorted(turned.begun):
            self._evidence.keep(frame)
            self._telling.begun(look, fault)
        for fault in sorted(turned.ended):
            self._telling.ended(look.camera, fault, night=look.night)

    # -------------------------------------------------------------------------------------- inside

    def _spent(self, cpu_s: float) -> None:
        self.cpu_s += cpu_s

    def _adopt(self, camera_id: str, faults: Sequence[str]) -> None:
        """Verdicts of a worker before this one: they clear here as they would have there. Whether it had a view is not
        known here: one that it began without would else never end."""
        seen = [fault for fault in faults if fault not in FOUND_ELSEWHERE]
        if seen and self._standing.setdefault(camera_id, Standing()).adopt(seen, BY_VIEW):
            self._rounds.hurry(camera_id, self._clock.mono())
        if ImageFault.FROZEN in faults:
            self._stills.adopt(camera_id)

    def _let_go_of(self, off: frozenset[str]) -> None:
        """Faults that a person has switched off stand no longer."""
        for camera_id, standing in self._standing.items():
            for fault in off & set(standing.faults):
                standing.drop(fault)
                self._telling.ended(camera_id, fault)
        if ImageFault.FROZEN in off:
            self._stills.end_all()

    def _forget(self, cameras: set[str]) -> None:
        """Of cameras that went elsewhere nothing is held here; what stood of them the core knows."""
        self._standing = {name: standing for name, standing in self._standing.items() if name in cameras}
        self._last = {name: look for name, look in self._last.items() if name in cameras}
        self._stills.keep(cameras)
        self._views.keep(sorted(cameras))

    def _views_of(self, session: CameraSession) -> dict[str, View]:
        """By period, under the masks of now. A camera that has none left, because its masks are others, has not moved: there
        is nothing to say from where, nor would anything ever say that it is back."""
        camera_id, masks = session.order.id, session.order.masks
        found = {period: self._views.get(camera_id, period, masks) for period in PERIODS}
        held = {period: view for period, view in found.items() if view is not None}
        if not held:
            self._without_views(camera_id)
        return held

    def _without_views(self, camera_id: str) -> None:
        """What stood of a view ends with it."""
        standing = self._standing.get(camera_id)
        if standing is not None and standing.drop(ImageFault.MOVED):
            self._telling.ended(camera_id, ImageFault.MOVED)
            with suppress(Unreachable):
                self._fleet.session(camera_id).set_image_faults(standing.faults)

    def _told_views(self, session: CameraSession) -> dict[str, ViewTold]:
        views = self._views_of(session)
        return {period: ViewTold(datetime.fromtimestamp(view.at, UTC), view.by) for period, view in views.items()}
