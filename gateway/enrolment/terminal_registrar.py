"""Terminals into the configuration, changed, replaced and taken out of it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from gateway.config import Settings
from gateway.config.plan import PlanRefused
from gateway.config.record_file import Changes
from gateway.config.sections.devices import TerminalSettings
from gateway.config.terminal_file import TerminalFile
from gateway.console.households import AlreadyHere, phone_fault
from gateway.console.registers import Allowed, Difference, Import, Table
from gateway.console.registrar import Noted, NotInForce
from gateway.enrolment.differences import differences
from gateway.enrolment.planning import WITHHELD, allowed, anything
from gateway.enrolment.reading import settled
from gateway.enrolment.register_desk import RegisterDesk
from gateway.enrolment.terminal_table import checked, terminal_content, terminal_template, terminals_in
from gateway.errors import ConfigError, UsageError


class TerminalRegistrar:
    """One node's households, whether the node runs (then ``reload`` puts in force what was written) or not."""

    def __init__(self, file: TerminalFile, reload: Callable[[], Awaitable[object]]) -> None:
        self._file = file
        self._reload = reload
        self._writing = asyncio.Lock()
        self.tables = RegisterDesk(terminals_in, self.take_table, self._records, terminal_content, terminal_template)

    async def add(self, terminal: Mapping[str, Any], noted: Noted) -> None:
        async with self._writing:
            settings = await asyncio.to_thread(self._file.settings)
            _refuse_known(settings, terminal["id"])
            _refuse_phone(terminal)
            await noted("add_terminal", f"terminals/{terminal['id']}", None)
            await self._write(Changes(added=[_without_nothing(terminal)]))

    async def change(self, terminal_id: str, patch: Mapping[str, Any], noted: Noted) -> None:
        async with self._writing:
            _terminal(await asyncio.to_thread(self._file.settings), terminal_id)
            _refuse_phone(patch)
            await noted("change_terminal", f"terminals/{terminal_id}", ", ".join(sorted(patch)))
            await self._write(Changes(changed={terminal_id: patch}))

    async def remove(self, terminal_id: str, noted: Noted) -> None:
        async with self._writing:
            settings = await asyncio.to_thread(self._file.settings)
            _terminal(settings, terminal_id)
            others = {
                name: patch for name, patch in _renamed(settings, terminal_id, None).items() if name != terminal_id
            }
            detail = f"neighbours of {', '.join(sorted(others))}" if others else None
            await noted("remove_terminal", f"terminals/{terminal_id}", detail)
            await self._write(Changes(changed=others, removed=[terminal_id]))

    async def replace(self, old: str, new: str, noted: Noted) -> None:
        async with self._writing:
            settings = await asyncio.to_thread(self._file.settings)
            _terminal(settings, old)
            _refuse_known(settings, new)
            await noted("replace_terminal", f"terminals/{old}", new)
            await self._write(Changes(changed=_renamed(settings, old, new) | {old: {"id": new}}))

    async def take_table(
        self,
        table: Table,
        noted: Noted,
        *,
        replace: bool = False,
        dry_run: bool = False,
        whole: bool = False,
        may: Allowed = anything,
        agreed: Callable[[Import], None] = lambda planned: None,
    ) -> Import:
        """Add the terminals whose ids are new and change those that are known; with ``replace`` the others are removed.
        All of it is written, or nothing; with ``whole`` nothing where a row is refused. ``agreed``, on a thread, raises where
        what would be done now is not what was agreed to."""
        async with self._writing:
            settings = await asyncio.to_thread(self._file.settings_anew)
            known = {terminal.id: terminal for terminal in settings.terminals}
            cameras = {camera.id for camera in settings.cameras}
            planned, changes = await asyncio.to_thread(_planned, table, known, cameras, replace, whole, may)
            await asyncio.to_thread(agreed, planned)  # of twenty thousand rows: it takes a while
            if not dry_run and planned.touches:
                said = f"{len(planned.added)} added, {len(planned.changed)} changed, {len(planned.removed)} removed"
                await noted("import_terminals", "terminals", said)
                await self._write(changes)
        return planned

    def _records(self) -> list[Mapping[str, Any]]:
        return [record for _, record in self._file.records()]

    async def _write(self, changes: Changes) -> None:
        await asyncio.to_thread(self._file.write, changes)
        try:
            await self._reload()
        except (PlanRefused, ConfigError) as error:
            raise NotInForce(f"the file is written, but not in force: {error}") from None


