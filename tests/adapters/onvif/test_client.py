"""Logins over real sockets: the device counts the wrong ones."""

import asyncio
import contextlib
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp import web

from adapters.onvif import transport
from adapters.onvif.client import SoapClient
from adapters.onvif.clock import DeviceClock, measure
from adapters.onvif.faults import ClockSuspected, LoginWanted, NotPermitted, OnvifFault
from adapters.onvif.soap import local
from gateway.errors import AuthFailed, Busy, ProtocolFault, Unreachable

WAYS = [("token", "MD5"), ("digest", "MD5"), ("digest", "SHA-256"), ("both", "MD5"), ("either", "SHA-256")]


ENVELOPE = '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>{}</s:Body></s:Envelope>'
SCOPES = ENVELOPE.format("<GetScopesResponse/>").encode()


def _worded(reason):
    """A fault that says it in words alone."""
    fault = (
        f"<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text>{reason}</s:Text></s:Reason></s:Fault>"
    )
    return web.Response(body=ENVELOPE.format(fault).encode(), status=500)


async def ask(client, operation="GetDeviceInformation", **options):
    body = f'<{operation} xmlns="http://www.onvif.org/ver10/device/wsdl"/>'.encode()
    return await client.call(client.device_url, f"http://x/{operation}", body, operation=operation, **options)


@pytest.mark.parametrize(("wants", "algorithm"), WAYS)
async def test_right_password_is_let_in_with_no_wrong_try(device, connect, wants, algorithm):
    device.wants, device.algorithm = wants, algorithm
    client = connect()
    assert local(await ask(client)) == "GetDeviceInformationResponse"
    assert client.logged_in
    await ask(client)
    await ask(client, "GetScopes")
    assert device.failed == 0
    assert device.operations[-2:] == ["GetDeviceInformation", "GetScopes"]  # at once, with what was learnt
    assert not device.requests[0][1]


@pytest.mark.parametrize(("wants", "algorithm"), WAYS)
async def test_wrong_password_is_tried_once(device, connect, wants, algorithm):
    device.wants, device.algorithm = wants, algorithm
    client = connect("wrong")
    await measure(client)
    for _ in range(3):
        with pytest.raises(AuthFailed, match=r"127\.0\.0\.1:\d+ refuses the user name or the password"):
            await ask(client)
    assert device.failed == 1
    assert not client.logged_in


@pytest.mark.parametrize("wants", ["token", "digest"])
async def test_wrong_password_is_tried_once_by_calls_at_once(device, connect, wants):
    device.wants = wants
    client = connect("wrong")
    calls = [ask(client, name) for name in ("GetScopes", "GetProfiles", "GetDeviceInformation", "GetServices")]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [AuthFailed] * 4
    assert device.failed == 1


async def test_right_password_serves_calls_at_once(device, connect):
    device.wants = "digest"
    client = connect()
    await asyncio.gather(*(ask(client, f"Get{number}") for number in range(6)))
    assert device.failed == 0


async def test_what_is_open_is_had_without_a_login(device, connect):
    device.wants = ""
    client = connect("wrong")
    await ask(client)
    assert device.requests == [("GetDeviceInformation", False)]
    assert not client.logged_in


async def test_a_password_is_never_sent_readable(device, connect):
    for wants in ("token", "digest", "both"):
        device.wants = device.nonce = wants
        await ask(connect())
    said = "".join(device.bodies) + str(device.headers)
    assert ">right<" not in said and "PasswordText" not in said and "Basic " not in said


async def test_basic_alone_is_not_answered_over_plain_http(device, connect):
    async def basic(request):
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})

    device.wants = ""
    device.answers["GetScopes"] = basic
    with pytest.raises(AuthFailed, match="it offers basic, while Digest"):
        await ask(connect(), "GetScopes")
    assert not any("Authorization" in fields for fields in device.headers)


async def test_no_credential_and_one_wanted(device, connect, http):
    client = SoapClient(http, replace(device.address(), credential=None), clock=DeviceClock())
    with pytest.raises(AuthFailed, match="none is configured"):
        await ask(client)


async def test_no_credential_and_an_operation_that_the_device_does_not_know(device, http):
    async def unknown(request):
        return web.Response(status=400, text="unsupported operation")

    device.wants, device.answers["GetScopes"] = "", unknown
    client = SoapClient(http, replace(device.address(), credential=None), clock=DeviceClock())
    with pytest.raises(ProtocolFault, match="unsupported operation"):
        await ask(client, "GetScopes")


async def test_a_call_without_login_says_that_one_is_wanted(device, connect):
    with pytest.raises(LoginWanted, match="GetDeviceInformation"):
        await ask(connect("wrong"), authenticate=False)
    assert device.failed == 0


