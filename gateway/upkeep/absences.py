"""Which cameras are away that should be there: their health as the workers tell it, less what is planned or not missed."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from gateway.model import Camera, CameraHealth, CameraState, Cause, OutageMember
from gateway.supervision.losses import Damping, Losses
from gateway.supervision.outages import groups_of
from gateway.supervision.sites import Site
from gateway.upkeep.maintenance import MaintenanceBook, Window

_NOT_MISSED = (CameraState.DISABLED, CameraState.AUTH_FAILED)
"""Switched off, or reachable and in want of a password: that is a task, and no outage."""


class Inventory(Protocol):
    """The node's register, as far as its cameras go."""

    @property
    def replaced(self) -> int: ...
    def cameras(self) -> Sequence[Camera]: ...


class Watched(Protocol):
    """Of the video workers, what their cameras' health is."""

    def health(self, camera_id: str) -> CameraHealth | None: ...


class Absences:
    """``cameras`` and ``sites``: all there are here. ``planned``: those that may be down just now, and the window that says
    so. ``losses``: since when they are lost, and who flaps."""

    def __init__(self, inventory: Inventory, video: Watched, maintenance: MaintenanceBook, damping: Damping) -> None:
        self._inventory = inventory
        self._video = video
        self._maintenance = maintenance
        self._replaced = -1
        self._stood: set[str] = set()  # since the start: only what stood can go once more
        self._missed: set[str] = set()
        self.losses = Losses(damping)
        self.cameras: dict[str, Camera] = {}
        self.sites: dict[str, Site] = {}
        self.planned: Mapping[str, Window] = {}
        self._follow_the_register()

    def remember(self, member: OutageMember, now: float) -> None:
        """Who was told of before a restart is away until it is seen."""
        if member.camera_id not in self.cameras:
            return
        if member.flapping:
            self.losses.remember_flapping(member.camera_id, now)
        elif not member.back:
            self.losses.lost(member.camera_id, now, counted=False)

    def follow(self, now: float, at: datetime, told: Mapping[str, str], *, counting: bool) -> None:
        """How all stand now. ``told``: those whose alert says that they are away. ``counting``: whether who goes now is one
        that comes and goes."""
        self._follow_the_register()
        # A camera that goes to another worker changes without being named, so all are looked at: 1,000 take a millisecond.
        windows = ((name, self._maintenance.window(camera, at)) for name, camera in self.cameras.items())
        self.planned = {name: window for name, window in windows if window is not None}
        for camera in self.cameras.values():
            health = self._video.health(camera.id)
            if health is not None:
                self._note(camera, health.state, now, camera.id in told, counting)

    def is_away(self, camera_id: str) -> bool:
        return self.losses.is_away(camera_id)

    def is_missed(self, camera_id: str) -> bool:
        """Whether its absence would be an outage now."""
        return camera_id in self._missed and camera_id not in self.planned

    def away(self) -> Iterator[tuple[str, float]]:
        """Who is away and missed, and since when; of one that flaps, since it went last."""
        for name in self.losses.away():
            since = self.losses.since(name)
            if since is not None and self.is_missed(name):
                yield name, since

    def belonging(self, cause: Cause, group: str) -> int:
        """How many cameras there are in a group."""
        if cause is Cause.SINGLE:
            return 1
        return sum(any(each.name == group for each in groups_of(site)) for site in self.sites.values())

    def _note(self, camera: Camera, state: CameraState, now: float, told: bool, counting: bool) -> None:
        """``connecting`` is no news: a worker that is started anew loses no camera."""
        name = camera.id
        if not camera.enabled or state in _NOT_MISSED:
            self._missed.discard(name)
            self.losses.forget(name)
            return
        self._missed.add(name)
        if state is CameraState.ONLINE:
            self._stood.add(name)
            self.losses.stands(name, now)
        elif state is CameraState.OFFLINE:
            if name in self.planned and not told:
                self.losses.forget(name)
            else:
                self.losses.lost(name, now, counted=counting and name in self._stood)

    def _follow_the_register(self) -> None:
        if self._inventory.replaced == self._replaced:
            return
        self._replaced = self._inventory.replaced
        self.cameras = {camera.id: camera for camera in self._inventory.cameras()}
        self.sites = {name: Site.of(camera) for name, camera in self.cameras.items()}
        self.losses.keep_only(self.cameras)
        self._missed &= self.cameras.keys()
        self._stood &= self.cameras.keys()