def _planned(
    table: Table,
    known: Mapping[str, TerminalSettings],
    cameras: Collection[str],
    replace: bool,
    whole: bool,
    may: Allowed,
) -> tuple[Import, Changes]:
    standing = {name: terminal.model_dump(mode="json") for name, terminal in known.items()}
    table = checked(allowed(table, standing, may), cameras, () if replace else known)
    rows = {row.id: row.record for row in table.rows}
    added = [record for name, record in rows.items() if name not in known]
    changed: dict[str, dict[str, Any]] = {}
    said: dict[str, Sequence[Difference]] = {}
    for name, record in rows.items():
        if name in known and (found := differences(standing[name], settled(record, standing[name]))):
            changed[name], said[name] = settled(record, standing[name]), found
    refused = {each.id for each in table.refused}  # what could not be read of a household is no reason to remove it
    removed = [name for name in known if name not in rows and name not in refused] if replace else []
    gone = set(removed)
    for name, terminal in known.items():  # those who stay name the removed no more
        if gone.isdisjoint(terminal.neighbours) or name in gone or "neighbours" in rows.get(name, {}):
            continue
        kept = [each for each in terminal.neighbours if each not in gone]
        changed[name] = {**changed.get(name, {}), "neighbours": kept or None}
        said[name] = [*said.get(name, ()), Difference("neighbours", " ".join(terminal.neighbours), " ".join(kept))]
    patches = {name: {key: value for key, value in record.items() if key != "id"} for name, record in changed.items()}
    same = len(rows) - len(added) - sum(name in rows for name in changed)
    withheld = WITHHELD if whole and table.refused else None
    done = Import([record["id"] for record in added], list(changed), removed, same, table, said, withheld)
    return done, Changes() if withheld else Changes(added=added, changed=patches, removed=removed)


def _renamed(settings: Settings, old: str, new: str | None) -> dict[str, dict[str, Any]]:
    """The patches of all who name ``old`` as their neighbour."""
    patches: dict[str, dict[str, Any]] = {}
    for terminal in settings.terminals:
        if old in terminal.neighbours:
            named = [new if each == old else each for each in terminal.neighbours]
            patches[terminal.id] = {"neighbours": [each for each in named if each is not None] or None}
    return patches


def _terminal(settings: Settings, terminal_id: str) -> TerminalSettings:
    """Raises KeyError."""
    for terminal in settings.terminals:
        if terminal.id == terminal_id:
            return terminal
    raise KeyError(terminal_id)


def _refuse_known(settings: Settings, terminal_id: str) -> None:
    if any(terminal.id == terminal_id for terminal in settings.terminals):
        raise AlreadyHere(f"there is a terminal {terminal_id} already")


def _refuse_phone(terminal: Mapping[str, Any]) -> None:
    fault = phone_fault((terminal.get("household") or {}).get("phone"))
    if fault is not None:
        raise UsageError(f"household.phone: {fault}")


def _without_nothing(terminal: Mapping[str, Any]) -> dict[str, Any]:
    """Without what was not said, so that the file does not carry it."""
    kept: dict[str, Any] = {}
    for key, value in terminal.items():
        plain = _without_nothing(value) if isinstance(value, Mapping) else value
        if plain is not None and plain not in ({}, [], (), ""):
            kept[key] = plain
    return kept