async def test_clock_half_an_hour_off_is_no_obstacle(device, connect):
    device.clock_offset = -1800
    client = connect()
    await measure(client)
    await ask(client)
    assert device.failed == 0


async def test_a_refusal_under_a_wrong_clock_is_no_verdict_on_the_password(device, connect):
    device.clock_offset = -1800
    client = connect("wrong")
    await measure(client)
    for _ in range(2):
        with pytest.raises(ClockSuspected, match="its clock is 30 min slow"):
            await ask(client)
    assert device.failed == 1


async def test_a_refusal_for_the_time_is_no_verdict_on_the_password(device, connect, recorded):
    answer = recorded("_malformed/Fault.time-skew.xml")
    device.wants = ""
    device.answers["GetScopes"] = answer
    with pytest.raises(ClockSuspected, match="for the time in it"):
        await ask(connect(), "GetScopes")


@pytest.mark.parametrize("password", ["right", "wrong"])
async def test_refusals_that_speak_of_ws_security_and_carry_no_subcode(device, connect, password):
    """As the soap-server library for Rust words them, with a plain Sender fault."""

    async def guarded(request):
        body = device.bodies[-1]
        if "<UsernameToken>" not in body:
            return _worded("WS-Security header required but not provided")
        return web.Response(body=SCOPES) if device.token_right(body) else _worded("Authentication failed")

    device.wants, device.answers["GetScopes"] = "", guarded
    with pytest.raises(AuthFailed) if password == "wrong" else contextlib.nullcontext():
        assert local(await ask(connect(password), "GetScopes")) == "GetScopesResponse"
    assert device.failed == (password == "wrong")


async def test_a_refusal_for_the_time_in_words_alone_is_no_verdict(device, connect):
    async def expired(request):
        return _worded("WS-Security timestamp expired")

    device.wants, device.answers["GetScopes"] = "", expired
    with pytest.raises(ClockSuspected, match="for the time in it"):
        await ask(connect(), "GetScopes")


async def test_a_clock_set_after_it_was_measured_costs_no_verdict(device, connect):
    """A device boots in 1970, is measured, and then hears its time server."""
    device.clock_offset = -50 * 365 * 86400
    client = connect()
    await measure(client)
    await ask(client)
    device.clock_offset = 0
    await ask(client, "GetScopes")
    reading = client.clock.reading
    assert reading is not None and abs(reading.offset_s) <= reading.uncertainty_s + 0.1


async def test_a_digest_is_not_the_clocks_business(device, connect):
    device.wants, device.clock_offset = "digest", 1800
    client = connect("wrong")
    await measure(client)
    with pytest.raises(AuthFailed):
        await ask(client)


@pytest.mark.parametrize("wants", ["token", "digest", "both"])
async def test_a_user_without_the_right_is_told_from_a_wrong_password(device, connect, wants):
    device.wants, device.forbidden = wants, {"CreatePullPointSubscription"}
    client = connect()
    await ask(client)
    for _ in range(2):
        with pytest.raises(NotPermitted, match="although the password is right") as caught:
            await ask(client, "CreatePullPointSubscription")
        assert caught.value.subcodes == ("NotAuthorized",)
    await ask(client, "GetScopes")
    assert device.failed == 0


@pytest.mark.parametrize("wants", ["token", "digest"])
async def test_a_password_changed_meanwhile_is_a_verdict(device, connect, wants):
    device.wants = wants
    client = connect()
    await ask(client)
    device.password, device.nonce = "changed", "n2"
    with pytest.raises(AuthFailed):
        await ask(client)
    assert device.failed == 1
    with pytest.raises(AuthFailed):
        await ask(client, "GetScopes")
    assert device.failed == 1


async def test_a_nonce_that_ran_out_is_renewed(device, connect):
    device.wants = "digest"
    client = connect()
    await ask(client)
    for number in range(3):
        device.nonce = f"fresh{number}"
        await ask(client)
    assert device.failed == 0


async def test_a_nonce_that_is_always_stale_ends(device, connect):
    device.wants, device.stale = "digest", True
    with pytest.raises(AuthFailed):
        await ask(connect("wrong"))
    assert device.failed <= 3


async def test_another_service_with_another_guard(device, connect):
    client = connect()
    await ask(client)
    device.wants = "digest"
    await ask(client, "GetProfiles")
    assert device.failed == 0


