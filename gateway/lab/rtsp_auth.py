"""The server's side of HTTP Digest authentication (RFC 7616), as RTSP uses it."""

import hashlib
import hmac
import re
import secrets

from gateway.model import Credential

_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')
_HASHES = {"MD5": "md5", "SHA-256": "sha256"}


class DigestGate:
    """Lets in who knows the credential; one nonce for its whole life (one connection)."""

    def __init__(self, credential: Credential, algorithm: str = "MD5", realm: str = "lab camera") -> None:
        self._credential, self._algorithm, self._realm = credential, algorithm, realm
        self._nonce = secrets.token_hex(16)

    def challenge(self) -> str:
        """The value of WWW-Authenticate."""
        return f'Digest realm="{self._realm}", nonce="{self._nonce}", algorithm={self._algorithm}, qop="auth"'

    def admits(self, method: str, authorization: str | None) -> bool:
        """Whether a request with this Authorization header may pass."""
        scheme, _, rest = (authorization or "").partition(" ")
        if scheme.lower() != "digest":
            return False
        given = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(rest)}
        if given.get("nonce") != self._nonce or given.get("username") != self._credential.username:
            return False
        return hmac.compare_digest(self._expected(method, given).encode(), given.get("response", "").lower().encode())

    def _expected(self, method: str, given: dict[str, str]) -> str:
        secret = self._hash(f"{self._credential.username}:{self._realm}:{self._credential.password}")
        request = self._hash(f"{method}:{given.get('uri', '')}")
        if "qop" not in given:
            return self._hash(f"{secret}:{self._nonce}:{request}")
        counted = f"{given.get('nc', '')}:{given.get('cnonce', '')}:{given['qop']}"
        return self._hash(f"{secret}:{self._nonce}:{counted}:{request}")

    def _hash(self, text: str) -> str:
        return hashlib.new(_HASHES[self._algorithm], text.encode(), usedforsecurity=False).hexdigest()
