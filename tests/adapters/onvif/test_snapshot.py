"""Pictures from a snapshot address, and what comes in their place."""

import asyncio

import pytest
from aiohttp import web

from adapters.onvif.snapshot import fetch_snapshot
from gateway.errors import AuthFailed, NotSpoken, ProtocolFault, Unreachable
from gateway.model import Credential

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40 + b"\xff\xd9"
RIGHT, WRONG = Credential("operator", "right"), Credential("operator", "wrong")


def serve(device, *, guarded=True, answer=None):
    async def page(request):
        refusal = device.guard(request, "") if guarded else None
        return refusal or (await answer(request) if answer else web.Response(body=JPEG, content_type="image/jpeg"))

    device.pages["/snap"] = page
    return f"http://127.0.0.1:{device.port}/snap?channel=1&subtype=1"


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_a_picture_with_digest(device, http, algorithm):
    device.wants, device.algorithm = "digest", algorithm
    assert await fetch_snapshot(http, serve(device), RIGHT) == JPEG
    assert device.failed == 0


async def test_an_open_one(device, http):
    assert await fetch_snapshot(http, serve(device, guarded=False), None) == JPEG


async def test_a_wrong_password_is_tried_once(device, http):
    device.wants = "digest"
    with pytest.raises(AuthFailed, match="refuses the user name or the password"):
        await fetch_snapshot(http, serve(device), WRONG)
    assert device.failed == 1


async def test_no_credential_and_one_wanted(device, http):
    device.wants = "digest"
    with pytest.raises(AuthFailed, match="none is configured"):
        await fetch_snapshot(http, serve(device), None)


async def test_basic_is_answered_only_where_allowed(device, http):
    sent = []

    async def basic(request):
        sent.append(request.headers.get("Authorization"))
        if sent[-1] is None:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        return web.Response(body=JPEG)

    url = serve(device, guarded=False, answer=basic)
    with pytest.raises(NotSpoken, match="offers basic"):
        await fetch_snapshot(http, url, RIGHT)
    assert sent == [None]
    assert await fetch_snapshot(http, url, RIGHT, allow_basic=True) == JPEG


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"<html><body>Log in</body></html>", 200, "a web page, not with a JPEG"),
        (b"", 200, "nothing"),
        (b"\x89PNG\r\n\x1a\n", 200, "a PNG"),
        (b"No picture", 404, r"text \(HTTP 404\)"),
        (b"\x00\x01\xff", 200, "something else"),
        (b"<html>", 403, "does not let this user"),
    ],
)
async def test_what_is_no_picture(device, http, body, status, words):
    async def answer(request):
        return web.Response(body=body, status=status, content_type="image/jpeg")

    with pytest.raises(ProtocolFault, match=words):
        await fetch_snapshot(http, serve(device, guarded=False, answer=answer), RIGHT)


async def test_a_snapshot_without_end_ends_at_the_deadline(device, http):
    async def drip(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(JPEG)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.01)

    await fetch_snapshot(
        http, serve(device, guarded=False), None
    )  # its connection is kept: that takes none of the time
    with pytest.raises(Unreachable, match=r"did not finish the snapshot within 0\.4 s"):
        await fetch_snapshot(http, serve(device, guarded=False, answer=drip), RIGHT, timeout=0.4)


async def test_a_snapshot_too_large(http, raw_device):
    port = await raw_device(b"HTTP/1.1 200 OK\r\n\r\n" + JPEG, True)
    with pytest.raises(ProtocolFault, match="more than 16384 KiB"):
        await fetch_snapshot(http, f"http://127.0.0.1:{port}/snap", None, timeout=60)


async def test_a_redirect_is_not_followed(device, http):
    async def away(request):
        raise web.HTTPFound("http://198.51.100.7/")

    with pytest.raises(ProtocolFault, match=r"198\.51\.100\.7"):
        await fetch_snapshot(http, serve(device, guarded=False, answer=away), RIGHT)


@pytest.mark.parametrize("url", ["", "rtsp://127.0.0.1/x", "http://[x", "/snap"])
async def test_no_address(http, url):
    with pytest.raises(ProtocolFault, match="the snapshot address"):
        await fetch_snapshot(http, url, None)
