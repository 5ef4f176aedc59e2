"""What the console asks of whoever takes registers (一机一档, households) in as tables and gives them out, as a narrow protocol."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

from gateway.console.registrar import Noted
from gateway.errors import UsageError


class Headers(StrEnum):
    """How the columns of a table that is given out are called: the field's Chinese names, English ones, or our own keys."""

    ZH = "zh"
    EN = "en"
    KEYS = "keys"


@dataclass(frozen=True, slots=True)
class Row:
    """A sound row: ``record`` as the configuration has cameras or terminals; a key that is None is taken away."""

    line: int
    record: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.record["id"])


@dataclass(frozen=True, slots=True)
class Refusal:
    """``id``: empty where the row has none. ``cells``: the row as it was written."""

    line: int
    id: str
    reason: str
    cells: Sequence[str] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Remark:
    """What is unusual about a row that is taken all the same. ``line`` 0: about the whole table."""

    line: int
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """``rows``: sound ones. ``refused``: all others, in the order of lines. ``header``: the columns as they are called there.
    ``kept``: those of them that mean nothing here; what stands in them is kept with each device. ``cells``: sound rows as
    they were written, by id."""

    rows: Sequence[Row]
    refused: Sequence[Refusal]
    remarks: Sequence[Remark] = ()
    header: Sequence[str] = ()
    kept: Sequence[str] = ()
    cells: Mapping[str, Sequence[str]] = field(default_factory=dict, compare=False)

    def without(self, refused: Sequence[Refusal]) -> "Table":
        """The same with some of its rows refused."""
        lines = {each.line for each in refused}
        return replace(
            self,
            rows=[row for row in self.rows if row.line not in lines],
            refused=sorted([*self.refused, *refused], key=lambda each: each.line),
            remarks=[each for each in self.remarks if each.line not in lines],
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """``key``: dotted, as in the configuration. Empty where there is nothing. A password is never told."""

    key: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Import:
    """What a table does: ids. ``same``: rows that say what stands there. ``differences``: by id, of those that change.
    ``table``: with every refused row. ``withheld``: why nothing is written although there is something to write."""

    added: Sequence[str]
    changed: Sequence[str]
    removed: Sequence[str]
    same: int
    table: Table
    differences: Mapping[str, Sequence[Difference]] = field(default_factory=dict)
    withheld: str | None = None

    @property
    def touches(self) -> bool:
        return self.withheld is None and bool(self.added or self.changed or self.removed)


Allowed = Callable[[Mapping[str, Any], Mapping[str, Any] | None], str | None]
"""Why somebody may not write a record (as in the configuration) over what stands there (None: nothing), as a sentence."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A table that somebody sends. ``name``: of the file, for sentences. ``coordinates``: the system of positions whose row
    names none. ``whole``: one refused row, and nothing is written. ``may``: what the sender, ``by``, may write."""

    name: str
    content: bytes
    coordinates: str = ""
    whole: bool = False
    may: Allowed = lambda record, before: None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What an upload would do; ``token`` confirms it, for ``seconds`` and for who sent it."""

    token: str
    seconds: float
    planned: Import


class NoPreview(UsageError):
    """There is no preview of this token: it was confirmed, it is too old, or somebody else's."""


class Overtaken(UsageError):
    """What stands in the configuration is not what it was when the preview was made."""


class Tables(Protocol):
    """A register as tables. Every call may raise UsageError in words, ConfigError and RunningError."""

    async def preview(self, upload: Upload) -> Preview:
        """Read it and say what it would do; nothing is written."""

    async def confirm(self, token: str, by: str, noted: Noted, may: Allowed) -> Import:
        """Do what was shown, all of it or nothing. ``may``: what ``by`` may write now. Raises NoPreview, Overtaken, NotInForce."""

    async def refused(self, token: str, by: str, form: str) -> bytes:
        """The refused rows as a table of the same columns with the reasons beside them. ``form``: csv | xlsx. Raises NoPreview."""

    async def exported(self, form: str, headers: Headers, visible: Callable[[str | None], bool]) -> tuple[bytes, int]:
        """(table, rows), without passwords. ``visible``: whether a device of an area code is shown."""

    async def template(self, form: str, headers: Headers) -> bytes:
        """An empty table with an example row that says itself to be one."""
