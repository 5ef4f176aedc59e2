"""What a worker remembers of devices across its own death: their views, how things stood there when it last heard of them,
and the subscriptions it left behind."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from gateway.video.devices.link import View
from gateway.video.devices.memory_file import MemoryFile

WRITE_AFTER_S = 0.5
"""Five hundred devices that come up at once are written a few times, not five hundred. A subscription made within so short
a time before a crash ends by its own lease; what was told within it is told again."""
MOST = 5000
"""Devices remembered; those that are no longer asked for go first."""
_VIEWS, _STATES, _SUBSCRIPTION = "views", "states", "subscription"

Left = tuple[str, str, float]
"""Of a subscription: its address, its headers (XML), when it ends by itself (seconds since 1970)."""


class DeviceMemory:
    """A file of one worker; no credential is in it. ``path`` None: nothing outlives us.

    How things stand at a device is put down only while ``untold`` says that the core has all of its signals on disk: what
    it has not, the next worker has to notice, and to tell, itself. A device may have been with another worker last: then
    that one's file tells of its states and its subscription.
    """

    def __init__(self, path: Path | None = None, *, now: Callable[[], float] = time.time) -> None:
        self.untold: Callable[[str], bool] = lambda device: False
        self._file = MemoryFile(path, now=now)
        self._now = now
        self._outlives = path is not None
        self._views = {
            device: _views(entry.value) for (what, device), entry in self._file.entries.items() if what == _VIEWS
        }
        self._states: dict[str, Callable[[], object]] = {}
        self._restless: dict[str, None] = {}  # devices whose states are to be put down
        self._writing: asyncio.TimerHandle | None = None

    def views(self, device: str) -> Sequence[View]:
        return self._views.get(device, ())

    def keep_views(self, device: str, views: Sequence[View]) -> None:
        self._views.pop(device, None)
        self._views[device] = [_without_login(view) for view in views]
        self._put(_VIEWS, device, [asdict(view) for view in self._views[device]])
        while len(self._views) > MOST:
            del self._views[next(iter(self._views))]

    def states(self, device: str) -> object:
        """How things stood at a device (host:port) when it was last heard of, as it was kept; None where nobody knows."""
        if device in self._restless and device in self._states:
            return self._states[device]()
        return self._file.latest(_STATES, device)

    def keep_states(self, device: str, states: Callable[[], object]) -> None:
        """From now on ``states`` says how they are; ``states_changed``, that they have become others."""
        self._states.pop(device, None)
        self._states[device] = states
        while len(self._states) > MOST:
            del self._states[next(iter(self._states))]
        self.states_changed(device)

    def states_changed(self, device: str) -> None:
        self._restless[device] = None
        self._changed()

    def remember(self, device: str, url: str, headers: str, until: float) -> None:
        """A subscription that we hold there now: where it is managed, the SOAP headers that name it, and when the device
        will have dropped it (seconds since 1970)."""
        self._put(_SUBSCRIPTION, device, [url, headers, until])

    def forget(self, device: str) -> None:
        if self.left(device) is not None:
            self._put(_SUBSCRIPTION, device, None)

    def left(self, device: str) -> Left | None:
        """The one that is held, or that an earlier run, or a worker beside us, did not end."""
        match self._file.latest(_SUBSCRIPTION, device):
            case [str(url), str(headers), float() | int() as until] if until > self._now():
                return url, headers, until
        return None

    def close(self) -> None:
        """Write now what is still to be written."""
        self.write()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def write(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
        for device in [device for device in self._restless if not self.untold(device)]:
            del self._restless[device]
            if (states := self._states.get(device)) is not None:
                self._file.put(_STATES, device, states())
        self._file.keep(MOST)
        self._file.write()
        if self._restless:
            self._changed()

    def _put(self, what: str, device: str, value: object) -> None:
        self._file.put(what, device, value)
        self._changed()

    def _changed(self) -> None:
        if self._outlives and self._writing is None:
            self._writing = asyncio.get_running_loop().call_later(WRITE_AFTER_S, self.write)


def _views(kept: object) -> list[View]:
    """Those that are still what a view is."""
    found = []
    for each in kept if isinstance(kept, list) else ():
        try:
            found.append(View(**each))
        except TypeError:
            return []
    return found


def _without_login(view: View) -> View:
    return View(view.source, _bare(view.main), _bare(view.sub), _bare(view.snapshot), view.profile)


def _bare(url: str | None) -> str | None:
    """A stream address as a person would write it; some devices write the password into theirs."""
    if url is None:
        return None
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
