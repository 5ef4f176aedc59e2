"""What the accounts keep of people is forgotten when its time is over: handovers that were taken, tokens that were revoked."""

from datetime import datetime

from gateway.console.account_file import AccountFile


def forget_before(file: AccountFile, before: datetime) -> int:
    """Delete what is older; returns how much. Raises UsageError where the file cannot be written now."""
    at = before.timestamp()
    with file.writing() as connection:
        handovers = connection.execute("DELETE FROM handovers WHERE given_at < ?", (at,)).rowcount
        tokens = connection.execute("DELETE FROM tokens WHERE revoked_at < ?", (at,)).rowcount
    return handovers + tokens
