"""Frozen pictures, told as verdicts: what ``cameras/frozen.py`` finds, and what a former worker found."""

from collections.abc import Collection
from dataclasses import dataclass

from gateway.model import ImageFault
from gateway.ports import Clock
from gateway.video.cameras.camera import CameraSession
from gateway.video.diagnosis.keyframes import Evidence
from gateway.video.diagnosis.telling import Telling
from gateway.video.diagnosis.wire import Look
from gateway.video.pictures.ring import KeyframeRing

THAWED_S = 60.0
"""A picture that was found frozen before, and that has not been again in so long, moves."""


@dataclass(slots=True)
class _Told:
    """``by``: the session that found it, None where a former worker did; ``watched``: another one that has been online
    without a break, and since when (monotonic seconds)."""

    by: CameraSession | None = None
    watched: tuple[CameraSession, float] | None = None


class Stills:
    """The cameras that were told to be frozen."""

    def __init__(self, ring: KeyframeRing, evidence: Evidence, telling: Telling, clock: Clock) -> None:
        self._ring = ring
        self._evidence = evidence
        self._telling = telling
        self._clock = clock
        self._told: dict[str, _Told] = {}  # of the cameras that were told to be frozen

    def watch(self, session: CameraSession, now: float) -> None:
        """Tell what has changed. ``now``: monotonic seconds."""
        camera_id = session.order.id
        told = self._told.get(camera_id)
        if not session.online:
            if told is not None:
                told.watched = None
        elif session.frozen:
            self._told[camera_id] = _Told(session)
            if told is None:
                self._telling.begun(self._shown(camera_id, now), ImageFault.FROZEN)
        elif told is not None and self._thawed(told, session, now):
            self._end(camera_id)

    def adopt(self, camera_id: str) -> None:
        """A worker before this one found it frozen."""
        self._told.setdefault(camera_id, _Told())

    def end_all(self) -> None:
        for camera_id in list(self._told):
            self._end(camera_id)

    def keep(self, cameras: Collection[str]) -> None:
        """Forget the others."""
        self._told = {name: told for name, told in self._told.items() if name in cameras}

    @staticmethod
    def _thawed(told: _Told, session: CameraSession, now: float) -> bool:
        """The session that found it frozen has seen it move. Another one, after a restart or a changed order, says nothing
        before it would have found it again."""
        if told.by is session:
            return True
        if told.watched is None or told.watched[0] is not session:
            told.watched = (session, now)
        return now - told.watched[1] > THAWED_S

    def _shown(self, camera_id: str, now: float) -> Look:
        newest = self._ring.newest(camera_id)
        if newest is None:
            return Look(camera_id, self._clock.now(), frame_mono=now)
        self._evidence.keep(newest)
        return Look(camera_id, self._clock.now(), frame=newest.id, frame_mono=newest.received_mono)

    def _end(self, camera_id: str) -> None:
        del self._told[camera_id]
        self._telling.ended(camera_id, ImageFault.FROZEN)
