"""The key that a node signs its case bundles with (Ed25519, RFC 8032): made at first use, never shown."""

import contextlib
import os
import tempfile
import threading
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from gateway.canonical import sha256_hex
from gateway.errors import StoreFailed

FILE = "bundle-key.pem"


class NodeKey:
    """``path``: a PEM file (PKCS #8), 0600. Every call blocks: call it on a thread. Raises StoreFailed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._key: Ed25519PrivateKey | None = None
        self._lock = threading.Lock()

    def sign(self, content: bytes) -> bytes:
        return self._loaded().sign(content)

    def public(self) -> bytes:
        """32 bytes."""
        return self._loaded().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def _loaded(self) -> Ed25519PrivateKey:
        with self._lock:
            if self._key is None:
                try:
                    if not self.path.exists():
                        _make(self.path)
                    self._key = _read(self.path)
                except OSError as error:
                    raise StoreFailed(f"{self.path}: the key of case bundles: {error.strerror}") from None
            return self._key


def public_of(path: Path) -> bytes | None:
    """The public half of a node's key; None where it has none yet. Raises StoreFailed."""
    try:
        return _read(path).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreFailed(f"{path}: the key of case bundles: {error.strerror}") from None


def is_signed(public: bytes, signature: bytes, content: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def fingerprint(public: bytes) -> str:
    """What two people read to each other: 16 hex digits in fours."""
    digits = sha256_hex(public)[:16]
    return " ".join(digits[at : at + 4] for at in range(0, 16, 4))


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise StoreFailed(f"{path}: this is no Ed25519 key; restore it from a backup, or move it away for a new one")
    return key


def _make(path: Path) -> None:
    """Whole or not at all; the file belongs to the directory's owner, where we may say so."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".bundle-key-")  # 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
            owner = path.parent.stat()
            if os.geteuid() == 0 and owner.st_uid != 0:
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        with contextlib.suppress(FileExistsError):  # another was quicker: that one counts
            path.hardlink_to(draft)
    finally:
        Path(draft).unlink()
