"""Cameras whose address changed, found again by themselves: looked for while they are gone, known by their identity."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from adapters.onvif.discovery import search as discovery
from adapters.onvif.discovery.hello import Listener
from adapters.onvif.discovery.probes import Announcement, Found, is_uuid, normal_identity
from adapters.onvif.discovery.recognition import identities
from gateway.address_ranges import AddressRange, parse_range
from gateway.config.sections.video import DiscoverySettings
from gateway.console.registrar import Noted
from gateway.enrolment.search import Search
from gateway.errors import ConfigError, GatewayError, ListenFailed, UsageError
from gateway.model import Camera, CameraHealth, CameraState, DeviceHealth, EventsState
from gateway.observability import logs
from gateway.ports import Clock

_log = logs.logger("healing")

GONE_S = 60.0
"""A camera that restarts is back within a minute; only then is it looked for."""
SEARCH_EVERY_S = 60.0
_LEAST_OFTEN_S = 600.0
"""A camera that was taken down for good must not have its village asked every minute for years."""
_SEARCH_S = 5.0
_LOOK_EVERY_S = 5.0
_HELLO_PAUSE_S = 10.0
_WAITING = 64
_ASKED_AT_ONCE = 64
_MOST_ASKED = 512
"""Of strangers that may be a device which tells its serial number only when asked."""
_HERE = (CameraState.ONLINE, CameraState.DISABLED)
"""Not who refuses the password: after a power cut another device may have been given this one's address."""


class Move(Protocol):
    """``CameraRegistrar.move``."""

    async def __call__(self, identity: str, host: str, port: int, tls: bool, noted: Noted) -> Sequence[str]: ...


Identities = Callable[[Found], Awaitable[Collection[str]]]


@dataclass(slots=True)
class _Missing:
    """A device none of whose cameras is reached. ``said``: what was logged of it, so that it is said once."""

    cameras: Sequence[Camera]
    since_mono: float
    said: set[str] = field(default_factory=set)


