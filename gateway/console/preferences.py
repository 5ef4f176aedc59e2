"""What a user keeps for himself: saved views, camera walls, how the desk is set. Any JSON, by name."""

from gateway.console.account_file import AccountFile
from gateway.errors import GatewayError

MOST_NAMES = 50
LONGEST_VALUE = 32 * 1024  # bytes of UTF-8


class TooMany(GatewayError):
    """The user keeps as much as anybody may."""


class Preferences:
    """By user or token name, which are distinct. From any thread; every call reads or writes the disk. Raises UsageError
    where the file cannot be used."""

    def __init__(self, file: AccountFile) -> None:
        self._file = file

    def of(self, user: str) -> dict[str, str]:
        """JSON texts by name."""
        with self._file.reading() as connection:
            rows = connection.execute("SELECT name, value FROM preferences WHERE user = ? ORDER BY name", (user,))
            return dict(rows.fetchall())

    def keep(self, user: str, name: str, value: str) -> None:
        """Raises TooMany for one name more than MOST_NAMES."""
        with self._file.writing() as connection:
            counted = "SELECT count(*) FROM preferences WHERE user = ? AND name <> ?"
            if connection.execute(counted, (user, name)).fetchone()[0] >= MOST_NAMES:
                raise TooMany(f"{MOST_NAMES} preferences are kept already: remove one first")
            connection.execute(
                "INSERT OR REPLACE INTO preferences (user, name, value) VALUES (?, ?, ?)", (user, name, value)
            )

    def forget(self, user: str, name: str) -> None:
        with self._file.writing() as connection:
            connection.execute("DELETE FROM preferences WHERE user = ? AND name = ?", (user, name))
