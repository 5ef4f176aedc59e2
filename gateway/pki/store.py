"""The directory of an authority: what was issued, in ``index.json``, and the files beside it. Keys are 0600."""

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gateway.errors import RunningError, UsageError
from gateway.pki.making import Kind

_INDEX, _LOCK = "index.json", ".lock"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that was signed. ``serial`` and ``issuer`` (the authority's serial): hex. Times: RFC 3339."""

    name: str
    kind: Kind
    serial: str
    issuer: str
    ends_at: str
    hosts: tuple[str, ...] = ()
    revoked_at: str | None = None
    replaced_at: str | None = None
    own_key: bool = True
    """False: its key was made elsewhere, and came as a signing request."""


@dataclass(frozen=True, slots=True)
class Index:
    """``authorities``: serials in hex, the one that signs now last; those before it are still trusted."""

    name: str
    authorities: tuple[str, ...]
    issued: tuple[Issued, ...] = field(default=())


class Store:
    """``path`` belongs to the authority alone (0700)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def held(self, *, make: bool = False) -> Iterator[None]:
        """One at a time may change it. Raises UsageError, RunningError."""
        try:
            if make:
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self.path / _LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except FileNotFoundError:
            raise self._nothing_here() from None
        except OSError as error:
            raise RunningError(f"{error.filename or self.path}: {error.strerror}") from None

    def index(self) -> Index:
        """Raises UsageError where there is no authority, or one that cannot be read."""
        path = self.path / _INDEX
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            return _index_of(told)
        except FileNotFoundError:
            raise self._nothing_here() from None
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise UsageError(f"{path}: this is no index of certificates; restore it from a backup") from None

    def exists(self) -> bool:
        return (self.path / _INDEX).exists()

    def save(self, index: Index) -> None:
        told = {"version": _VERSION, **asdict(index)}
        self.write(_INDEX, json.dumps(told, indent=1, ensure_ascii=False).encode(), secret=True)

    def read(self, name: str) -> bytes:
        """Raises UsageError."""
        path = self.path / name
        try:
            return path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}; restore it from a backup") from None

    def write(self, name: str, content: bytes, *, secret: bool) -> Path:
        """Whole or not at all. ``secret``: for its owner alone, from its first byte on."""
        path = self.path / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")  # 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if not secret:
                Path(draft).chmod(0o644)
            Path(draft).replace(path)
        except OSError:
            Path(draft).unlink(missing_ok=True)
            raise
        return path

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def _nothing_here(self) -> UsageError:
        return UsageError(
            f"{self.path}: there is no authority here; gateway pki init makes one, --dir names another place"
        )


def _index_of(told: dict[str, Any]) -> Index:
    if told["version"] != _VERSION:
        raise ValueError("of another version")
    issued = tuple(
        Issued(**{**each, "kind": Kind(each["kind"]), "hosts": tuple(each["hosts"])}) for each in told["issued"]
    )
    return Index(str(told["name"]), tuple(told["authorities"]), issued)
