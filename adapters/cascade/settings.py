"""Configuration of both ends of the cascade: ``sources: {kind: cascade}`` and ``sinks: {kind: cascade}``."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator

from gateway.settings import ClientTls, Id, Secret, Strict


class CascadeSourceSettings(Strict):
    """Accept lower nodes on ``http.listen``. Their tokens are made with ``gateway token add … --role node --node ID``."""

    kind: Literal["cascade"] = "cascade"
    id: Id


class CascadeSinkSettings(Strict):
    """Forward to an upper node, which made ``token`` for this node."""

    kind: Literal["cascade"] = "cascade"
    id: Id
    url: str
    token: Secret
    tls: ClientTls | None = None

    @field_validator("url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise ValueError("the address of an upper node is http://host:port or https://host:port")
        if parts.username is not None or parts.password is not None:
            raise ValueError("the address of an upper node carries no user or password: the token says who we are")
        if parts.query or parts.fragment:
            raise ValueError("the address of an upper node ends with its path: take off what follows ? or #")
        return value.rstrip("/")

    @field_validator("token")
    @classmethod
    def _one_word(cls, value: SecretStr) -> SecretStr:
        token = value.get_secret_value()
        if not token or not all("!" <= character <= "~" for character in token):
            raise ValueError("the token is the one line that `gateway token add` printed: visible ASCII, no blanks")
        return value
