"""What the lab's long-running commands share: logins from the environment, cameras files, words to who started them."""

import csv
import os
import sys
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path

import uvloop

from gateway.errors import GatewayError, UsageError
from gateway.model import Credential


def credential_of(user: str | None, variable: str | None) -> Credential | None:
    """Of ``--user`` and ``--password-env``. Raises UsageError."""
    if user is None:
        return None
    if variable is None or variable not in os.environ:
        raise UsageError(f"--user {user} needs --password-env NAME, and a password in that environment variable")
    return Credential(user, os.environ[variable])


def write_table(file: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """A cameras file; the first row names the columns. Only its owner may read it. Raises UsageError."""
    try:
        with file.open("w", encoding="utf-8", newline="") as target:
            os.fchmod(target.fileno(), 0o600)
            table = csv.DictWriter(target, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the parent reads it as progress


def run(work: Coroutine[None, None, None]) -> int:
    """Run it to its end; the exit code."""
    try:
        uvloop.run(work)
    except UsageError as error:
        tell(str(error))
        return 2
    except GatewayError as error:
        tell(str(error))
        return 1
    return 0
