"""Registers as tables for the console: shown first, done when it is confirmed, and given out again."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.console.registers import (
    Allowed,
    Headers,
    Import,
    NoPreview,
    Overtaken,
    Preview,
    Table,
    Upload,
)
from gateway.console.registrar import Noted
from gateway.enrolment.columns import REASON
from gateway.enrolment.sheet import content_of
from gateway.errors import UsageError

PREVIEW_S = 900.0
_MOST_PREVIEWS = 8
_MOST_ROWS = 20_000
"""Of one upload: the largest county has fewer cameras, and more would keep the core busy for minutes."""


class _Take(Protocol):
    async def __call__(
        self, table: Table, noted: Noted, *, dry_run: bool, whole: bool, may: Allowed, agreed: Callable[[Import], None]
    ) -> Import: ...


@dataclass(frozen=True, slots=True)
class _Held:
    upload: Upload
    table: Table
    planned: Import
    until: float


class RegisterDesk:
    """``Tables`` of one register. ``read``: (name, content, coordinate system) as a table; ``take``: plans it and writes it;
    ``records``: as they stand in the files, blocking; ``content`` and ``template``: tables as bytes."""

    def __init__(
        self,
        read: Callable[[str, bytes, str], Table],
        take: _Take,
        records: Callable[[], Sequence[Mapping[str, Any]]],
        content: Callable[[str, Iterable[Mapping[str, Any]], Headers], bytes],
        template: Callable[[str, Headers], bytes],
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._take = take
        self._records = records
        self._content = content
        self._template = template
        self._mono = mono
        self._held: dict[str, _Held] = {}
        self._reading = asyncio.Lock()  # a large table takes seconds of a core: one at a time

    async def preview(self, upload: Upload) -> Preview:
        async with self._reading:
            table = await asyncio.to_thread(self._table, upload)
        planned = await self._take(
            table, _nobody, dry_run=True, whole=upload.whole, may=upload.may, agreed=lambda planned: None
        )
        self._forget_old()
        while len(self._held) >= _MOST_PREVIEWS:
            del self._held[next(iter(self._held))]
        token = secrets.token_urlsafe(18)
        self._held[token] = _Held(upload, table, planned, self._mono() + PREVIEW_S)
        return Preview(token, PREVIEW_S, planned)

    async def confirm(self, token: str, by: str, noted: Noted, may: Allowed) -> Import:
        held = self._found(token, by)

        def agreed(planned: Import) -> None:
            if _shown(planned) != _shown(held.planned):
                raise Overtaken("what stands in the register has changed since it was shown; choose the table again")

        done = await self._take(held.table, noted, dry_run=False, whole=held.upload.whole, may=may, agreed=agreed)
        self._held.pop(token, None)
        return done

    async def refused(self, token: str, by: str, form: str) -> bytes:
        held = self._found(token, by)
        return await asyncio.to_thread(content_of, form, refused_rows(held.planned.table), "refused")

    async def exported(self, form: str, headers: Headers, visible: Callable[[str | None], bool]) -> tuple[bytes, int]:
        return await asyncio.to_thread(self._exported, form, headers, visible)

    async def template(self, form: str, headers: Headers) -> bytes:
        return await asyncio.to_thread(self._template, form, headers)

    def _exported(self, form: str, headers: Headers, visible: Callable[[str | None], bool]) -> tuple[bytes, int]:
        shown = [each for each in self._records() if visible(_area(each))]
        return self._content(form, shown, headers), len(shown)

    def _table(self, upload: Upload) -> Table:
        table = self._read(upload.name, upload.content, upload.coordinates)
        if len(table.rows) + len(table.refused) > _MOST_ROWS:
            raise UsageError(f"{upload.name}: more than {_MOST_ROWS} rows; cut it in parts")
        return table

    def _found(self, token: str, by: str) -> _Held:
        self._forget_old()
        held = self._held.get(token)
        if held is None or held.upload.by != by:
            raise NoPreview("this preview is gone: it was confirmed, is older than 15 minutes, or somebody else's")
        return held

    def _forget_old(self) -> None:
        now = self._mono()
        for token in [token for token, held in self._held.items() if held.until <= now]:
            del self._held[token]


def refused_rows(table: Table) -> list[list[str]]:
    """The refused rows under their own header, each with its line and why beside it: to be handed back to who made it."""
    width = len(table.header)
    header = [*table.header, REASON[0]]
    return [header, *([*_filled(each.cells, width), f"{each.line}: {each.reason}"] for each in table.refused)]


def _filled(cells: Sequence[str], width: int) -> list[str]:
    return [*cells[:width], *([""] * (width - len(cells)))]


def _area(record: Mapping[str, Any]) -> str | None:
    area = (record.get("place") or {}).get("area_code")
    return None if area is None else str(area)


def _shown(planned: Import) -> tuple[Any, ...]:
    """Everything that a person was shown and agreed to."""
    changed = {name: list(planned.differences.get(name, ())) for name in planned.changed}
    refused = [(each.line, each.reason) for each in planned.table.refused]
    return list(planned.added), list(planned.removed), changed, refused


async def _nobody(action: str, object_: str, detail: str | None) -> None:
    """A preview writes nothing and so notes nothing."""
