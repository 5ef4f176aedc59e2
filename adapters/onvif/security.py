"""WS-Security UsernameToken with a password digest (OASIS UsernameToken Profile 1.0 §3.1). Pure but for the nonce."""

import base64
import hashlib
import secrets
from datetime import UTC, datetime

from adapters.onvif.soap import NS, escape
from gateway.model import Credential

_PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
_BASE64 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
_NONCE = 16

# Default namespaces, as in the tool of the standard's authors: what every camera was tried with.
_OPEN = f'<Security s:mustUnderstand="1" xmlns="{NS["wsse"]}"><UsernameToken><Username>'.encode()
_PASSWORD = f'</Username><Password Type="{_PROFILE}">'.encode()
_NONCE_OPEN = f'</Password><Nonce EncodingType="{_BASE64}">'.encode()
_CREATED = f'</Nonce><Created xmlns="{NS["wsu"]}">'.encode()
_CLOSE = b"</Created></UsernameToken></Security>"


def username_token(credential: Credential, created: datetime, *, nonce: bytes | None = None) -> bytes:
    """The Security header block. ``created`` is the device's time now: it refuses tokens that look old to it.

    The password goes as a digest of nonce, time and itself, never readable; each token has a nonce of its own.
    """
    nonce = secrets.token_bytes(_NONCE) if nonce is None else nonce
    moment = created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{created.microsecond // 1000:03d}Z"
    digest = password_digest(nonce, moment, credential.password)
    return b"".join(
        (
            _OPEN,
            escape(credential.username),
            _PASSWORD,
            digest,
            _NONCE_OPEN,
            base64.b64encode(nonce),
            _CREATED,
            moment.encode(),
            _CLOSE,
        )
    )


def password_digest(nonce: bytes, created: str, password: str) -> bytes:
    """Base64(SHA-1(nonce + created + password)), the nonce as the bytes that its base64 stands for."""
    # SHA-1 is what the profile prescribes.
    made = hashlib.sha1(nonce + created.encode() + password.encode(), usedforsecurity=False)
    return base64.b64encode(made.digest())
