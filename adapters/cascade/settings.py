"""Configuration of both ends of the cascade: ``sources: {kind: cascade}`` and ``sinks: {kind: cascade}``."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from gateway.settings import ClientTls, Id, Secret, SinkSettings, Strict


class CascadeSourceSettings(Strict):
    """Accept lower nodes on ``http.listen``. Their tokens are made with ``gateway token add … --role node --node ID``."""

    kind: Literal["cascade"] = "cascade"
    id: Id


class CascadeSinkSettings(SinkSettings):
    """Forward to an upper node, which made ``token`` for this node. ``also``: other addresses of that same node, tried
    where the first cannot be reached."""

    kind: Literal["cascade"] = "cascade"
    url: str
    also: tuple[str, ...] = Field((), max_length=3)
    token: Secret
    tls: ClientTls | None = None

    @field_validator("url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        return _upper_address(value)

    @field_validator("also")
    @classmethod
    def _plain_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_upper_address(address) for address in value)

    @field_validator("token")
    @classmethod
    def _one_word(cls, value: SecretStr) -> SecretStr:
        token = value.get_secret_value()
        if not token or not all("!" <= character <= "~" for character in token):
            raise ValueError("the token is the one line that `gateway token add` printed: visible ASCII, no blanks")
        return value


def _upper_address(value: str) -> str:
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
