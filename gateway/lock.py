"""One gateway per data_dir: an advisory lock taken before anything else, released by the kernel however we end."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import AlreadyRunning, RunningError


@contextmanager
def hold(data_dir: Path) -> Iterator[None]:
    """Make ``data_dir`` (0700) and hold its lock. Raises AlreadyRunning, or RunningError where it cannot be made."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        data_dir.chmod(0o700)
        handle = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(handle)
