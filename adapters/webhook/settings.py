"""Configuration of ``sinks: {kind: webhook}``."""

import base64
import binascii
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from gateway.settings import ClientTls, Secret, SinkSettings

_PREFIX = "whsec_"
_FEWEST_KEY_BYTES = 8


def _several(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


Secrets = Annotated[
    tuple[Secret, ...], BeforeValidator(_several, json_schema_input_type=Any), Field(min_length=1, max_length=4)
]
"""One, or several while the receiver changes over: each signs."""


class WebhookSettings(SinkSettings):
    """POST every entry to a partner's platform (Standard Webhooks, CloudEvents 1.0). ``secret``: ``whsec_`` and base64, or
    any text; a list signs with each. ``pictures``: the address of this node as the partner reaches it, which then stands
    before the addresses of pictures and clips."""

    kind: Literal["webhook"] = "webhook"
    url: str
    secret: Secrets
    tls: ClientTls | None = None
    pictures: str | None = None

    @field_validator("url", "pictures")
    @classmethod
    def _plain_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid or parts.fragment:
            raise ValueError("the address of a webhook is https://host[:port]/path")
        if parts.username is not None or parts.password is not None:
            raise ValueError("the address of a webhook carries no user or password: the secret signs what is sent")
        return value

    @field_validator("secret")
    @classmethod
    def _usable(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in value:
            signing_key(secret)
        return value

    def keys(self) -> tuple[bytes, ...]:
        return tuple(signing_key(secret) for secret in self.secret)


def signing_key(secret: SecretStr) -> bytes:
    """The bytes that sign. Raises ValueError, which does not repeat the secret."""
    text = secret.get_secret_value()
    if text.startswith(_PREFIX):
        body = text.removeprefix(_PREFIX).rstrip("=")
        try:
            key = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
        except binascii.Error:
            raise ValueError("a secret that begins with whsec_ goes on in base64") from None
    else:
        key = text.encode()
    if len(key) < _FEWEST_KEY_BYTES:
        raise ValueError(f"a webhook's secret has {_FEWEST_KEY_BYTES} bytes or more; 24 to 64 random ones are usual")
    return key
