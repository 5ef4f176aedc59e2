"""Enrolling cameras: asked what they are, written to the camera file, put in force."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from adapters.onvif.discovery import search as discovery
from adapters.onvif.discovery.probes import is_uuid, normal_identity
from adapters.onvif.inspection.inspector import Inspection
from gateway.address_ranges import parse_range
from gateway.config import Settings
from gateway.config.allowed import camera_refusal
from gateway.config.camera_file import CameraFile, Changes
from gateway.config.forbidden_places import refusal
from gateway.config.in_force import read_numbers, write_numbers
from gateway.config.plan import PlanRefused
from gateway.config.sections.devices import CameraSettings
from gateway.console.registers import Allowed, Import, Table
from gateway.console.registrar import Discovered, Enrolment, Noted, NotInForce, SearchUnderWay
from gateway.enrolment.known import refuse_enrolled, refuse_forbidden, refuse_same_address, refuse_showing
from gateway.enrolment.planning import anything, planned_cameras
from gateway.enrolment.records import address_of, cameras_of, in_words, moved, note_numbers, spread, where, with_ids
from gateway.enrolment.register_desk import RegisterDesk
from gateway.enrolment.search import Search, search_without_node
from gateway.enrolment.table import camera_content, camera_template, cameras_in
from gateway.errors import ConfigError, ProtocolFault, UsageError
from gateway.model import OnvifAddress

_ENDPOINT_S = 2.0
_OTHER_PORTS = "does it speak ONVIF on another port? 80, 8000, 2020 and 8899 are usual"


class Inspect(Protocol):
    async def __call__(self, address: OnvifAddress) -> Inspection: ...


class CameraRegistrar:
    """One node's enrolment, whether the node runs (then ``reload`` puts in force what was written) or not.

    ``settings``: the configuration in force, or the file's where no node runs. ``reload`` raises PlanRefused or ConfigError.
    """

    def __init__(
        self,
        file: CameraFile,
        settings: Callable[[], Settings],
        inspect: Inspect,
        reload: Callable[[], Awaitable[object]],
        search: Search = discovery.probe,
    ) -> None:
        self._file = file
        self._settings = settings
        self._inspect = inspect
        self._reload = reload
        self._search = search
        self._writing = asyncio.Lock()
        self._searching = asyncio.Lock()
        self.tables = RegisterDesk(cameras_in, self.take_table, self._records, camera_content, camera_template)

    async def discover(self, timeout: float, ranges: Sequence[str] = ()) -> Sequence[Discovered]:
        if self._searching.locked():
            raise SearchUnderWay("a search of the network is under way; wait until it ends")
        async with self._searching:
            found = [each async for each in self.search(timeout, ranges)]
        return sorted(found, key=lambda each: (each.host, each.port))

    async def search(
        self, timeout: float, ranges: Sequence[str] = (), interfaces: Sequence[str] = ()
    ) -> AsyncIterator[Discovered]:
        """As ``discover``, each as it answers. ``interfaces``: instead of those of the configuration."""
        async for each in search_without_node(self._settings(), timeout, ranges, interfaces, self._search):
            yield each

    # -------------------------------------------------------------------------------------------- enrolling

    async def enrol(self, wanted: Enrolment, noted: Noted) -> Sequence[str]:
        camera = dict(wanted.camera)
        refuse_forbidden(camera)
        onvif = camera.get("onvif")
        if onvif is None and not (camera.get("rtsp") or {}).get("main") and not (camera.get("rtsp") or {}).get("sub"):
            raise UsageError("a camera needs onvif.host, or rtsp.main or rtsp.sub")
        unallowed = camera_refusal(camera, self._settings())
        if unallowed is not None:
            raise UsageError(unallowed)
        await noted("enrol_camera", f"devices/{where(camera)}", None)
        inspection = await self._asked(onvif) if onvif is not None and wanted.inspect else None
        async with self._writing:
            settings = await asyncio.to_thread(self._file.settings)
            numbers = await asyncio.to_thread(read_numbers, settings.data_dir)
            wished = [camera] if inspection is None else cameras_of(inspection, camera, wanted.all_channels)
            made = with_ids(wished, settings, numbers)
            for each in made:
                refuse_forbidden(each)
                refuse_enrolled(each, settings)
            for each in made:
                await noted("add_camera", f"cameras/{each['id']}", where(each))
            secrets = await self._secrets_kept(made)
            await asyncio.to_thread(write_numbers, settings.data_dir, numbers)
            await self._write(Changes(added=made), settings, secrets)
        return [each["id"] for each in made]

    async def _asked(self, onvif: Mapping[str, Any]) -> Inspection:
        address = address_of(onvif)
        refuse_same_address(address, self._settings())
        try:
            inspection = await self._inspect(address)
        except ProtocolFault as fault:
            raise ProtocolFault(f"{fault}; {_OTHER_PORTS}") from None
        if onvif.get("identity") or is_uuid(inspection.identity or ""):
            return inspection
        return replace(inspection, identity=await self._endpoint(address) or inspection.identity)

    async def _endpoint(self, address: OnvifAddress) -> str | None:
        """The UUID that a device answers searches with; few of those that do not tell it when asked have another."""
        with contextlib.suppress(ValueError, UsageError):
            searching = self._search(self._settings().discovery.interfaces, [parse_range(address.host)], _ENDPOINT_S)
            told = [
                each.endpoint
                async for each in searching
                if (each.host, each.port) == (address.host, address.port) and is_uuid(each.endpoint)
            ]
            return told[0] if told else None
        return None

    # -------------------------------------------------------------------------------------------- changing

    async def change(self, camera_id: str, patch: Mapping[str, Any], noted: Noted) -> None:
        async with self._writing:
            settings = await asyncio.to_thread(self._file.settings)
            before = _camera(settings, camera_id)
            wanted = spread(patch, before)
            name = wanted.get("name", before.name) or ""
            place = wanted.get("place", {}) or {}
            reason = refusal(name, place.get("type", before.place.type))
            if reason is not None and ("name" in wanted or "place" in wanted):
                raise UsageError(f"camera {camera_id}: {reason}")
            refuse_showing(before, wanted)
            await noted("change_camera", f"cameras/{camera_id}", in_words(wanted))
            old = await asyncio.to_thread(self._file.references, camera_id)
            secrets = await self._secrets_kept([wanted], camera_id)
            await self._write(Changes(changed={camera_id: wanted}), settings, secrets, old)

    async def remove(self, camera_id: str, noted: Noted) -> None:
        async with self._writing:
            settings = await asyncio.to_thread(self._file.settings)
            _camera(settings, camera_id)
            await noted("remove_camera", f"cameras/{camera_id}", None)
            old = await asyncio.to_thread(self._file.references, camera_id)
            numbers = await asyncio.to_thread(read_numbers, settings.data_dir)
            note_numbers(numbers, (camera.id for camera in settings.cameras))
            await asyncio.to_thread(write_numbers, settings.data_dir, numbers)
            await self._write(Changes(removed=[camera_id]), settings, [], old)

    async def move(self, identity: str, host: str, port: int, tls: bool, noted: Noted) -> Sequence[str]:
        """Write every camera of the device at its new address; give their ids, none where it stands there already. The
        stream addresses at its former host move along."""
        async with self._writing:
            settings = await asyncio.to_thread(self._file.settings)
            patches = {
                each.id: patch
                for each in settings.cameras
                if each.onvif is not None
                and normal_identity(each.onvif.identity or "") == identity
                and (patch := moved(each, host, port, tls))
            }
            for name in patches:
                before = _camera(settings, name).onvif
                assert before is not None
                await noted("camera_moved", f"cameras/{name}", f"{before.host}:{before.port} → {host}:{port}")
            if patches:
                await self._write(Changes(changed=patches), settings, [])
        return list(patches)

    async def take_table(
        self,
        table: Table,
        noted: Noted,
        *,
        dry_run: bool = False,
        whole: bool = False,
        may: Allowed = anything,
        agreed: Callable[[Import], None] = lambda planned: None,
    ) -> Import:
        """Add the cameras of a table whose ids are new, change those that are known. All of it is written, or nothing; with
        ``whole`` nothing where a row is refused. ``agreed``, on a thread, raises where what would be done now
        is not what was agreed to."""
        async with self._writing:
            settings = await asyncio.to_thread(self._file.settings_anew)
            known = {camera.id: camera for camera in settings.cameras}

            def lawful(record: Mapping[str, Any], before: Mapping[str, Any] | None) -> str | None:
                return camera_refusal(record, settings) or may(record, before)

            planned, changes = await asyncio.to_thread(planned_cameras, table, known, whole=whole, may=lawful)
            await asyncio.to_thread(agreed, planned)  # of twenty thousand rows: it takes a while
            if not dry_run and planned.touches:
                said = f"{len(planned.added)} added, {len(planned.changed)} changed"
                await noted("import_cameras", "cameras", said)
                await self._take(changes, settings)
        return planned

    async def _take(self, changes: Changes, settings: Settings) -> None:
        added = [dict(record) for record in changes.added]
        patches = {name: dict(patch) for name, patch in changes.changed.items()}
        others = [name for name, patch in patches.items() if _says_password(patch)]
        old = await asyncio.to_thread(self._file.references, *others)
        secrets = await self._secrets_kept(added)
        for name, patch in patches.items():
            secrets += await self._secrets_kept([patch], name)
        await self._write(Changes(added=added, changed=patches), settings, secrets, old)

    def _records(self) -> list[Mapping[str, Any]]:
        return [record for _, record in self._file.records()]

    # -------------------------------------------------------------------------------------------- writing

    async def _secrets_kept(
        self, cameras: Sequence[dict[str, Any]], name: str | None = None
    ) -> list[Mapping[str, str]]:
        """Put each plain password into a file and its reference in its place. The channels of a recorder share one."""
        kept: dict[str, Mapping[str, str]] = {}
        for camera in cameras:
            for room in ("onvif", "rtsp"):
                within = camera.get(room)
                if not within or not isinstance(password := within.get("password"), str):
                    continue
                if password not in kept:
                    called = name or str(camera["id"])
                    kept[password] = await asyncio.to_thread(
                        self._file.keep_secret, called, password, self._settings().data_dir
                    )
                camera[room] = {**within, "password": kept[password]}
        return list(kept.values())

    async def _write(
        self,
        changes: Changes,
        before: Settings,
        secrets: Sequence[Mapping[str, str]],
        unused: Sequence[Mapping[str, str]] = (),
    ) -> None:
        try:
            await asyncio.to_thread(self._file.write, changes)
        except BaseException:
            await asyncio.to_thread(self._file.forget_unused, secrets)
            raise
        await asyncio.to_thread(self._file.forget_unused, unused)
        try:
            await self._reload()
        except (PlanRefused, ConfigError) as error:
            raise NotInForce(f"the file is written, but not in force: {error}") from None


def _says_password(patch: Mapping[str, Any]) -> bool:
    return any("password" in (patch.get(room) or {}) for room in ("onvif", "rtsp"))


def _camera(settings: Settings, camera_id: str) -> CameraSettings:
    """Raises KeyError."""
    for camera in settings.cameras:
        if camera.id == camera_id:
            return camera
    raise KeyError(camera_id)
