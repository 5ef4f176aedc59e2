import asyncio
import errno
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.errors import StoreFailed
from gateway.observability import metrics
from gateway.ports import MediaStore
from gateway.video.media import FileMediaStore

JPEG = b"\xff\xd8\xff\xe0 a picture"


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[FileMediaStore]:
    store = FileMediaStore(tmp_path / "media")
    yield store
    await store.close()


@pytest.fixture(params=["files"])
def store(request: pytest.FixtureRequest) -> MediaStore:
    """Every kind of media store: what follows up to the line holds for each."""
    found: MediaStore = request.getfixturevalue(request.param)
    return found


async def test_what_is_put_is_read(store: MediaStore) -> None:
    name = await store.put(JPEG, "image/jpeg")
    assert name == hashlib.sha256(JPEG).hexdigest()
    assert await store.read(name) == (JPEG, "image/jpeg")
    clip = await store.put(b"clip", "video/mp4")
    found = await store.find(clip)
    assert found is not None
    assert (found.path.read_bytes(), found.size, found.media_type) == (b"clip", 4, "video/mp4")


async def test_a_clip_is_never_read_as_a_picture(store: MediaStore) -> None:
    assert await store.read(await store.put(b"clip", "video/mp4")) is None


async def test_writing_twice_is_writing_once(store: MediaStore) -> None:
    before = metrics.media_bytes._value.get()
    names = await asyncio.gather(*(store.put(JPEG, "image/jpeg") for _ in range(20)))
    assert set(names) == {await store.put(JPEG, "image/jpeg")}
    assert metrics.media_bytes._value.get() - before == len(JPEG)


async def test_many_at_once_are_all_there(store: MediaStore) -> None:
    contents = [b"picture %d" % number for number in range(300)]
    names = await asyncio.gather(*(store.put(content, "image/jpeg") for content in contents))
    assert [await store.read(name) for name in names] == [(content, "image/jpeg") for content in contents]


@pytest.mark.parametrize("name", ["0" * 64, "", "../../etc/passwd", "A" * 64, "0" * 63 + "/", "0" * 64 + "\n"])
async def test_what_is_not_here_is_none(store: MediaStore, name: str) -> None:
    assert await store.read(name) is None
    assert await store.find(name) is None


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_clip_is_received_in_pieces_and_found_as_a_file(store: MediaStore) -> None:
    content = b"\0\0\0\x18ftyp" + b"x" * 3_000_000
    name = hashlib.sha256(content).hexdigest()
    assert await store.find(name) is None
    assert await store.receive(name, pieces(content[:5], b"", content[5:2_000_000], content[2_000_000:]), "video/mp4")
    found = await store.find(name)
    assert found is not None
    assert (found.path.read_bytes(), found.size, found.media_type) == (content, len(content), "video/mp4")
    assert not await store.receive(name, pieces(content), "video/mp4")
    assert await store.put(content, "video/mp4") == name


async def test_bytes_that_changed_on_the_way_are_not_stored(store: MediaStore) -> None:
    name = hashlib.sha256(b"what was meant").hexdigest()
    with pytest.raises(ValueError, match="do not have this SHA-256"):
        await store.receive(name, pieces(b"what came"), "video/mp4")
    assert await store.find(name) is None


async def test_only_clips_come_in_pieces(store: MediaStore) -> None:
    for name, media_type in (("0" * 64, "image/jpeg"), ("../../x", "video/mp4")):
        with pytest.raises(ValueError, match="received in pieces"):
            await store.receive(name, pieces(), media_type)


async def test_other_media_types_are_refused(store: MediaStore) -> None:
    with pytest.raises(StoreFailed, match="not text/html"):
        await store.put(b"<script>", "text/html")


# ------------------------------------------------------------------------------------------ files alone


async def test_files_are_private_and_lie_under_their_hash(files: FileMediaStore, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        name = await files.put(JPEG, "image/jpeg")
    finally:
        os.umask(old)
    path = tmp_path / "media" / name[:2] / f"{name}.jpg"
    assert path.read_bytes() == JPEG
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "media").stat().st_mode & 0o777 == 0o700


async def test_drafts_of_a_crash_are_removed_and_pictures_stay(files: FileMediaStore, tmp_path: Path) -> None:
    name = await files.put(JPEG, "image/jpeg")
    (tmp_path / "media" / "drafts" / "half.jpg").write_bytes(b"half")
    again = FileMediaStore(tmp_path / "media")
    assert list((tmp_path / "media" / "drafts").iterdir()) == []
    assert await again.read(name) == (JPEG, "image/jpeg")
    assert await again.measure() == len(JPEG)
    await again.close()


