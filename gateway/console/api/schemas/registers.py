"""The answers about registers that are taken in as tables."""

from gateway.console.api.schemas.base import Shape


class ImportCounts(Shape):
    """Rows. `same`: those that say what stands there."""

    added: int
    changed: int
    same: int
    refused: int
    warnings: int


class AddedRow(Shape):
    """`at`: its address, or the household's."""

    line: int
    id: str
    name: str | None
    at: str | None


class ChangedField(Shape):
    """`key`: dotted, as in the configuration. A password is never told."""

    key: str
    before: str
    after: str


class ChangedRow(Shape):
    line: int
    id: str
    name: str | None
    fields: list[ChangedField]


class RefusedRow(Shape):
    line: int
    id: str | None
    reason: str


class TableWarning(Shape):
    """`line`: null where it is about the whole table."""

    line: int | None
    id: str | None
    text: str


class RegisterImport(Shape):
    """What a table does. Of each list the first 500. `kept_columns`: those that mean nothing here and are kept with each
    device. `withheld`: why nothing is written. `token` confirms a preview for `expires_in` seconds; null once it is done."""

    token: str | None
    expires_in: int | None
    counts: ImportCounts
    added: list[AddedRow]
    changed: list[ChangedRow]
    refused: list[RefusedRow]
    warnings: list[TableWarning]
    kept_columns: list[str]
    withheld: str | None
