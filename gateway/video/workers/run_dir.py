"""Where the workers' sockets live."""

import hashlib
import os
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gateway.errors import RunningError

_LONGEST = 100
"""Linux allows 107 bytes for the path of a Unix socket (sun_path); some are kept for the file's name growing."""


def socket_paths(data_dir: Path, count: int) -> list[Path]:
    """The sockets of ``count`` workers, their directory made (0700). Raises RunningError."""
    directory = private_directory(data_dir)
    return [directory / f"video-{number}.sock" for number in range(count)]


def write_options(sockets: Sequence[Path], options: Sequence[Sequence[str]]) -> None:
    """What each worker is to be started with, an argument a line, beside its socket: for workers that somebody else starts.
    It holds from the worker's next start on. Raises RunningError."""
    for socket, words in zip(sockets, options, strict=True):
        path = socket.with_suffix(".options")
        try:
            fresh = path.with_suffix(".new")
            fresh.write_text("".join(f"{word}\n" for word in words), encoding="ascii")
            fresh.replace(path)
        except OSError as error:
            raise RunningError(f"{path} cannot be written: {error.strerror}; the video workers start with it") from None


def private_directory(data_dir: Path) -> Path:
    """``data_dir``/run, or, where its path is too long for a socket, one of our own in the system's temporary directory."""
    home = data_dir.resolve()
    wanted = home / "run"
    if len(os.fsencode(wanted / "video-000.sock")) > _LONGEST:
        name = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
        wanted = Path(tempfile.gettempdir()) / f"gateway-{os.getuid()}-{name}"
    return make_private(wanted)


def make_private(directory: Path) -> Path:
    """Make it, 0700 and ours. Raises RunningError where somebody else could look in or has been there first."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise RunningError(f"{directory} belongs to somebody else; remove it or choose another data_dir")
        if found.st_mode & 0o077:
            directory.chmod(0o700)
    except OSError as error:
        raise RunningError(f"the directory {directory} for the video workers' sockets: {error.strerror}") from None
    return directory