async def test_a_file_that_goes_while_it_is_counted_counts_for_nothing(
    files: FileMediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [await files.put(JPEG + bytes([number]), "image/jpeg") for number in range(2)]
    real = Path.stat

    def stat(self: Path, **how: bool) -> os.stat_result:
        if self.stem == names[0]:
            self.unlink(missing_ok=True)
        return real(self, **how)

    monkeypatch.setattr(Path, "stat", stat)
    assert await files.measure() == len(JPEG) + 1


async def test_folders_that_cannot_be_counted_are_told_by_a_sentence(
    files: FileMediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def glob(_: Path, pattern: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "glob", glob)
    with pytest.raises(StoreFailed, match=r"media cannot be counted: Input/output error"):
        await files.measure()


async def test_no_picture_has_its_name_before_it_is_on_disk(
    files: FileMediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    real_fsync, real_rename = os.fsync, Path.rename

    def fsync(descriptor: int) -> None:
        steps.append("fsync " + Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        real_fsync(descriptor)

    def rename(self: Path, target: Path) -> Path:
        steps.append("rename " + self.name)
        return real_rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)
    name = await files.put(JPEG, "image/jpeg")
    assert steps[:2] == [f"fsync {name}.jpg", f"rename {name}.jpg"]
    assert set(steps[2:]) == {f"fsync {name[:2]}", "fsync media"}


def failing(number: int) -> Callable[[int], None]:
    def fsync(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    return fsync


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "No space left on device; free some space"), (errno.EIO, "check the disk")]
)
async def test_a_failing_disk_is_told_in_words_and_leaves_nothing(
    files: FileMediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", failing(number))
        with pytest.raises(StoreFailed, match=words):
            await files.put(JPEG, "image/jpeg")
    assert [path for path in (tmp_path / "media").rglob("*") if path.is_file()] == []
    name = await files.put(JPEG, "image/jpeg")
    assert await files.read(name) == (JPEG, "image/jpeg")


async def test_one_picture_that_fails_takes_no_other_with_it(files: FileMediaStore, tmp_path: Path) -> None:
    name = hashlib.sha256(JPEG).hexdigest()
    (tmp_path / "media" / name[:2]).write_bytes(b"a file where its directory should be")
    results = await asyncio.gather(
        files.put(JPEG, "image/jpeg"), files.put(b"other", "image/jpeg"), return_exceptions=True
    )
    assert isinstance(results[0], StoreFailed)
    assert await files.read(str(results[1])) == (b"other", "image/jpeg")


async def test_a_root_that_cannot_be_made_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreFailed, match="pictures cannot be stored in"):
        FileMediaStore(tmp_path / "file" / "media")


async def test_one_who_stops_waiting_does_not_take_the_picture_from_the_others(files: FileMediaStore) -> None:
    first = asyncio.create_task(files.put(JPEG, "image/jpeg"))
    second = asyncio.create_task(files.put(JPEG, "image/jpeg"))
    await asyncio.sleep(0)
    first.cancel()
    assert await files.read(await second) == (JPEG, "image/jpeg")


@pytest.mark.parametrize(
    ("blocks", "free", "stored"),
    [
        pytest.param(1 << 24, (256 << 8) + 1, True, id="a large disk with 256 MiB and a page left"),
        pytest.param(1 << 24, (256 << 8), False, id="a large disk with 256 MiB left"),
        pytest.param(1000, 51, True, id="a small disk with more than a twentieth left"),
        pytest.param(1000, 50, False, id="a small disk with a twentieth left"),
    ],
)
async def test_pictures_leave_room_for_alerts(
    files: FileMediaStore, monkeypatch: pytest.MonkeyPatch, blocks: int, free: int, stored: bool
) -> None:
    page = 4096
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((page, page, blocks, free, free, 9, 9, 9, 0, 255)))
    if stored:
        assert await files.put(JPEG, "image/jpeg")
        return
    with pytest.raises(StoreFailed, match=r"is kept for alerts; free some space or shorten the retention"):
        await files.put(JPEG, "image/jpeg")
    assert await files.measure() == 0
    assert await files.read(hashlib.sha256(JPEG).hexdigest()) is None


async def test_clips_stop_before_pictures_do(files: FileMediaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    page, left = 4096, 300 << 8  # 300 MiB: more than pictures leave free, less than clips do
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((page, page, 1 << 24, left, left, 9, 9, 9, 0, 255)))
    with pytest.raises(StoreFailed, match=r"a clip could not be stored .* is kept for alerts and pictures"):
        await files.put(b"clip", "video/mp4")
    assert await files.put(JPEG, "image/jpeg")


async def test_a_clip_is_never_more_than_a_piece_ahead_of_the_disk(
    files: FileMediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    real = os.fdatasync

    def fdatasync(descriptor: int) -> None:
        written.append(os.fstat(descriptor).st_size)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    await files.put(bytes(3 << 20), "video/mp4")
    assert written == [1 << 20, 2 << 20, 3 << 20]


async def test_pictures_do_not_wait_for_a_clip(files: FileMediaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    held, real = threading.Event(), os.fdatasync

    def fdatasync(descriptor: int) -> None:
        assert held.wait(100)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    clip = asyncio.create_task(files.put(bytes(2 << 20), "video/mp4"))
    async with asyncio.timeout(60):
        picture = await files.put(JPEG, "image/jpeg")
    assert await files.read(picture) == (JPEG, "image/jpeg")
    assert not clip.done()
    held.set()
    assert await files.find(await clip) is not None


async def test_a_clip_that_breaks_off_leaves_nothing(files: FileMediaStore, tmp_path: Path) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield bytes(10)
        raise LookupError("the connection ended")

    with pytest.raises(LookupError):
        await files.receive("0" * 64, breaking(), "video/mp4")
    hanging = asyncio.create_task(files.receive("0" * 64, endless(), "video/mp4"))
    await asyncio.sleep(0.05)
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    async with asyncio.timeout(60):
        while any((tmp_path / "media" / "drafts").iterdir()):
            await asyncio.sleep(0.01)


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(10)
        await asyncio.sleep(0)


async def test_a_disk_that_fails_under_a_clip_is_told_in_words(
    files: FileMediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", failing(errno.EIO))
        with pytest.raises(StoreFailed, match=r"a clip could not be stored .* check the disk"):
            await files.put(b"clip", "video/mp4")
    assert await files.find(await files.put(b"clip", "video/mp4")) is not None