async def test_what_the_device_says_of_the_attempts_left_is_told(device, connect, soap_bodies):
    async def counted(request):
        return soap_bodies["fault"]("NotAuthorized", "Invalid password! You still have 4 attempt(s).")

    device.wants, device.answers["GetScopes"] = "", counted
    with pytest.raises(AuthFailed, match=r"password for GetScopes \(it says: Invalid .* 4 attempt"):
        await ask(connect(), "GetScopes")


async def test_a_clock_told_slowly_is_not_taken_for_one_that_was_set(device, connect, soap_bodies):
    """Else a wrong password would be tried twice at devices behind slow lines."""
    # Told in whole seconds, two times may be a second further apart than they are: 3.4 s at most, within the doubt of
    # two trips of 2.5 s, and mostly more than the two seconds by which a clock counts as set.
    moments = iter((0.0, 2.4, 9.0))

    async def slow(request):
        await asyncio.sleep(2.5)
        return soap_bodies["clock"](device.now() + timedelta(seconds=next(moments)))

    device.answers["GetSystemDateAndTime"] = slow
    client = connect("wrong")
    await measure(client)
    with pytest.raises(AuthFailed):
        await ask(client)
    assert device.failed == 1


async def test_a_user_locked_out_is_waited_for(device, connect, soap_bodies):
    device.wants = ""

    async def locked(request):
        return soap_bodies["fault"]("NotAuthorized", "the user is locked")

    device.answers["GetScopes"] = locked
    with pytest.raises(Busy, match="locked out") as caught:
        await ask(connect(), "GetScopes")
    assert caught.value.after == 1800


async def test_other_faults_pass_and_cost_no_login(device, connect, soap_bodies):
    async def unsupported(request):
        return soap_bodies["fault"]("ActionNotSupported", "no", status=500)

    device.wants = ""
    device.answers["GetScopes"] = unsupported
    with pytest.raises(OnvifFault) as caught:
        await ask(connect(), "GetScopes")
    assert caught.value.unsupported and caught.value.operation == "GetScopes"
    assert len(device.requests) == 1


@pytest.mark.parametrize(
    ("file", "status"),
    [
        ("unknown/CreatePullPointSubscription.html-404-with-http-200.html", 200),
        ("thingino/CreatePullPointSubscription.html-404.html", 404),
        ("_malformed/login-page.html", 200),
        ("_malformed/empty.xml", 200),
        ("_malformed/plain-text.txt", 500),
        ("_malformed/billion-laughs.xml", 200),
    ],
)
async def test_what_is_no_soap_is_a_fault_in_words(device, connect, recorded, file, status):
    content = recorded(file)

    async def answer(request):
        return web.Response(body=content, status=status)

    device.wants = ""
    device.answers["GetScopes"] = answer
    with pytest.raises(ProtocolFault, match=r"^127\.0\.0\.1:\d+ answered GetScopes with ") as caught:
        await ask(connect(), "GetScopes")
    assert ("HTTP" in str(caught.value)) == (status != 200)


async def test_silence_in_place_of_a_refusal(device, connect):
    """A Hikvision says nothing at all, with 200, to somebody it does not know."""

    async def silent(request):
        if "UsernameToken" not in device.bodies[-1]:
            return web.Response()
        return web.Response(body=b"<s:Envelope><s:Body><Ok/></s:Body></s:Envelope>")

    device.wants, device.answers["GetScopes"] = "", silent
    assert local(await ask(connect(), "GetScopes")) == "Ok"


async def test_large_answers_are_read_up_to_the_limit(device, connect):
    device.wants, device.answers["GetProfiles"] = "", "<R>" + "<Profiles/>" * 60_000 + "</R>"
    assert len(await ask(connect(), "GetProfiles")) == 60_000
    with pytest.raises(ProtocolFault, match="answered GetProfiles with more than 64 KiB"):
        await ask(connect(), "GetProfiles", limit=65536)


async def test_redirects_are_not_followed(device, connect):
    async def away(request):
        raise web.HTTPTemporaryRedirect("https://198.51.100.7/onvif/device_service")

    device.wants = ""
    device.answers["GetScopes"] = away
    with pytest.raises(ProtocolFault, match=r"198\.51\.100\.7.*tls: true"):
        await ask(connect(), "GetScopes")


async def test_a_call_to_another_host_is_not_made(device, connect):
    client = connect()
    with pytest.raises(ProtocolFault, match="another host"):
        await client.call("http://198.51.100.7/onvif/x", "a", b"<X/>", operation="X")
    with pytest.raises(ProtocolFault, match="another host"):
        await client.call("http://[broken", "a", b"<X/>", operation="X")
    assert device.requests == []


