"""RFC 8785 canonical JSON: the same value has the same bytes on every node, so that a digest means something."""

import hashlib
from typing import Any

import rfc8785


def canonical_json(value: Any) -> bytes:
    """UTF-8 bytes. Raises ValueError for what JSON cannot carry exactly (NaN, integers beyond 2**53, lone surrogates)."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeError) as error:
        raise ValueError(f"not canonical JSON: {error}") from error


def sha256_hex(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
