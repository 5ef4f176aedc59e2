"""Pictures and clips copied beside a ledger's backup, and back: each once, by the hash that is its name."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from gateway.errors import RunningError
from gateway.ledger.backup import Progress, sync_directory


def copy_missing(source: Path, target: Path, progress: Progress = lambda what, part: None) -> tuple[int, int]:
    """Copy what ``source`` has and ``target`` has not; return how many files that were, and their bytes.

    A file has its name only once it is whole and on disk. Raises RunningError.
    """
    copied = size = 0
    touched: set[Path] = set()
    try:
        folders = sorted(folder for folder in source.glob("??") if folder.is_dir())
        for number, folder in enumerate(folders):
            progress("pictures and clips", number / len(folders))
            for file in _missing(folder, target / folder.name):
                size += _copy(file, target / folder.name / file.name)
                touched.add(target / folder.name)
                copied += 1
        for directory in (*touched, target) if touched else ():
            sync_directory(directory)
    except OSError as error:
        raise RunningError(f"{target}: pictures and clips cannot be copied there: {error.strerror}") from None
    return copied, size


def _missing(folder: Path, target: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError):
        here = {entry.name: entry.stat().st_size for entry in os.scandir(target)}
        yield from (file for file in folder.iterdir() if here.get(file.name) != file.stat().st_size)
        return
    yield from folder.iterdir()


def _copy(file: Path, target: Path) -> int:
    for directory in (target.parent.parent, target.parent):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    with file.open("rb") as taken, open(part, "wb", opener=_private) as made:
        shutil.copyfileobj(taken, made, 1 << 20)
        made.flush()
        os.fsync(made.fileno())
        size = made.tell()
    part.rename(target)
    return size


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
