"""What keeps the figures' history: cameras by the minute, alerts as they go on, terminals by the quarter."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from functools import partial
from itertools import islice
from typing import Protocol

from gateway.errors import StoreFailed
from gateway.model import Camera, CameraHealth, DeviceHealth, Terminal
from gateway.observability.logs import logger
from gateway.ports import Clock, Ledger, Maintenance, Outage, Tally, TerminalTest, Transaction, WatchedCamera
from gateway.upkeep.figures import quarter_of
from gateway.upkeep.history import SET_SINCE, Batch, Recorder, Standing, standing_of

_log = logger("upkeep")
LOOK_S = 10.0
KEEP_S = 600.0
_AT_ONCE = 250
"""Rows in one piece of the ledger's work, and cameras looked at in one go: a press must not wait for two thousand."""
_BEHIND = 200
"""Entries whose alerts are reckoned in one piece."""
_FRESH_S = 60.0
_OVERLAP = timedelta(hours=1)
"""So long after a quarter's end what was tested in its last minutes is kept of it, also over a restart."""
_POSITION = "figures/alerts"


class PresenceView(Protocol):
    @property
    def last_test(self) -> datetime | None: ...


class Inventory(Protocol):
    """The node's register."""

    def cameras(self) -> Sequence[Camera]: ...
    def terminals(self) -> Sequence[Terminal]: ...
    def presence(self, terminal_id: str) -> PresenceView: ...


class Watched(Protocol):
    """Of the video workers, how their cameras are."""

    def health(self, camera_id: str) -> CameraHealth | None: ...
    def device(self, camera_id: str) -> DeviceHealth | None: ...


class History:
    """``run`` until the end; what is not on disk then is written. ``maintenance``: None where nothing is ever planned."""

    def __init__(
        self,
        ledger: Ledger,
        inventory: Inventory,
        video: Watched,
        clock: Clock,
        zone: tzinfo,
        maintenance: Maintenance | None = None,
    ) -> None:
        self._ledger = ledger
        self._inventory = inventory
        self._video = video
        self._clock = clock
        self._zone = zone
        self._maintenance = maintenance
        self._recorder = Recorder(zone)
        self._kept_mono = clock.mono()
        self._keeping = asyncio.Lock()
        self._quarter = 0
        self._tests: dict[str, TerminalTest] = {}
        self.kept_at: datetime | None = None

    async def run(self) -> None:
        """Until cancelled. A ledger that takes nothing is asked again at the next turn; until then it is kept in memory."""
        while not await self._remembers():
            await self._clock.sleep(LOOK_S)
        try:
            while True:
                await self.look()
                if self._clock.mono() - self._kept_mono >= KEEP_S:
                    await self.keep()
                await self._clock.sleep(LOOK_S)
        finally:
            await self.keep()

    async def _remembers(self) -> bool:
        """Whether the outages that went on when the last process ended are known again."""
        try:
            self._recorder.remember(await self._ledger.read(lambda reader: reader.open_outages()))
        except StoreFailed as error:
            _log.debug("the figures' history cannot begin yet", reason=str(error))
            return False
        return True

    async def look(self) -> None:
        """See how every camera stands now."""
        now = self._clock.now()
        if not self._recorder.step(now, self._clock.mono()):
            return
        cameras = self._inventory.cameras()
        for start in range(0, len(cameras), _AT_ONCE):
            for camera in islice(cameras, start, start + _AT_ONCE):
                self._see(camera, now)
            await asyncio.sleep(0)
        self._recorder.keep_only(camera.id for camera in cameras)

    def _see(self, camera: Camera, now: datetime) -> None:
        health = self._video.health(camera.id)
        standing = standing_of(camera, health)
        device = self._video.device(camera.id)
        vendor = "" if device is None or device.information is None else device.information.vendor
        wanting = standing in (Standing.DOWN, Standing.FAULTY)
        planned = wanting and self._maintenance is not None and self._maintenance.covers(camera, now) is not None
        reason = None if health is None or standing is not Standing.DOWN else health.reason
        self._recorder.see(camera, standing, planned=planned, reason=reason, vendor=vendor)

    async def freshen(self) -> None:
        """Bring what is on disk up to date for a report, once a minute at the most; where that fails it is told, and the
        report is of what is kept."""
        if self.kept_at is None or self._clock.mono() - self._kept_mono >= _FRESH_S:
            await self.keep()

    async def keep(self) -> None:
        """Write what has come together. What the ledger does not take is taken back."""
        async with self._keeping:
            self._kept_mono = self._clock.mono()
            waiting = list(_pieces(self._recorder.take()))
            try:
                while waiting:
                    piece = waiting.pop(0)
                    try:
                        await self._ledger.write(partial(_keep, piece))
                    except StoreFailed:
                        waiting.insert(0, piece)
                        raise
                await self._keep_tests()
                self.kept_at = self._clock.now()
            except StoreFailed as error:
                _log.warning("the figures' history waits in memory: the ledger takes nothing", reason=str(error))
            finally:
                for (
                    piece
                ) in waiting:  # also where this is cancelled: the piece that is under way is written all the same
                    self._recorder.give_back(piece)

    async def _keep_tests(self) -> None:
        """Which terminals were pressed as a test in this quarter; when it has begun, also what came at the end of the last."""
        now = self._clock.now()
        if now < SET_SINCE:
            return
        quarter = quarter_of(now.astimezone(self._zone))
        before = quarter_of((now - _OVERLAP).astimezone(self._zone))
        if quarter not in (self._quarter, before):
            await self._keep_tests_of(before)
        await self._keep_tests_of(quarter)

    async def _keep_tests_of(self, quarter: int) -> None:
        if quarter != self._quarter:
            known = await self._ledger.read(lambda reader: reader.terminal_tests(quarter))
            self._quarter, self._tests = quarter, {each.terminal_id: each for each in known}
        here = await self._tests_now(quarter)
        changed = [each for id_, each in here.items() if self._tests.get(id_) != each]
        gone = [id_ for id_ in self._tests if id_ not in here]
        for start in range(0, max(len(changed), len(gone)), _AT_ONCE):
            some, less = changed[start : start + _AT_ONCE], gone[start : start + _AT_ONCE]
            await self._ledger.write(partial(_keep_tests, quarter, some, less))
            self._tests.update((each.terminal_id, each) for each in some)
            for id_ in less:
                del self._tests[id_]

    async def _tests_now(self, quarter: int) -> Mapping[str, TerminalTest]:
        here: dict[str, TerminalTest] = {}
        terminals = self._inventory.terminals()
        for number, terminal in enumerate(terminals):
            tested = self._inventory.presence(terminal.id).last_test
            if tested is None or quarter_of(tested.astimezone(self._zone)) != quarter:
                known = self._tests.get(terminal.id)
                tested = None if known is None else known.tested_at  # one that was exchanged keeps its test
            here[terminal.id] = TerminalTest(terminal.id, terminal.place.area_code, tested)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return here


