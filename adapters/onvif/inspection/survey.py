"""One inspection: what is asked of a device, in which order, and what is made of the answers.

The clock comes first, then what an inspection cannot do without, one call after the other; the rest goes four at a time, and
what of it fails is a remark. Runs in the inspection's child process.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import ParamSpec, TypeVar

from adapters.onvif.addresses import reachable
from adapters.onvif.client import SoapClient
from adapters.onvif.clock import measure
from adapters.onvif.faults import ClockSuspected, printable
from adapters.onvif.inspection import reading
from adapters.onvif.inspection.inspector import Channel, Inspection
from adapters.onvif.inspection.library import Library
from adapters.onvif.inspection.profiles import Profile, choose
from adapters.onvif.services import Services, get_services
from gateway.errors import AuthFailed, Busy, DeviceError, ProtocolFault, Unreachable
from gateway.model import ClockReading, DeviceInformation

T = TypeVar("T")
P = ParamSpec("P")

_AT_ONCE = 4
_MOST_REMARKS = 16
_MOST_CHANNELS = 256
_MAIN = "the address of a main stream"
_VERDICTS = (AuthFailed, ClockSuspected, Busy)
"""About who asks, not about what was asked: every further call would have the same answer, or lock the user out."""


class Survey:
    """Asks one device, once, until ``until`` (the loop's time)."""

    def __init__(self, client: SoapClient, library: Library, until: float) -> None:
        self._client = client
        self._library = library
        self._until = until
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._remarks: dict[str, None] = {}

    async def run(self) -> Inspection:
        """Raises AuthFailed, Unreachable (ClockSuspected, Busy) or ProtocolFault where there is nothing of use."""
        clock = await self._clock()
        services = await get_services(self._client)
        information = await self._information()
        profiles = await self._profiles(services)
        async with _together() as group:
            scopes = group.create_task(self._optional("its scopes", self._scopes))
            identity = group.create_task(self._optional("its endpoint address", self._identity))
            inputs = group.create_task(self._optional("its digital inputs", self._inputs, services))
            imaging = group.create_task(self._optional("its imaging", self._imaging, services, profiles[0].source))
            domes = group.create_task(self._optional("its PTZ", self._ptz, services))
            channels = group.create_task(self._channels(services, profiles))
        found = scopes.result() or ()
        name = reading.name_in(found) or information.model
        return Inspection(
            information=information,
            identity=identity.result() or reading.serial_identity(information.serial, self._client.address.host),
            services=services,
            channels=_named(channels.result(), name),
            clock=clock,
            digital_inputs=inputs.result() or (),
            has_imaging=bool(imaging.result()),
            has_ptz=domes.result() is not False and any(profile.has_ptz for profile in profiles),
            scopes=found,
            remarks=tuple(self._remarks),
        )

    # -------------------------------------------------------------------------------------- what has to be there

    async def _clock(self) -> ClockReading | None:
        """None for a device that does not tell the time; it is taken to have ours."""
        try:
            return await measure(self._client)
        except ProtocolFault as error:
            self._remark("its clock", error)
            return None

    async def _information(self) -> DeviceInformation:
        url = self._client.device_url
        try:
            return await self._library.ask("devicemgmt", url, "GetDeviceInformation", reading.information)
        except ProtocolFault as error:
            self._remark("its maker and model", error)
            return DeviceInformation()

    async def _profiles(self, services: Services) -> tuple[Profile, ...]:
        """Of Media2, else of Media1. Raises ProtocolFault where neither has one, or none of the wanted source."""
        found: tuple[Profile, ...] = ()
        fault: DeviceError | None = None
        if services.media2:
            found = await self._optional("its Media2 profiles", self._media2_profiles, services.media2) or ()
        if not found and services.media:
            try:
                found = await self._library.ask("media", services.media, "GetProfiles", reading.media_profiles)
            except ProtocolFault as error:
                fault = error
        wanted = self._client.address.source
        of_source = tuple(profile for profile in found if wanted in (None, profile.source))
        if of_source:
            return of_source
        if found:
            known = ", ".join(dict.fromkeys(profile.source or "without a name" for profile in found))
            raise ProtocolFault(f"{self._client.device} has no video source “{wanted}”; it has {printable(known)}")
        raise fault or ProtocolFault(f"{self._client.device} offers no video stream over ONVIF")

    async def _media2_profiles(self, url: str) -> tuple[Profile, ...]:
        return await self._library.ask_media2(url, "GetProfiles", reading.media2_profiles, Type="All")

    # -------------------------------------------------------------------------------------------- the rest

    async def _scopes(self) -> tuple[str, ...]:
        return await self._library.ask("devicemgmt", self._client.device_url, "GetScopes", reading.scopes)

    async def _identity(self) -> str | None:
        try:
            url = self._client.device_url
            return await self._library.ask("devicemgmt", url, "GetEndpointReference", reading.identity)
        except ProtocolFault:
            return None  # many do not know this one; the serial number takes its place

    async def _inputs(self, services: Services) -> tuple[str, ...]:
        if services.deviceio is None:
            return ()
        return await self._library.ask(
            "deviceio", services.deviceio, "GetDigitalInputs", lambda answer: reading.tokens(answer, "DigitalInputs")
        )

    async def _imaging(self, services: Services, source: str | None) -> bool:
        if services.imaging is None or source is None:
            return False
        return await self._library.ask(
            "imaging",
            services.imaging,
            "GetImagingSettings",
            lambda answer: reading.field(answer, "ImagingSettings") is not None,
            VideoSourceToken=source,
        )

    async def _ptz(self, services: Services) -> bool:
        """Whether it has anything that moves: fixed cameras may announce the service, and profiles with it."""
        if services.ptz is None:
            return False
        nodes = await self._library.ask(
            "ptz", services.ptz, "GetNodes", lambda answer: reading.tokens(answer, "PTZNode")
        )
        return bool(nodes)

    async def _channels(self, services: Services, profiles: Sequence[Profile]) -> list[Channel]:
        """Every video source with a stream that can be asked for. Raises ProtocolFault where none has one."""
        chosen = [(source, *choose(profiles, source)) for source in list(_sources(profiles))[:_MOST_CHANNELS]]
        async with _together() as group:
            asked = [group.create_task(self._channel(services, *one)) for one in chosen]
        channels = [channel for task in asked if (channel := task.result()) is not None]
        if not channels:
            reason = next(
                (said for said in self._remarks if said.startswith(_MAIN)), "there are too many faults to tell"
            )
            raise ProtocolFault(f"{self._client.device} offers nothing to watch; {reason}")
        return channels

    async def _channel(
        self, services: Services, source: str | None, main: Profile, sub: Profile | None
    ) -> Channel | None:
        main_url = await self._optional(_MAIN, self._stream_url, services, main)
        if main_url is None:
            return None
        snapshot = await self._optional("a snapshot address", self._snapshot_url, services, main)
        main = replace(main, stream_url=main_url, snapshot_url=snapshot)
        if sub is not None:
            sub_url = await self._optional("the address of a sub stream", self._stream_url, services, sub)
            # Some give the main stream's address for every profile: a second session of it would show nothing new.
            sub = replace(sub, stream_url=sub_url) if sub_url not in (None, main_url) else None
        return Channel(source, "", main, sub)

    async def _stream_url(self, services: Services, profile: Profile) -> str | None:
        """RTSP with media over UDP or the RTSP connection: which of the two is agreed with the stream itself."""
        setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
        return await self._media_uri(services, profile, "GetStreamUri", {"Protocol": "RTSP"}, {"StreamSetup": setup})

    async def _snapshot_url(self, services: Services, profile: Profile) -> str | None:
        return await self._media_uri(services, profile, "GetSnapshotUri", {}, {})

    async def _media_uri(
        self, services: Services, profile: Profile, operation: str, media2: dict[str, str], media: dict[str, object]
    ) -> str | None:
        """From the service that told the profile, else from the other: some announce a Media2 that gives no addresses."""
        found: str | None = None
        if profile.media2 and services.media2:
            try:
                found = await self._library.ask_media2(
                    services.media2, operation, reading.media_uri, **media2, ProfileToken=profile.token
                )
            except ProtocolFault:
                if services.media is None:
                    raise
        if not found and services.media:
            found = await self._library.ask(
                "media", services.media, operation, reading.media_uri, **media, ProfileToken=profile.token
            )
        if not found:
            raise ProtocolFault(f"{self._client.device} answered {operation} without an address")
        return reachable(found, self._client.address)

    # ----------------------------------------------------------------------------------------- what may fail

    async def _optional(
        self, what: str, ask: Callable[P, Awaitable[T]], *arguments: P.args, **named: P.kwargs
    ) -> T | None:
        try:
            async with asyncio.timeout_at(self._until), self._turns:
                return await ask(*arguments, **named)
        except _VERDICTS:
            raise
        except TimeoutError:
            self._remark(what, Unreachable("there was no time left to ask"))
        except DeviceError as error:
            self._remark(what, error)
        return None

    def _remark(self, what: str, error: DeviceError) -> None:
        if len(self._remarks) < _MOST_REMARKS:
            self._remarks[f"{what}: {error}"] = None


@asynccontextmanager
async def _together() -> AsyncIterator[asyncio.TaskGroup]:
    """Tasks that end together; the first verdict of one ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


def _sources(profiles: Sequence[Profile]) -> Iterator[str | None]:
    """The video sources in the order the device tells of them."""
    yield from dict.fromkeys(profile.source for profile in profiles)


def _named(channels: Sequence[Channel], name: str) -> tuple[Channel, ...]:
    """A camera's own name; a recorder's with the channel's number."""
    if len(channels) == 1:
        return (replace(channels[0], name=name),)
    return tuple(replace(channel, name=f"{name} {number}".strip()) for number, channel in enumerate(channels, 1))
