"""Who the client is, behind a reverse proxy and where none is."""

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console.proxies import BehindProxies

PROXIES = [ipaddress.ip_network(each) for each in ("127.0.0.1/32", "10.0.0.0/24", "fd00::/64")]


async def seen(
    peer: str | None, *headers: tuple[str, str], kind: str = "http", scheme: str = "http"
) -> tuple[Any, str]:
    """(address, scheme) as the application sees them."""
    scopes: list[Any] = []

    async def app(scope: Any, _: Any, __: Any) -> None:
        scopes.append(scope)

    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    scope = {"type": kind, "scheme": scheme, "headers": raw, "client": None if peer is None else (peer, 4711)}
    await BehindProxies(app, PROXIES)(scope, None, None)  # type: ignore[arg-type]
    (found,) = scopes
    return found["client"] and found["client"][0], found["scheme"]


@pytest.mark.parametrize(
    ("peer", "told", "client"),
    [
        ("127.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("127.0.0.1", ["1.2.3.4, 192.0.2.7"], "192.0.2.7"),  # what stands before is the client's own invention
        ("127.0.0.1", ["1.2.3.4", "192.0.2.7"], "192.0.2.7"),
        ("127.0.0.1", ["192.0.2.7, 10.0.0.9"], "192.0.2.7"),  # two proxies of ours in a row
        ("127.0.0.1", ["10.0.0.8, 10.0.0.9"], "10.0.0.8"),
        ("127.0.0.1", ["nonsense, 192.0.2.7"], "192.0.2.7"),
        ("127.0.0.1", ["192.0.2.7, nonsense"], "127.0.0.1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["192.0.2.7:4711"], "192.0.2.7"),
        ("127.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("127.0.0.1", ["2001:db8::7"], "2001:db8::7"),
        ("::ffff:127.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("fd00::1", ["192.0.2.7"], "192.0.2.7"),
        ("192.0.2.99", ["1.2.3.4"], "192.0.2.99"),  # nobody we know says so
        ("10.0.1.1", ["1.2.3.4"], "10.0.1.1"),
        (None, ["1.2.3.4"], None),
    ],
)
async def test_the_last_address_that_is_no_proxys_is_the_client(
    peer: str | None, told: list[str], client: str | None
) -> None:
    assert (await seen(peer, *(("X-Forwarded-For", value) for value in told)))[0] == client


@pytest.mark.parametrize(
    ("peer", "told", "scheme"),
    [
        ("127.0.0.1", "https", "https"),
        ("127.0.0.1", "http, https", "https"),
        ("127.0.0.1", "https, http", "http"),
        ("127.0.0.1", "gopher", "http"),
        ("192.0.2.99", "https", "http"),
    ],
)
async def test_the_scheme_is_what_the_nearest_proxy_says(peer: str, told: str, scheme: str) -> None:
    assert (await seen(peer, ("X-Forwarded-Proto", told)))[1] == scheme


async def test_a_websocket_is_seen_as_any_other() -> None:
    headers = (("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https"))
    assert await seen("127.0.0.1", *headers, kind="websocket", scheme="ws") == ("192.0.2.7", "wss")


async def test_a_scope_without_a_client_passes() -> None:
    assert await seen(None, kind="lifespan") == (None, "http")


@given(st.lists(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n")), max_size=4))
async def test_whatever_is_written_there_nobody_unknown_is_believed(told: list[str]) -> None:
    headers = [("X-Forwarded-For", value) for value in told]
    assert (await seen("192.0.2.99", *headers))[0] == "192.0.2.99"
    known = (await seen("127.0.0.1", *headers))[0]
    ipaddress.ip_address(known)
