"""A copy of the ledger of one moment, made while its node runs.

The copy is made under another name and takes its own only when it is whole, checked and on disk: whatever interrupts this,
the backup that was there before is still there, and nothing half passes for one.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw

from gateway.errors import RunningError, UsageError
from gateway.ledger.connection import DISK_ERRORS, in_words, open_reader
from gateway.ledger.soundness import first_fault

Progress = Callable[[str, float], None]
"""What is being done, and how much of it is done (0 to 1)."""

# 1 MiB at a time, fsynced every 8: the node's own fsyncs, on the same disk, never wait for more than that.
_STEP_PAGES = 256
_STEPS_TO_SYNC = 8
# As long again as a step took is left to the node, and at least this long.
_PAUSE_S = 0.005


def back_up(ledger: Path, target: Path, progress: Progress = lambda what, part: None) -> int:
    """Copy ``ledger`` to ``target`` (0600) and return its bytes. The node may run and is never held up; what it writes
    meanwhile is not in the copy.

    Raises UsageError where there is no ledger or no directory for the copy, RunningError where it cannot be made or is
    not whole.
    """
    if not ledger.is_file():
        raise UsageError(f"{ledger}: there is no ledger yet; run the node first")
    if target.exists() and target.samefile(ledger):
        raise UsageError(f"{target} is the ledger itself; name another file")
    if not target.parent.is_dir():
        raise UsageError(f"{target}: there is no directory {target.parent}")
    part = target.with_name(f".{target.name}.part")
    try:
        with _alone(part, target) as handle:
            _copy(ledger, part, handle, lambda done: progress("copying", done))
            progress("checking", 0.0)
            fault = first_fault(part)
            if fault is not None:
                raise RunningError(f"{ledger}: {fault}; the copy was thrown away, and {target} is as it was")
            part.rename(target)
            sync_directory(target.parent)
    except OSError as error:
        raise RunningError(f"{target}: the backup cannot be written: {error.strerror}") from None
    except DISK_ERRORS as error:
        raise RunningError(f"{ledger}: the backup failed: {in_words(error)}") from None
    return target.stat().st_size


@contextlib.contextmanager
def _alone(part: Path, target: Path) -> Iterator[int]:
    """An empty file for the copy, ours alone; what a killed backup left there is overwritten."""
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunningError(f"{target}: another backup to this file is under way") from None
        os.ftruncate(handle, 0)
        os.fchmod(handle, 0o600)
        try:
            yield handle
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    finally:
        os.close(handle)


def _copy(ledger: Path, part: Path, handle: int, progress: Callable[[float], None]) -> None:
    source = open_reader(ledger)
    copy = apsw.Connection(str(part), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        copy.pragma("journal_mode", "off")  # nothing to roll back to: a copy that fails is thrown away
        copy.pragma("synchronous", "off")
        with source:  # one read transaction: what the node writes meanwhile does not begin the copy anew
            source.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            with copy.backup("main", source, "main") as backup:
                for step in _steps(backup):
                    progress(1 - backup.remaining / max(1, backup.page_count))
                    if step % _STEPS_TO_SYNC == 0:
                        os.fdatasync(handle)
        copy.pragma("journal_mode", "delete")  # alone in its file: a copy has no log beside it
    finally:
        copy.close()
        source.close()
    os.fsync(handle)


def _steps(backup: apsw.Backup) -> Iterator[int]:
    step = 0
    while not backup.done:
        started = time.monotonic()
        backup.step(_STEP_PAGES)
        step += 1
        yield step
        time.sleep(max(_PAUSE_S, time.monotonic() - started))


def sync_directory(directory: Path) -> None:
    """Make the names in it durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
