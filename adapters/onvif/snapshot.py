"""A picture from a device's snapshot address (ONVIF Media, GetSnapshotUri): the second source, where no stream shows one."""

import asyncio

import aiohttp
from yarl import URL

from adapters.onvif import login
from adapters.onvif.addresses import bracketed
from adapters.onvif.transport import Answer, exchange
from gateway.authentication import Authenticator, choose, parse_challenges
from gateway.errors import NotSpoken, ProtocolFault, Unreachable
from gateway.model import Credential

MAX_PICTURE = 16 * 1024 * 1024
_JPEG = b"\xff\xd8\xff"
_OPERATION = "the snapshot"
_MAX_RENEWALS = 2


async def fetch_snapshot(
    http: aiohttp.ClientSession,
    url: str,
    credential: Credential | None,
    *,
    timeout: float = 10.0,
    allow_basic: bool = False,
) -> bytes:
    """The JPEG at ``url``, as it came, within ``timeout`` seconds over everything; at most 16 MiB.

    Asked without a login first, then with HTTP Digest as challenged, once; with Basic over TLS, or where ``allow_basic``.
    ``url``: see addresses.reachable; a login goes to no other host. Raises Unreachable, AuthFailed where
    it was refused, ProtocolFault (NotSpoken where nothing was tried, because it offers no way that is spoken).
    """
    try:
        found = URL(url, encoded=True)
        device = f"{bracketed(found.host or '')}:{found.port}"
    except ValueError:
        raise ProtocolFault(f"the snapshot address {url[:80]!a} is none") from None
    if found.scheme not in ("http", "https") or not found.host:
        raise ProtocolFault(f"the snapshot address {url[:80]!a} is none that HTTP can fetch")
    try:
        async with asyncio.timeout(timeout):
            return await _fetch(http, found, device, credential, timeout, basic=allow_basic or found.scheme == "https")
    except TimeoutError:
        raise Unreachable(f"{device} did not finish the snapshot within {timeout:g} s") from None


async def _fetch(
    http: aiohttp.ClientSession, url: URL, device: str, credential: Credential | None, timeout: float, *, basic: bool
) -> bytes:
    answer = await _get(http, url, device, timeout, None)
    authenticator = Authenticator(credential) if credential else None
    for number in range(_MAX_RENEWALS + 1):
        if answer.status != 401:
            break
        if authenticator is None:
            raise login.none_configured(device, _OPERATION)
        challenge = choose(parse_challenges(answer.challenges), allow_basic=basic)
        if challenge is None:
            raise _no_scheme(device, answer)
        if number and not challenge.stale:
            raise login.wrong_password(device, _OPERATION)
        authenticator.accept(challenge)
        answer = await _get(http, url, device, timeout, authenticator)
    return _picture(answer, device)


async def _get(
    http: aiohttp.ClientSession, url: URL, device: str, timeout: float, authenticator: Authenticator | None
) -> Answer:
    field = authenticator.field("GET", url.raw_path_qs) if authenticator else None
    return await exchange(
        http,
        "GET",
        url,
        device=device,
        operation=_OPERATION,
        timeout=timeout,
        headers={"Authorization": field} if field else None,
        limit=MAX_PICTURE,
        resend=field is None,
    )


def _no_scheme(device: str, answer: Answer) -> NotSpoken:
    # Not AuthFailed, which would stop all that has this login: no password was tried.
    offered = login.offered(answer.challenges) or "no scheme"
    return NotSpoken(
        f"{device} wants a login for {_OPERATION} and offers {offered}; Digest with MD5 or SHA-256 is spoken, and Basic over "
        f"TLS: set its web authentication to digest"
    )


def _picture(answer: Answer, device: str) -> bytes:
    if answer.status == 401:
        raise login.wrong_password(device, _OPERATION)
    if answer.body.startswith(_JPEG):
        return answer.body
    if answer.status == 403:
        raise ProtocolFault(f"{device} does not let this user have the snapshot: give it the right to")
    status = "" if answer.status == 200 else f" (HTTP {answer.status})"
    raise ProtocolFault(f"{device} answered the snapshot with {_described(answer)}{status}, not with a JPEG")


def _described(answer: Answer) -> str:
    start = answer.body[:200].lstrip().lower()
    if not start:
        return "nothing"
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<body")):
        return "a web page"
    if start.startswith(b"\x89png"):
        return "a PNG"
    return "text" if start.isascii() else "something else"
