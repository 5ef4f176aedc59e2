"""What was shown is what is done; nothing that was shown may have become another."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.console.registers import (
    Allowed,
    Difference,
    Headers,
    Import,
    NoPreview,
    Overtaken,
    Refusal,
    Row,
    Table,
    Upload,
)
from gateway.console.registrar import Noted
from gateway.enrolment.register_desk import RegisterDesk

TABLE = Table([Row(2, {"id": "c1"})], [Refusal(3, "c7", "no address")])
PLANNED = Import(["c2"], ["c1"], ["c3"], 4, TABLE, {"c1": [Difference("name", "A", "B")]})


@dataclass
class Register:
    """Plans ``planned`` whatever is sent, and keeps what was taken."""

    planned: Import = PLANNED
    taken: list[Import] = field(default_factory=list)
    now: float = 0.0
    desk: RegisterDesk = field(init=False)

    def __post_init__(self) -> None:
        self.desk = RegisterDesk(self.read, self.take, list, self.content, self.template, lambda: self.now)

    def read(self, name: str, content: bytes, coordinates: str) -> Table:
        return TABLE

    async def take(
        self, table: Table, noted: Noted, *, dry_run: bool, whole: bool, may: Allowed, agreed: Callable[[Import], None]
    ) -> Import:
        await asyncio.to_thread(agreed, self.planned)
        if not dry_run:
            self.taken.append(self.planned)
        return self.planned

    def content(self, form: str, records: Iterable[Mapping[str, Any]], headers: Headers) -> bytes:
        return b""

    def template(self, form: str, headers: Headers) -> bytes:
        return b""

    async def shown(self) -> str:
        return (await self.desk.preview(Upload("t.csv", b"", by="li"))).token

    async def confirm(self, token: str, by: str = "li") -> Import:
        return await self.desk.confirm(token, by, nobody, lambda record, before: None)


async def nobody(action: str, object_: str, detail: str | None) -> None:
    pass


async def test_what_was_shown_is_done_once() -> None:
    register = Register()
    token = await register.shown()
    register.planned = replace(  # planned anew, of other sequences
        PLANNED, added=("c2",), removed=("c3",), differences={"c1": (Difference("name", "A", "B"),)}, same=5
    )
    assert await register.confirm(token) is register.planned
    assert register.taken == [register.planned]
    with pytest.raises(NoPreview):
        await register.confirm(token)


@pytest.mark.parametrize(
    "changes",
    [
        {"added": ["c2", "c4"]},
        {"added": []},
        {"changed": []},
        {"changed": ["c1", "c5"]},
        {"removed": []},
        {"differences": {"c1": [Difference("name", "Z", "B")]}},
        {"differences": {"c1": [Difference("name", "A", "B"), Difference("onvif.host", "h", "i")]}},
        {"table": Table(TABLE.rows, [])},
        {"table": Table(TABLE.rows, [Refusal(3, "c7", "it lies elsewhere")])},
    ],
)
async def test_what_has_become_another_is_not_done(changes: dict[str, Any]) -> None:
    register = Register()
    token = await register.shown()
    register.planned = replace(PLANNED, **changes)
    with pytest.raises(Overtaken):
        await register.confirm(token)
    assert register.taken == []
    register.planned = PLANNED
    await register.confirm(token)


async def test_nothing_large_is_gone_through_on_the_loop() -> None:
    """Twenty thousand changed rows would stop everything else for most of a second."""
    threads: set[int] = set()

    class Watched(dict[str, Any]):
        def get(self, *asked: Any) -> Any:
            threads.add(threading.get_ident())
            return super().get(*asked)

    register = Register(replace(PLANNED, differences=Watched(PLANNED.differences)))
    await register.confirm(await register.shown())
    assert threads
    assert threading.get_ident() not in threads


async def test_a_preview_is_its_senders_and_grows_old() -> None:
    register = Register()
    token = await register.shown()
    with pytest.raises(NoPreview):
        await register.confirm(token, "wang")
    register.now = 901.0
    with pytest.raises(NoPreview):
        await register.confirm(token)
