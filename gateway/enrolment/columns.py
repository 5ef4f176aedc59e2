"""Which column of a table means what: the field's names, English ones and our keys. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.config.faults import unknown_key
from gateway.config.record_keys import RECORD, record_key
from gateway.console.registers import Headers
from gateway.errors import UsageError

_NOTED = re.compile(r"[（(\[【].*?[)）\]】]|[*＊:：\s]")
_FAMILIAR = re.compile(r"[a-z][a-z_]*(\.[a-z_]+)*")  # as our own keys are written: misspelt ones are told, not kept
_SECRET = re.compile(r"密码|口令|密钥|passw|secret|token|api_?key", re.IGNORECASE)
REASON = ("拒绝原因", "Refused because")
"""The column beside refused rows; a table that comes back with it is read as if it were not there."""


@dataclass(frozen=True, slots=True)
class Column:
    """``key``: dotted, as in the configuration; ``zh`` and ``en``: what it is called where it is given out; ``names``: what
    else it is called, the surest first. ``spare``: the key of a second column that means the same."""

    key: str
    zh: str
    en: str
    names: tuple[str, ...] = ()
    spare: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_names(self) -> tuple[str, ...]:
        return (self.key, self.zh, *self.names, self.en)


@dataclass(frozen=True, slots=True)
class Meaning:
    """``keys``: of each column, empty for one that is passed over. ``kept``: headers that mean nothing here; ``secret``: those
    of them that sound like passwords, and are passed over."""

    keys: Sequence[str]
    kept: Sequence[str]
    secret: Sequence[str] = ()


class Columns:
    """A register's columns. ``id_name``: an example for the id, in sentences."""

    def __init__(self, columns: Sequence[Column], known: Sequence[str], id_name: str) -> None:
        self.columns = tuple(columns)
        self._known = tuple(known)
        self._id_name = id_name
        self._by_name: dict[str, tuple[Column, int]] = {}
        for column in columns:
            for rank, name in enumerate(column.all_names):
                self._by_name.setdefault(_folded(name), (column, rank))

    def is_header(self, cells: Sequence[str]) -> bool:
        """Whether one of the cells names the id."""
        return any(self._key(text) == "id" for text in cells)

    def meaning(self, name: str, header: Sequence[str]) -> Meaning:
        """``name``: of the table. Raises UsageError where no column is the id, two mean the same, or one looks misspelt."""
        if not self.is_header(header):
            raise UsageError(
                f"{name}: the first row names the columns, and one of them is id ({self._id_name}); rows above it may hold titles"
            )
        keys = [self._key(text) for text in header]
        kept: list[str] = []
        secret: list[str] = []
        for index, text in enumerate(header):
            plain = text.strip()
            if keys[index] is None and plain in REASON:
                keys[index] = ""
            elif keys[index] is None and _SECRET.search(plain):
                keys[index] = ""
                secret.append(plain)
            elif keys[index] is None and plain:
                if _FAMILIAR.fullmatch(plain.lower()) and not plain.startswith(f"{RECORD}."):
                    raise UsageError(f"{name}: {plain}: {unknown_key(plain, self._known)}")
                keys[index] = f"{RECORD}.{record_key(plain)}"
                kept.append(plain)
        resolved = self._spared(header, [key or "" for key in keys])
        for key in resolved:
            if key and resolved.count(key) > 1:
                raise UsageError(f"{name}: two columns mean {key}; leave one of them out")
        return Meaning(resolved, kept, secret)

    def title(self, key: str, headers: Headers) -> str:
        if headers is Headers.KEYS:
            return key
        column = next((each for each in self.columns if each.key == key), None)
        if column is None:
            bare = key.removeprefix(f"{RECORD}.")
            taken = bare in REASON or self._key(bare) is not None or _FAMILIAR.fullmatch(bare.lower())
            return key if taken or bare == key else bare
        return column.zh if headers is Headers.ZH else column.en

    def ordered(self, used: set[str]) -> list[str]:
        """The keys among ``used`` in the order of the register, those of nobody's last."""
        first = [column.key for column in self.columns if column.key in used]
        known = [key for key in self._known if key in used and key not in first]
        return [*first, *known, *sorted(used - set(first) - set(known))]

    def _key(self, text: str) -> str | None:
        plain = text.strip()
        if plain in self._known:
            return plain
        if plain.startswith(f"{RECORD}.") and len(plain) > len(RECORD) + 1:
            return f"{RECORD}.{record_key(plain[len(RECORD) + 1 :])}"
        found = self._by_name.get(_folded(plain))
        if found is not None:
            return found[0].key
        ends = [key for key in self._known if key.rpartition(".")[2] == plain.lower()]
        return ends[0] if len(ends) == 1 else None

    def _spared(self, header: Sequence[str], keys: Sequence[str]) -> list[str]:
        """Of several columns that mean one thing the surest has it, the others are kept where they have a key for that."""
        made = list(keys)
        for column in self.columns:
            mine = [index for index, key in enumerate(keys) if key == column.key]
            if len(mine) < 2 or not column.spare:
                continue
            _, *others = sorted(mine, key=lambda index: self._rank(header[index]))
            for index in others:
                made[index] = column.spare.get(_folded(header[index]), column.key)
        return made

    def _rank(self, text: str) -> int:
        found = self._by_name.get(_folded(text))
        return 0 if found is None else found[1]


def spares(pairs: Mapping[str, str]) -> Mapping[str, str]:
    """``Column.spare`` of names as they are written."""
    return {_folded(name): key for name, key in pairs.items()}


def header_of(rows: Sequence[tuple[int, Sequence[str]]], columns: Columns) -> tuple[int, list[str]]:
    """(index of the last row of the header, its cells) among a table's first rows. Titles may stand above it; of a header in
    two rows (merged cells) the lower one's names go before the upper one's. (-1, []) where there is none."""
    for index, (_, cells) in enumerate(rows):
        if not columns.is_header(cells):
            continue
        below = rows[index + 1][1] if index + 1 < len(rows) else ()
        if _is_second_row(cells, below, columns):
            return index + 1, [lower.strip() or upper for upper, lower in _pairs(cells, below)]
        return index, list(cells)
    return -1, []


def _is_second_row(cells: Sequence[str], below: Sequence[str], columns: Columns) -> bool:
    named = [text for text in below if text.strip()]
    under_id = [lower.strip() for upper, lower in _pairs(cells, below) if columns._key(upper) == "id"]
    return bool(named) and not any(under_id) and all(columns._key(text) is not None for text in named)


def _pairs(upper: Sequence[str], lower: Sequence[str]) -> Iterator[tuple[str, str]]:
    for index in range(max(len(upper), len(lower))):
        yield upper[index] if index < len(upper) else "", lower[index] if index < len(lower) else ""


def _folded(text: str) -> str:
    """Without what people add to a header: units in brackets, stars, blanks."""
    plain = _NOTED.sub("", text).upper()
    return plain or text.strip().upper()
