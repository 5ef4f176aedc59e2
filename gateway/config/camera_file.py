"""Cameras on disk, and the files that their passwords lie in."""

import contextlib
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.config.record_file import Changes as Changes
from gateway.config.record_file import Read as Read
from gateway.config.record_file import RecordFile, read_text
from gateway.errors import RunningError, UsageError

_SECRETS = "secrets"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class CameraFile(RecordFile):
    """One node's cameras on disk. Every call blocks: call it on a thread."""

    section = "cameras"

    def keep_secret(self, name: str, secret: str, owner: Path) -> dict[str, str]:
        """Write a secret beside the file that cameras are added to (0600); give the reference to it. It belongs to whoever
        owns ``owner``, where we may say so. Raises RunningError, and UsageError for a name that is no camera's id: it must not
        lead elsewhere."""
        if not _ID.fullmatch(name):
            raise UsageError(
                f"{name[:80]!a} is no id of a camera: up to 64 letters, digits, dots, dashes and underscores are"
            )
        beside = self._adding_to(self.settings()).parent
        path = beside / _SECRETS / f"{name}-{secrets.token_hex(4)}"
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(f"{secret}\n")
                file.flush()
                os.fsync(descriptor)
                if os.geteuid() == 0 and owner.exists():
                    holder = owner.stat()
                    os.fchown(descriptor, holder.st_uid, holder.st_gid)
                    os.chown(path.parent, holder.st_uid, holder.st_gid)
        except OSError as error:
            raise RunningError(f"{path}: the password cannot be written: {error.strerror}") from None
        return {"file": f"{_SECRETS}/{path.name}"}

    def forget_unused(self, references: Sequence[Mapping[str, str]]) -> None:
        """Remove files of ``keep_secret`` that no file of the configuration names any more."""
        if not references:
            return
        settings = self.settings()
        texts = [read_text(path) for path in self._paths(settings)]
        for reference in references:
            name = reference.get("file", "")
            ours = name.startswith(f"{_SECRETS}/") and name.count("/") == 1
            if ours and not any(name in text for text in texts):
                with contextlib.suppress(OSError):
                    (self._adding_to(settings).parent / name).unlink()

    def references(self, *camera_ids: str) -> list[Mapping[str, str]]:
        """The files that the cameras' passwords stand in, as written. Each file is read once, however many are asked for."""
        if not camera_ids:
            return []
        asked = frozenset(camera_ids)
        return [secret for name, record in self.records() if name in asked for secret in _references(record)]


def _references(record: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    for room in ("onvif", "rtsp"):
        password = record.get(room, {}).get("password") if isinstance(record.get(room), Mapping) else None
        if isinstance(password, Mapping):
            yield password
