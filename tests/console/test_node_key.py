"""The key that bundles are signed with."""

from pathlib import Path

import pytest

from gateway.console.node_key import NodeKey, fingerprint, is_signed, public_of
from gateway.errors import StoreFailed


def test_it_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    assert public_of(path) is None
    public = NodeKey(path).public()
    assert path.stat().st_mode & 0o777 == 0o600
    assert NodeKey(path).public() == public == public_of(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_signature_holds_for_what_was_signed_alone(tmp_path: Path) -> None:
    key, other = NodeKey(tmp_path / "a"), NodeKey(tmp_path / "b")
    signature = key.sign(b"text")
    assert is_signed(key.public(), signature, b"text")
    assert not is_signed(key.public(), signature, b"texT")
    assert not is_signed(other.public(), signature, b"text")
    assert not is_signed(b"short", signature, b"text")
    assert not is_signed(key.public(), b"", b"text")
    assert len(fingerprint(key.public())) == 19


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\n"])
def test_what_is_no_key_is_told_in_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(StoreFailed, match="no Ed25519 key"):
        NodeKey(path).sign(b"x")
    with pytest.raises(StoreFailed, match="No such file"):
        NodeKey(tmp_path / "none" / "key.pem").sign(b"x")
