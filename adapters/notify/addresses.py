"""Addresses of people as apprise writes them (``schema://…``), read without a word of them in any log.

apprise is loaded with the first address: it takes a tenth of a second and some 20 MB, which a node that tells nobody
does not pay.
"""

import logging
import warnings
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

MOST_ADDRESSES = 4
"""Of one person: all of them have to be tried within one send."""
ROBOTS = {
    "wecombot": "https://qyapi.weixin.qq.com",
    "dingtalk": "https://oapi.dingtalk.com",
    "feishu": "https://open.feishu.cn",
    "lark": "https://open.larksuite.com",
}
"""Robots that answer 200 and say in the body that they did not take it, which apprise counts as sent: they are spoken to
here (robots.py), and apprise reads their addresses alone."""
_SILENT = logging.CRITICAL + 1


@dataclass(frozen=True, slots=True)
class Address:
    """``plugin``: apprise's reading of it, which knows tokens and passwords."""

    schema: str
    plugin: Any = field(repr=False)


def read(url: str) -> Address:
    """Raises ValueError with a sentence that holds nothing of the address but its schema."""
    _silence()
    schema = _schema(url)
    with warnings.catch_warnings():
        # It and its plugins import what Python will drop one day: theirs to mend.
        warnings.simplefilter("ignore", DeprecationWarning)
        import apprise

        plugin = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if plugin is None:
        raise ValueError(
            f"({schema}://) is no address that apprise {apprise.__version__} understands; see its list of services"
        )
    return Address(_own_schema(plugin) if schema in ("http", "https") else schema, plugin)


def fault(url: str) -> str | None:
    """What is wrong with the address, for the end of a sentence; None where it can be used."""
    try:
        read(url)
    except ValueError as error:
        return str(error)
    return None


def host_fault(host: str) -> str | None:
    try:
        parts = urlsplit(host)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        return "the host of a robot is https://HOST[:PORT] and nothing behind it"
    return None


def _schema(url: str) -> str:
    schema, colon, _ = url.partition("://")
    plain = colon and schema.isascii() and schema.isalnum() and len(schema) <= 24
    return schema.lower() if plain else "?"


def _own_schema(plugin: Any) -> str:
    """Of an address that was given as the service itself shows it (``https://…``)."""
    own = getattr(plugin, "secure_protocol", None)
    return str(own[0] if isinstance(own, tuple) else own)


def _silence() -> None:
    """Both would write tokens into our log: apprise warns of addresses in full, urllib3 names every path at DEBUG."""
    for name in ("apprise", "urllib3"):
        logging.getLogger(name).setLevel(_SILENT)
