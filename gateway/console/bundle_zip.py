"""ZIP archives in one form only (APPNOTE.TXT 6.3.3 §4.3): stored, in order, without gaps, times or comments.

Because there is one way to write an archive of given files, whoever reads one can hold every byte of it to that: nothing
can be hidden or changed between the files. Every unpacking program opens it.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

PIECE = 256 * 1024
MOST_BYTES = 0xFFFF_FFFE
MOST_FILES = 0xFFFE
_LONGEST_NAME = 300
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION, _MADE_BY_UNIX, _UTF8, _STORED, _NEW_YEAR_1980 = 20, 3 << 8, 1 << 11, 0, 0x21
_PLAIN_FILE = 0o100644 << 16


class BadArchive(ValueError):
    """The file is no archive of this form, in words."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive. ``content``: its bytes, or where they lie; ``start``: where they begin there."""

    name: str
    content: bytes | Path
    size: int
    crc: int
    sha256: str = ""
    start: int = 0

    def pieces(self) -> Iterator[bytes]:
        """Raises OSError, or BadArchive where the file has become shorter."""
        if isinstance(self.content, bytes):
            yield self.content
            return
        left = self.size
        with self.content.open("rb") as file:
            file.seek(self.start)
            while left:
                piece = file.read(min(PIECE, left))
                if not piece:
                    raise BadArchive(f"{self.name}: the file ends too early")
                left -= len(piece)
                yield piece


def measured(name: str, content: bytes | Path) -> Member:
    """Raises OSError."""
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    return measured_anew(Member(name, content, size, 0))


def measured_anew(member: Member) -> Member:
    """With the checksums that its bytes have. Raises OSError, BadArchive."""
    crc, sha256 = 0, hashlib.sha256()
    for piece in member.pieces():
        crc = zlib.crc32(piece, crc)
        sha256.update(piece)
    return replace(member, crc=crc, sha256=sha256.hexdigest())


def size_of(members: Sequence[Member]) -> int:
    """Of the whole archive, in bytes."""
    names = sum(2 * len(member.name.encode()) for member in members)
    contents = sum(member.size for member in members)
    return names + contents + len(members) * (_LOCAL.size + _CENTRAL.size) + _END.size


def archive(members: Sequence[Member]) -> Iterator[bytes]:
    """The archive in pieces, a file at a time. Raises OSError or BadArchive where a file has changed meanwhile."""
    for member in members:
        yield _local(member)
        yield from member.pieces()
    yield _directory(members)


def opened(path: Path) -> list[Member]:
    """The files of an archive of this form; their bytes are checked by whoever reads them (``measured``). Raises BadArchive,
    OSError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END.size))
        try:
            _, _, _, _, count, long, start, _ = _END.unpack(file.read())
        except struct.error:
            raise BadArchive("it is too short") from None
        if start + long + _END.size != size:
            raise BadArchive("it was cut off, or something was put in its end")
        file.seek(start)
        members = _listed(path, file.read(long), count)
        file.seek(start)
        if file.read() != _directory(members):
            raise BadArchive("its list of files was changed")
        for member in members:
            local = _local(member)
            file.seek(member.start - len(local))
            if file.read(len(local)) != local:
                raise BadArchive(f"{member.name}: what stands before the file was changed")
    if len({member.name for member in members}) != len(members):
        raise BadArchive("two of its files have the same name")
    if size_of(members) != size:
        raise BadArchive("something was put between its files")
    return members


def _listed(path: Path, directory: bytes, count: int) -> list[Member]:
    members: list[Member] = []
    at = start = 0
    for _ in range(count):
        try:
            fields = _CENTRAL.unpack_from(directory, at)
        except struct.error:
            raise BadArchive("its list of files is broken") from None
        crc, size, long = fields[7], fields[9], fields[10]
        at += _CENTRAL.size
        try:
            name = directory[at : at + long].decode()
        except UnicodeDecodeError:
            raise BadArchive("a name of a file is no text") from None
        if not name or len(name) > _LONGEST_NAME:
            raise BadArchive("a file has no name, or a very long one")
        at += long
        start += _LOCAL.size + long
        members.append(Member(name, path, size, crc, "", start))
        start += size
    return members


def _local(member: Member) -> bytes:
    name = member.name.encode()
    common = (_VERSION, _UTF8, _STORED, 0, _NEW_YEAR_1980, member.crc, member.size, member.size, len(name), 0)
    return _LOCAL.pack(b"PK\3\4", *common) + name


def _directory(members: Sequence[Member]) -> bytes:
    """The central directory and the end of it."""
    written: list[bytes] = []
    start = 0
    for member in members:
        name = member.name.encode()
        common = (_VERSION, _UTF8, _STORED, 0, _NEW_YEAR_1980, member.crc, member.size, member.size, len(name))
        rest = (0, 0, 0, 0, _PLAIN_FILE, start)
        written += [_CENTRAL.pack(b"PK\1\2", _MADE_BY_UNIX | _VERSION, *common, *rest), name]
        start += _LOCAL.size + len(name) + member.size
    directory = b"".join(written)
    count = len(members)
    return directory + _END.pack(b"PK\5\6", 0, 0, count, count, len(directory), start, 0)