async def test_silence_ends_at_the_deadline(device, connect):
    async def never(request):
        await asyncio.sleep(60)
        return web.Response()

    device.wants = ""
    device.answers["GetScopes"] = never
    client = connect()
    await ask(client)  # its connection is kept: that takes none of the time
    with pytest.raises(Unreachable, match=r"did not answer GetScopes within 0\.2 s"):
        await ask(client, "GetScopes", timeout=0.2)


async def test_nobody_there(http, free_port, device):
    client = SoapClient(http, replace(device.address(), port=free_port()), clock=DeviceClock())
    with pytest.raises(Unreachable, match="cannot be reached for GetScopes: nothing listens on that port"):
        await ask(client, "GetScopes")


@pytest.mark.parametrize(
    ("head", "endless", "error", "words"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True, ProtocolFault, "more than 4096 KiB"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", False, Unreachable, "broke off its answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", True, Unreachable, "broke off its answer"),
        (b"SSH-2.0-dropbear\r\n", False, Unreachable, "no HTTP"),
        (b"", False, Unreachable, "closed the connection"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000 + b"\r\n\r\n", False, Unreachable, "no HTTP"),
    ],
)
async def test_hostile_http(http, raw_device, device, head, endless, error, words):
    port = await raw_device(head, endless)
    client = SoapClient(http, replace(device.address(), port=port), clock=DeviceClock())
    with pytest.raises(error, match=words):
        await ask(client, "GetScopes", timeout=60)


async def test_interim_answers_without_end_are_not_read_without_end(http, device):
    async def serve(reader, writer):
        with suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            while True:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
                await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        address = replace(device.address(), port=server.sockets[0].getsockname()[1])
        client = SoapClient(http, address, clock=DeviceClock())
        with pytest.raises(Unreachable, match="costs more time than it may"):
            await ask(client, "GetScopes", timeout=60)


async def test_a_device_that_hangs_up_on_the_login_is_not_asked_twice(device, connect):
    """It may have counted the password."""

    async def hang_up(request):
        request.transport.close()
        return web.Response()

    client = connect()
    device.answers["GetScopes"] = hang_up
    with pytest.raises(Unreachable, match="closed the connection"):
        await ask(client, "GetScopes")
    assert [carried for _, carried in device.requests].count(True) == 1


async def test_a_kept_connection_that_the_device_closed_is_made_again(device, connect, monkeypatch):
    monkeypatch.setattr(transport, "_FOUND_DEAD", 60.0)
    seen = []

    async def once_closed(request):
        seen.append(request)
        if len(seen) == 1:
            request.transport.close()
        return web.Response(body=b"<s:Envelope><s:Body><Ok/></s:Body></s:Envelope>")

    device.wants = ""
    device.answers["GetScopes"] = once_closed
    assert local(await ask(connect(), "GetScopes")) == "Ok"
    assert len(seen) == 2


async def test_a_device_that_hangs_up_on_a_long_call_is_not_asked_again(device, connect):
    async def later(request):
        await asyncio.sleep(1.2)
        request.transport.close()
        return web.Response()

    device.wants, device.answers["PullMessages"] = "", later
    with pytest.raises(Unreachable, match="closed the connection"):
        await ask(connect(), "PullMessages")
    assert len(device.requests) == 1


async def test_header_blocks_and_the_action_go_along(device, connect):
    client = connect()
    await ask(client, headers=b'<SubscriptionId xmlns="urn:x">7</SubscriptionId>')
    assert '<SubscriptionId xmlns="urn:x">7</SubscriptionId></s:Header>' in device.bodies[-1]
    assert 'action="http://x/GetDeviceInformation"' in device.headers[-1]["Content-Type"]


async def test_calls_are_counted_by_what_became_of_them(device, http, free_port):
    tally = Counter()
    device.answers["GetScopes"] = b"<html>"
    device.forbidden.add("GetNodes")
    client = SoapClient(http, device.address(), clock=DeviceClock(), tally=tally)
    for operation in ("GetServices", "GetServices", "GetScopes", "GetNodes"):
        with contextlib.suppress(ProtocolFault):
            await ask(client, operation)
    wrong = SoapClient(http, device.address("wrong"), clock=DeviceClock(), tally=tally)
    gone = SoapClient(http, replace(device.address(), port=free_port()), clock=DeviceClock(), tally=tally)
    for client in (wrong, gone):
        with pytest.raises((AuthFailed, Unreachable)):
            await ask(client, "GetServices")
    assert tally == {
        "GetServices/ok": 2,
        "GetSystemDateAndTime/ok": 2,  # before a verdict
        "GetScopes/unreadable": 1,
        "GetNodes/refused": 1,
        "GetServices/refused": 1,
        "GetServices/unreachable": 1,
    }
