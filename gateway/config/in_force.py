"""What a node keeps on disk of the configuration in force, so that a plan can be made beside it while it runs or not.

``in-force.json`` in ``data_dir`` (0600) holds no value of the configuration, only marks (see ``plan``). ``reload-approved``
holds the digest of the one plan that a person approved; the reload that takes it removes it. ``camera-numbers.json`` holds
the highest number that an id ever had, by what the id begins with: alerts name cameras, and an id is never another's.
"""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.config.plan import Record
from gateway.errors import RunningError, UsageError

_RECORD = "in-force.json"
_APPROVED = "reload-approved"
_NUMBERS = "camera-numbers.json"
_FORM = 1


def new_key() -> bytes:
    return secrets.token_bytes(32)


def read_record(data_dir: Path) -> Record | None:
    """None where the node has not run yet, or what is there is of another form. Raises UsageError where it cannot be read."""
    text = _read(data_dir / _RECORD)
    try:
        value: Any = json.loads(text or "null")
        if value is None or value["form"] != _FORM:
            return None
        return Record(bytes.fromhex(value["key"]), value["cameras"], value["terminals"], value["rest"])
    except (ValueError, KeyError, TypeError):
        return None


def write_record(data_dir: Path, record: Record) -> None:
    """Raises RunningError."""
    value = {"form": _FORM, "key": record.key.hex(), "cameras": record.cameras, "terminals": record.terminals}
    _write(data_dir / _RECORD, json.dumps(value | {"rest": record.rest}, ensure_ascii=False))


def approve(data_dir: Path, digest: str) -> None:
    """Let the next reload take the plan of this digest. Raises RunningError."""
    _write(data_dir / _APPROVED, f"{digest}\n")


def take_approval(data_dir: Path, digest: str) -> bool:
    """Whether this plan was approved; an approval serves once."""
    try:
        approved = (_read(data_dir / _APPROVED) or "").strip() == digest
    except UsageError:
        return False
    if approved:
        (data_dir / _APPROVED).unlink(missing_ok=True)
    return approved


def read_numbers(data_dir: Path) -> dict[str, int]:
    """Raises UsageError where it cannot be read."""
    try:
        value: Any = json.loads(_read(data_dir / _NUMBERS) or "{}")
        return {str(stem): int(number) for stem, number in value.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def write_numbers(data_dir: Path, numbers: Mapping[str, int]) -> None:
    """Raises RunningError."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # cameras may be enrolled before the node's first start
    except OSError as error:
        raise RunningError(f"{data_dir}: cannot be made: {error.strerror}") from None
    _write(data_dir / _NUMBERS, json.dumps(numbers))


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        return None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}; run this as the node's own user") from None


def _write(path: Path, text: str) -> None:
    """Whole or not at all, for our eyes only."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            owner = path.parent.stat()
            if os.geteuid() != owner.st_uid:
                os.fchown(descriptor, owner.st_uid, owner.st_gid)  # root approves, the node's own user reads
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise RunningError(f"{path}: cannot be written: {error.strerror}") from None
