"""One gateway per data_dir: an advisory lock taken before anything else, released by the kernel however we end."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import AlreadyRunning, RunningError

_OURS = ("lock", "accounts.db", "ledger.db")
_OF_THE_FILE_SYSTEM = {"lost+found"}


@contextmanager
def hold(data_dir: Path) -> Iterator[None]:
    """Make ``data_dir`` (0700) and hold its lock. Raises AlreadyRunning, or RunningError where it cannot be used."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(data_dir)
        # Never through a link: whoever could once write here must not choose which file is emptied below.
        handle = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise RunningError(
            f"data_dir {data_dir} cannot be used: {error.strerror}; name a directory this user may write"
        ) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise AlreadyRunning(
                f"another gateway (process {holder}) runs on {data_dir}; stop it, or name another data_dir"
            ) from None
        with contextlib.suppress(OSError):  # who holds it is a courtesy to the next one; the disk may be full
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(handle)


def _close_to_others(data_dir: Path) -> None:
    """Mode 0700; never for a directory that others use too, such as ``/var/lib`` by a slip of the pen."""
    if data_dir.stat().st_mode & 0o077 == 0:
        return
    held = {entry.name for entry in data_dir.iterdir()} - _OF_THE_FILE_SYSTEM
    if held and held.isdisjoint(_OURS):
        raise RunningError(
            f"data_dir {data_dir} holds other files, and other users may enter it; name a directory of the gateway's own"
        )
    data_dir.chmod(0o700)


def holder(data_dir: Path) -> int | None:
    """The process that holds the lock of ``data_dir``, as the kernel says; None where no gateway runs (or none that this
    process may see)."""
    try:
        status = (data_dir / "lock").stat()
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    inode = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in lines:
        # "3: FLOCK  ADVISORY  WRITE 1234 fe:01:5678 0 EOF"; a waiting one has "->" in its second place
        parts = line.split()
        if parts[1] == "FLOCK" and parts[5] == inode and int(parts[4]) > 0:
            return int(parts[4])
    return None
