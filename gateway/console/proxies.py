"""Whom a reverse proxy speaks for: the client's address and scheme from its headers, where we know the proxy."""

import ipaddress
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_SECURE = {"http": "https", "ws": "wss"}


class BehindProxies:
    """``app`` is shown the client instead of the proxy, for requests that come from ``proxies`` (networks); anybody else's
    ``X-Forwarded-…`` is nobody's word and is not read.

    Of ``X-Forwarded-For`` the last address that is no proxy's counts: each proxy appends the one that it saw, and what
    stands before may be the client's own invention.
    """

    def __init__(self, app: ASGIApp, proxies: Sequence[Network]) -> None:
        self._app = app
        self._proxies = tuple(proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope.get("client")
        if peer is not None and self._knows(peer[0]):
            headers = Headers(scope=scope)
            scope = {
                **scope,
                "client": (self._client(headers, peer[0]), 0),
                "scheme": _scheme(headers, scope["scheme"]),
            }
        await self._app(scope, receive, send)

    def _client(self, headers: Headers, peer: str) -> str:
        told = ",".join(headers.getlist("x-forwarded-for")).split(",")
        client = peer
        for hop in reversed([hop.strip() for hop in told if hop.strip()]):
            address = _address(hop)
            if address is None:
                break  # whoever wrote that, what stands before it is worth no more
            client = str(address)
            if not self._knows(client):
                break
        return client

    def _knows(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._proxies)


def _scheme(headers: Headers, ours: str) -> str:
    told = headers.getlist("x-forwarded-proto")
    secure = bool(told) and told[-1].rpartition(",")[2].strip().lower() == "https"
    return _SECURE.get(ours, ours) if secure else ours


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Also of ``10.0.0.1:4711`` and ``[fe80::1]:4711``, as some proxies write it."""
    bare = text.removeprefix("[").partition("]")[0] if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
