"""What a data_dir stands on: the machine's own disk, a small one that can be filled, one whose power can be cut."""

import asyncio
import contextlib
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.errors import RunningError

_SMALL_MIB = 48
_LOOP_MIB = 192
_COMMIT_S = 300  # ext4 writes metadata of its own accord only so often: what was not fsynced stays in memory


class Disk:
    """An async context manager around ``home``, an empty directory; ``work`` is for images and the like."""

    def __init__(self, home: Path, work: Path) -> None:
        self.home, self.work = home, work

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class PlainDisk(Disk):
    """The machine's own."""


class SmallDisk(Disk):
    """A tmpfs of a few MiB, to be filled and freed. Needs root."""

    async def __aenter__(self) -> Self:
        await run("mount", "-t", "tmpfs", "-o", f"size={_SMALL_MIB}m,mode=0700", "tmpfs", str(self.home))
        return self

    async def __aexit__(self, *_: object) -> None:
        await _unmount(self.home)

    async def fill(self) -> None:
        """To the last byte, by somebody else's file."""
        await asyncio.to_thread(self._fill)

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.home / "somebody-elses-file"

    def _fill(self) -> None:
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass


class LoopDisk(Disk):
    """An ext4 file system on a loop device. ``cut`` is a power failure: what had not been synced is gone. Needs root."""

    async def __aenter__(self) -> Self:
        self._image = self.work / "disk-0.img"
        self._cuts = 0
        await asyncio.to_thread(_sparse, self._image, _LOOP_MIB << 20)
        await run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(self._image))
        await self._mount()
        return self

    async def __aexit__(self, *_: object) -> None:
        await _unmount(self.home)

    def snapshot(self) -> Path:
        """The disk as it is at this moment. Whoever writes to it stands still meanwhile, or the copy is of no moment."""
        self._cuts += 1
        copy = self.work / f"disk-{self._cuts}.img"
        _copy_sparse(self._image, copy)
        return copy

    async def replace_by(self, image: Path) -> None:
        """Mount that image instead; nobody may have a file open here."""
        await _unmount(self.home)
        self._image.unlink()
        self._image = image
        await self._mount()

    async def _mount(self) -> None:
        await run("mount", "-o", f"loop,commit={_COMMIT_S}", str(self._image), str(self.home))
        self.home.chmod(0o700)


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def _copy_sparse(source: Path, target: Path) -> None:
    """Only the parts that hold data, so that the copy takes milliseconds."""
    size = source.stat().st_size
    read, write = os.open(source, os.O_RDONLY), os.open(target, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.truncate(write, size)
        position = 0
        while position < size:
            try:
                start = os.lseek(read, position, os.SEEK_DATA)
            except OSError:
                break  # ENXIO: nothing but a hole is left
            end = os.lseek(read, start, os.SEEK_HOLE)
            os.lseek(read, start, os.SEEK_SET)
            os.lseek(write, start, os.SEEK_SET)
            while start < end:
                content = os.read(read, min(1 << 20, end - start))
                os.write(write, content)
                start += len(content)
            position = end
    finally:
        os.close(read)
        os.close(write)


async def _unmount(path: Path) -> None:
    for _ in range(50):
        with contextlib.suppress(RunningError):
            await run("umount", str(path))
            return
        await asyncio.sleep(0.1)  # a process that was just killed is still letting go of its files
    await run("umount", "--lazy", str(path))


async def run(program: str, *arguments: str) -> str:
    """What it printed. Raises RunningError with what it complained of."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise RunningError(f"{program} is not on this machine; .ci/packages names what the fault lab needs")
    process = await asyncio.create_subprocess_exec(
        path, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, complaint = await process.communicate()
    if process.returncode != 0:
        said = complaint.decode(errors="replace").strip()
        raise RunningError(f"{program} {' '.join(arguments)} failed: {said}")
    return output.decode(errors="replace")
