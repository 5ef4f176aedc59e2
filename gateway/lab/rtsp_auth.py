"""The server's side of HTTP authentication (RFC 7616, RFC 7617), as RTSP uses it."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from enum import StrEnum

from gateway.model import Credential

_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')
_HASHES = {"MD5": "md5", "SHA-256": "sha256"}


class Verdict(StrEnum):
    """What came of one request's login."""

    ADMITTED = "admitted"
    MISSING = "missing"  # no login, or one of a scheme that was not offered
    WRONG = "wrong"
    STALE = "stale"  # the right password under a nonce that is no longer good


class Gate:
    """Lets in who knows the credential; one gate a connection.

    ``schemes`` are offered in their order: Basic, MD5, SHA-256. ``nonce_uses``: how many requests a nonce is good for
    (0: any number). Without a credential nobody is let in.
    """

    def __init__(
        self, credential: Credential | None, schemes: Sequence[str] = ("MD5",), *, nonce_uses: int = 0
    ) -> None:
        self._credential, self._schemes, self._nonce_uses = credential, tuple(schemes), nonce_uses
        self._realm = "lab camera"
        self._nonce, self._used = secrets.token_hex(16), 0

    def challenges(self, *, stale: bool = False) -> list[str]:
        """The values of WWW-Authenticate, with a new nonce where the old one is spent."""
        if self._nonce_uses and self._used >= self._nonce_uses:
            self._nonce, self._used = secrets.token_hex(16), 0
        mark = ", stale=true" if stale else ""
        return [
            f'Basic realm="{self._realm}"'
            if scheme == "Basic"
            else f'Digest realm="{self._realm}", nonce="{self._nonce}", algorithm={scheme}, qop="auth"{mark}'
            for scheme in self._schemes
        ]

    def judge(self, method: str, authorization: str | None) -> Verdict:
        """Whether a request with this Authorization header may pass."""
        scheme, _, rest = (authorization or "").partition(" ")
        if scheme.lower() == "basic" and "Basic" in self._schemes:
            return self._judge_basic(rest)
        if scheme.lower() != "digest" or self._schemes == ("Basic",):
            return Verdict.MISSING
        given = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(rest)}
        algorithm = given.get("algorithm", "MD5").upper()
        if algorithm not in self._schemes:
            return Verdict.MISSING
        if self._credential is None or given.get("username") != self._credential.username:
            return Verdict.WRONG
        nonce = given.get("nonce", "")
        expected = _response(self._credential, algorithm, self._realm, nonce, method, given)
        if not hmac.compare_digest(expected.encode(), given.get("response", "").lower().encode()):
            return Verdict.WRONG
        if nonce != self._nonce:
            return Verdict.STALE
        self._used += 1
        spent = self._nonce_uses and self._used > self._nonce_uses
        return Verdict.STALE if spent else Verdict.ADMITTED

    def _judge_basic(self, token: str) -> Verdict:
        try:
            given = base64.b64decode(token.strip(), validate=True)
        except binascii.Error:
            return Verdict.WRONG
        if self._credential is None:
            return Verdict.WRONG
        expected = f"{self._credential.username}:{self._credential.password}".encode()
        return Verdict.ADMITTED if hmac.compare_digest(given, expected) else Verdict.WRONG


def _response(
    credential: Credential, algorithm: str, realm: str, nonce: str, method: str, given: dict[str, str]
) -> str:
    """RFC 7616 §3.4.1, with or without a quality of protection."""

    def digest(text: str) -> str:
        return hashlib.new(_HASHES[algorithm], text.encode(), usedforsecurity=False).hexdigest()

    secret = digest(f"{credential.username}:{realm}:{credential.password}")
    request = digest(f"{method}:{given.get('uri', '')}")
    if "qop" not in given:
        return digest(f"{secret}:{nonce}:{request}")
    counted = f"{given.get('nc', '')}:{given.get('cnonce', '')}:{given['qop']}"
    return digest(f"{secret}:{nonce}:{counted}:{request}")