class AlertHistory:
    """Keeps what became of each alert where it outlives the alert, some moments after what happens to it. Goes on where it
    was, and begins with the first alert that the ledger has."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        seen = 0
        while True:
            try:
                await self.catch_up()
            except StoreFailed as error:
                _log.debug("alerts' figures wait for the ledger", reason=str(error))
            seen = await self._ledger.changed("entry", seen)
            await self._clock.sleep(LOOK_S)  # an alert's story goes on: one look for many entries

    async def catch_up(self) -> None:
        """Raises StoreFailed."""
        while True:
            began = self._clock.mono()
            if not await self._next():
                return
            await self._clock.sleep(self._clock.mono() - began)  # half of the time is for the presses

    async def _next(self) -> bool:
        """Whether there may be more."""
        position = int(await self._ledger.read(lambda reader: reader.bookmark(_POSITION)) or 0)
        last, alerts = await self._ledger.read(lambda reader: reader.alerts_touched(position, _BEHIND))
        if last == position:
            return False
        figures = await self._ledger.read(lambda reader: [reader.alert_figure(alert) for alert in alerts])
        found = [figure for figure in figures if figure is not None]

        def keep(tx: Transaction) -> None:
            tx.keep_alert_figures(found)
            tx.set_bookmark(_POSITION, str(last))

        await self._ledger.write(keep)
        return True


def _pieces(batch: Batch) -> Iterable[Batch]:
    """Small ones, each whole in itself: cameras before what is of them, and an outage with the time that it counts."""
    days = [(day, id_, tally) for day, tallies in batch.days.items() for id_, tally in tallies.items()]
    cameras = {each.id: each for each in batch.cameras}
    outages: dict[str, list[Outage]] = {}
    for outage in batch.outages:
        outages.setdefault(outage.camera_id, []).append(outage)
    ids = list(dict.fromkeys([*cameras, *(id_ for _, id_, _ in days), *outages]))
    by_camera: dict[str, list[tuple[int, Tally]]] = {}
    for day, id_, tally in days:
        by_camera.setdefault(id_, []).append((day, tally))
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        told: dict[int, dict[str, Tally]] = {}
        for id_ in some:
            for day, tally in by_camera.get(id_, ()):
                told.setdefault(day, {})[id_] = tally
        known: list[WatchedCamera] = [cameras[id_] for id_ in some if id_ in cameras]
        yield Batch(known, told, [outage for id_ in some for outage in outages.get(id_, ())])


def _keep(batch: Batch, tx: Transaction) -> None:
    tx.keep_cameras(batch.cameras)
    for day, tallies in batch.days.items():
        tx.add_tallies(day, tallies)
    tx.keep_outages(batch.outages)


def _keep_tests(quarter: int, tests: Sequence[TerminalTest], gone: Sequence[str], tx: Transaction) -> None:
    tx.keep_terminal_tests(quarter, tests, gone)
