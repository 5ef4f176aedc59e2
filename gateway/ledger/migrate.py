"""Schema steps: numbered files, each applied whole or not at all, remembered in ``user_version``."""

from collections.abc import Mapping
from importlib import resources

import apsw

from gateway.errors import UsageError


def schema_steps() -> dict[int, str]:
    """Number → SQL text of every schema file shipped with this program."""
    folder = resources.files("gateway.ledger") / "schema"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return {int(file.name.removesuffix(".sql")): file.read_text(encoding="utf-8") for file in files}


def newest_step() -> int:
    """The schema that this program writes."""
    return max(schema_steps())


def migrate(connection: apsw.Connection, steps: Mapping[int, str]) -> int:
    """Bring the database to the newest step and return its number.

    A kill in between leaves the last whole step; the next start goes on from there. Raises UsageError for a database
    that a newer gateway has written.
    """
    newest = max(steps)
    version = _version(connection)
    if version > newest:
        raise UsageError(
            f"{connection.filename}: this ledger was written by a newer gateway (its schema is {version}, this "
            f"program knows {newest}); start the newer program, or restore the backup made before the upgrade"
        )
    for number in sorted(steps):
        if number > version:
            _apply(connection, number, steps[number])
    return newest


def _apply(connection: apsw.Connection, number: int, sql: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection) < number:
            connection.execute(sql)
            connection.pragma("user_version", number)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _version(connection: apsw.Connection) -> int:
    return int(connection.pragma("user_version"))
