"""One simulated camera as its clients share it: its faults, its sessions, its count of wrong passwords."""

import secrets
from collections.abc import Callable
from math import inf
from typing import Protocol

from gateway.lab.faults import Behaviour


class Client(Protocol):
    """A connection to the camera."""

    def apply(self, behaviour: Behaviour) -> None:
        """Act so from now on."""

    def lose_power(self) -> None: ...

    def close(self) -> None: ...


class SimulatedCamera:
    """Camera ``number``, counted from 1. ``now`` is a monotonic clock in seconds."""

    def __init__(self, number: int, behaviour: Behaviour, now: Callable[[], float]) -> None:
        self.number, self.behaviour, self.powered = number, behaviour, True
        self.clients: set[Client] = set()
        self._now = now
        self._usual = behaviour
        self._sessions: dict[str, float] = {}  # when each ends; a session whose client is there does not
        self._wrong_passwords = 0
        self._locked_until = 0.0

    @property
    def mute(self) -> bool:
        """Whether a connection that fell silent is to stay so."""
        return not self.powered or self.behaviour.half_open or bool(self.behaviour.silent_at)

    @property
    def locked(self) -> bool:
        return self._now() < self._locked_until

    @property
    def sessions(self) -> int:
        """How many it holds, those included whose client left without TEARDOWN and which have not timed out."""
        now = self._now()
        self._sessions = {name: ends for name, ends in self._sessions.items() if ends > now}
        return len(self._sessions)

    def change(self, behaviour: Behaviour) -> None:
        """Take on a fault. Its clients are cut off where they would have to begin again to see it."""
        cuts = behaviour.dialogue != self.behaviour.dialogue
        self.behaviour = behaviour
        for client in tuple(self.clients):
            if cuts:
                client.close()
            else:
                client.apply(behaviour)

    def clear(self) -> None:
        """Be without fault; the count of wrong passwords is forgotten with its lock."""
        self._wrong_passwords, self._locked_until = 0, 0.0
        self.change(self._usual)

    def power(self, on: bool) -> None:
        """Off: its clients hear nothing more, not even a FIN, and it forgets its sessions."""
        if self.powered == on:
            return
        self.powered = on
        if not on:
            self._sessions.clear()
            for client in tuple(self.clients):
                client.lose_power()

    def count_wrong_password(self) -> None:
        self._wrong_passwords += 1
        if self.behaviour.lock_after and self._wrong_passwords >= self.behaviour.lock_after:
            self._locked_until = self._now() + self.behaviour.lock_s

    def begin_session(self) -> str:
        """A new session's id."""
        name = secrets.token_hex(8)
        self._sessions[name] = inf
        return name

    def end_session(self, name: str, *, orderly: bool) -> None:
        """After TEARDOWN at once; else only when its timeout has passed, as cameras do it."""
        if orderly or name not in self._sessions:
            self._sessions.pop(name, None)
        else:
            self._sessions[name] = self._now() + self.behaviour.session_timeout
