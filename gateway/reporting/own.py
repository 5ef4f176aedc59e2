"""This node's own cameras and terminals as it tells of them: kept true from the register and the video workers."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from gateway.model import Camera, CameraHealth, Terminal, TerminalState
from gateway.reporting.flapping import FlapFilter
from gateway.reporting.holding import HeldCamera, HeldTerminal, Holding, NodeCard

FLAPPING = "flapping: it changed again and again within a minute"


class PresenceView(Protocol):
    @property
    def online(self) -> bool | None: ...
    @property
    def last_seen(self) -> datetime | None: ...
    @property
    def last_press(self) -> datetime | None: ...


class Inventory(Protocol):
    """The node's register."""

    @property
    def changes(self) -> int: ...
    @property
    def replaced(self) -> int: ...
    def presence_changes(self, seen: int) -> Sequence[str]: ...
    def cameras(self) -> Sequence[Camera]: ...
    def terminals(self) -> Sequence[Terminal]: ...
    def terminal(self, terminal_id: str) -> Terminal | None: ...
    def presence(self, terminal_id: str) -> PresenceView: ...


class Watched(Protocol):
    """Of the video workers, what their cameras' health is."""

    def health(self, camera_id: str) -> CameraHealth | None: ...


class OwnDevices:
    """``holding`` is what is told; ``look`` brings it up to date, about once a second."""

    def __init__(self, card: NodeCard, inventory: Inventory, video: Watched) -> None:
        self.holding = Holding(card)
        self._inventory = inventory
        self._video = video
        self._cameras = FlapFilter()
        self._terminals = FlapFilter()
        self._replaced = -1
        self._seen = 0

    def look(self, mono: float) -> None:
        inventory = self._inventory
        before, self._seen = self._seen, inventory.changes
        if inventory.replaced != self._replaced:
            self._replaced = inventory.replaced
            self._begin_anew()
            changed: Iterable[Terminal] = inventory.terminals()
        else:
            named = (inventory.terminal(id_) for id_ in inventory.presence_changes(before))
            changed = [terminal for terminal in named if terminal is not None]
        for terminal in changed:
            if self._terminals.offer(terminal.id, inventory.presence(terminal.id).online, mono):
                self._tell_terminal(terminal)
        # A camera that goes to another worker changes without being named, so all are looked at: 1,000 take a millisecond.
        for camera in inventory.cameras():
            health = self._video.health(camera.id)
            if self._cameras.offer(camera.id, health and health.state, mono):
                self._tell_camera(camera, health)
        self._tell_what_stood(mono)

    def _tell_what_stood(self, mono: float) -> None:
        for id_, _ in self._terminals.due(mono):  # a terminal has no words for flapping: it is told as it stands
            terminal = self._inventory.terminal(id_)
            if terminal is not None:
                self._tell_terminal(terminal)
        for id_, flapping in self._cameras.due(mono):
            held, health = self.holding.cameras.get(id_), self._video.health(id_)
            if held is None:
                continue
            if flapping and health is not None:
                health = replace(health, reason=FLAPPING)
            self._tell_camera(held.camera, health)

    def _begin_anew(self) -> None:
        """A reload put others in their place."""
        cameras = {camera.id for camera in self._inventory.cameras()}
        terminals = {terminal.id for terminal in self._inventory.terminals()}
        for id_ in set(self.holding.cameras.ids()) - cameras:
            self.holding.drop_camera(id_)
            self._cameras.forget(id_)
        for id_ in set(self.holding.terminals.ids()) - terminals:
            self.holding.drop_terminal(id_)
            self._terminals.forget(id_)

    def _tell_camera(self, camera: Camera, health: CameraHealth | None) -> None:
        known = self.holding.cameras.get(camera.id)
        if known is None or known.camera is not camera or known.health is not health:
            self.holding.put_camera(HeldCamera(camera, health))

    def _tell_terminal(self, terminal: Terminal) -> None:
        told = self._inventory.presence(terminal.id)
        presence = TerminalState(terminal.id, told.online, None, told.last_seen, told.last_press)
        self.holding.put_terminal(HeldTerminal(terminal, presence))