class Healer:
    """Looks for enrolled devices that are gone, and writes the address under which they answer now.

    ``cameras``, ``health`` and ``device`` tell what is in force and how it stands; ``move`` writes it; ``noted`` writes the
    audit as the gateway itself. A device is known by its endpoint UUID or serial number. It is never given a password to
    prove itself, and never moved where two claim to be it, where a camera in good health stands already, or where its
    password might go readable (``allow_basic``, TLS).
    """

    def __init__(
        self,
        cameras: Callable[[], Sequence[Camera]],
        health: Callable[[str], CameraHealth | None],
        device: Callable[[str], DeviceHealth | None],
        move: Move,
        noted: Noted,
        settings: DiscoverySettings,
        clock: Clock,
        *,
        search: Search = discovery.probe,
        identities: Identities = identities,
        listener: Listener | None = None,
    ) -> None:
        self._cameras = cameras
        self._health = health
        self._device = device
        self._move = move
        self._noted = noted
        self._settings = settings
        self._clock = clock
        self._search = search
        self._identities_of = identities
        self._listener = listener or Listener(settings.interfaces)
        self._missing: dict[str, _Missing] = {}
        self._hellos: asyncio.Queue[Found] = asyncio.Queue(_WAITING)
        self._searched_mono = float("-inf")
        self._pause_s = SEARCH_EVERY_S
        self._looked_for: set[str] = set()
        self._search_failed = False

    async def run(self) -> None:
        """Until cancelled; returns at once where ``discovery.heal`` is off."""
        if not self._settings.heal:
            return
        listening = False
        async with asyncio.TaskGroup() as group:
            group.create_task(self._answer_hellos(), name="hellos")
            while True:
                await self.look()
                if not listening and self._identities():
                    listening = True  # a node without such cameras opens no port for them
                    group.create_task(self._listen(), name="hello")
                await self._clock.sleep(_LOOK_EVERY_S)

    async def look(self) -> None:
        """See who is gone, and search where somebody is gone long enough."""
        now = self._clock.mono()
        self._note_missing(now)
        gone = {name: each for name, each in self._missing.items() if now - each.since_mono >= GONE_S}
        if not gone.keys() <= self._looked_for:
            self._pause_s = SEARCH_EVERY_S
        self._looked_for = set(gone)
        if gone and now - self._searched_mono >= self._pause_s:
            self._pause_s = min(2 * self._pause_s, _LEAST_OFTEN_S)
            await self._search_for(gone, ())

    # -------------------------------------------------------------------------------------------- who is gone

    def _note_missing(self, now: float) -> None:
        devices: dict[str, list[Camera]] = {}
        for camera in self._cameras():
            if camera.enabled and camera.onvif is not None and camera.onvif.identity:
                devices.setdefault(normal_identity(camera.onvif.identity), []).append(camera)
        gone = {name: cameras for name, cameras in devices.items() if not any(map(self._is_here, cameras))}
        self._missing = {
            name: _Missing(cameras, before.since_mono if before else now, before.said if before else set())
            for name, cameras in gone.items()
            for before in (self._missing.get(name),)
        }

    def _is_here(self, camera: Camera) -> bool:
        """By RTSP or by ONVIF: a camera that answers one of them has not moved."""
        health, device = self._health(camera.id), self._device(camera.id)
        if health is None or health.state is CameraState.CONNECTING:
            return True  # nothing is known yet
        return health.state in _HERE or (device is not None and device.events is EventsState.LISTENING)

    # -------------------------------------------------------------------------------------------- looking for them

    async def _search_for(self, gone: Mapping[str, _Missing], more: Sequence[AddressRange]) -> None:
        self._searched_mono = self._clock.mono()
        try:
            ranges = [*map(parse_range, self._settings.ranges), *more]
            found = [each async for each in self._search(self._settings.interfaces, ranges, _SEARCH_S)]
        except (UsageError, ValueError) as error:
            if not self._search_failed:
                _log.warning("cameras that moved cannot be looked for", reason=str(error))
            self._search_failed = True
            return
        self._search_failed = False
        names: dict[Found, Collection[str]] = {}
        for identity, missing in gone.items():
            await self._find(identity, missing, found, names)

    async def _find(
        self, identity: str, missing: _Missing, found: Sequence[Found], names: dict[Found, Collection[str]]
    ) -> None:
        taken = self._taken_hosts(identity)
        known = self._identities()
        # A device known by its serial number says it only when asked: all who are nobody else are.
        claims = [each for each in found if each.endpoint == identity or each.endpoint not in known]
        claims = [each for each in claims if each.host not in taken]
        own = [each for each in claims if each.endpoint == identity] or ([] if is_uuid(identity) else claims)
        asked = own[:_MOST_ASKED]
        await self._ask(asked, names)
        there = [each for each in asked if identity in names[each]]
        address = missing.cameras[0].onvif
        assert address is not None
        if not there or any((each.host, each.port) == (address.host, address.port) for each in there):
            return
        if len({each.host for each in there}) > 1:
            hosts = ", ".join(sorted({each.host for each in there}))
            self._say(missing, f"{len(there)} devices say that they are it ({hosts}); write the right one by hand")
        elif there[0].tls or any(map(_shows_password, missing.cameras)):
            self._say(
                missing,
                f"it answers at {there[0].host}, but might be shown the password there (TLS with a certificate that "
                "proves nobody, or allow_basic); write it by hand",
            )
        else:
            await self._write(identity, missing, there[0])

    async def _ask(self, found: Sequence[Found], names: dict[Found, Collection[str]]) -> None:
        """Who they are, once each in a search; many at once, since who does not answer must not hold up the healing."""
        new = [each for each in dict.fromkeys(found) if each not in names]
        for start in range(0, len(new), _ASKED_AT_ONCE):
            some = new[start : start + _ASKED_AT_ONCE]
            names.update(zip(some, await asyncio.gather(*map(self._identities_of, some)), strict=True))

    async def _write(self, identity: str, missing: _Missing, found: Found) -> None:
        try:
            moved = await self._move(identity, found.host, found.port, found.tls, self._noted)
        except (GatewayError, KeyError) as error:
            reason = "; ".join(error.faults) if isinstance(error, ConfigError) else str(error)
            self._say(missing, f"it answers at {found.host}, but that could not be written: {reason}")
            return
        self._missing.pop(identity, None)
        if moved:
            _log.warning("a camera has another address", cameras=list(moved), identity=identity, host=found.host)

    def _identities(self) -> set[str]:
        return {normal_identity(each.onvif.identity) for each in self._cameras() if each.onvif and each.onvif.identity}

    def _taken_hosts(self, identity: str) -> set[str]:
        """Where another camera stands in good health: two devices may have been made with one identity."""
        return {
            camera.onvif.host
            for camera in self._cameras()
            if camera.onvif is not None
            and normal_identity(camera.onvif.identity or "") != identity
            and (health := self._health(camera.id)) is not None
            and health.state is CameraState.ONLINE
        }

    def _say(self, missing: _Missing, what: str) -> None:
        if what not in missing.said:
            missing.said = {what}
            _log.warning(
                "a camera that is gone was not moved", cameras=[each.id for each in missing.cameras], reason=what
            )

    # -------------------------------------------------------------------------------------------- hello

    async def _listen(self) -> None:
        try:
            await self._listener.run(self.heard)
        except (ListenFailed, UsageError) as error:
            _log.warning("devices that come back are found by searching alone", reason=str(error))

    def heard(self, said: Announcement) -> None:
        """A device says hello; only those that are known and elsewhere are of interest. Never waits."""
        for found in said.found:
            with contextlib.suppress(asyncio.QueueFull):  # the search finds it all the same
                if self._is_elsewhere(found):
                    self._hellos.put_nowait(found)

    def _is_elsewhere(self, found: Found) -> bool:
        hosts = {
            camera.onvif.host
            for camera in self._cameras()
            if camera.onvif and found.endpoint and normal_identity(camera.onvif.identity or "") == found.endpoint
        }
        return bool(hosts) and found.host not in hosts

    async def _answer_hellos(self) -> None:
        while True:
            found = await self._hellos.get()
            self._note_missing(self._clock.mono())
            missing = self._missing.get(found.endpoint)
            if missing is not None:
                # What said hello is asked again, as any other: several may say that they are it.
                await self._search_for(
                    {found.endpoint: missing}, [parse_range(found.host)] if "%" not in found.host else []
                )
                await self._clock.sleep(_HELLO_PAUSE_S)


def _shows_password(camera: Camera) -> bool:
    """Whoever asks for Basic is given the password readable: where that is allowed, and over TLS always."""
    if camera.onvif is not None and camera.onvif.tls:
        return True
    rtsp = camera.rtsp
    streams = () if rtsp is None else (rtsp.main or "", rtsp.sub or "")
    return (rtsp is not None and rtsp.allow_basic) or any(url.lower().startswith("rtsps:") for url in streams)
