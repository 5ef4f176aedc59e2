"""What a simulated device answers, and to whom."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import UsageError
from gateway.lab.onvif.answers import PATHS
from gateway.lab.onvif.faults import FAULTS, parse
from gateway.lab.onvif.soap import calendar_seconds, seconds_of
from gateway.model import Credential

MakeClient = Callable[..., Any]


async def test_what_needs_no_login_is_answered_without_one(open_park: Any, client: MakeClient) -> None:
    park = await open_park()
    one = client(park)
    one.login = "none"
    clock = await one.call("tds:GetSystemDateAndTime")
    numbers = [int(clock.text(name)) for name in ("Year", "Month", "Day", "Hour", "Minute", "Second")]
    assert abs(calendar_seconds(numbers) - time.time()) < 60
    services = await one.call("tds:GetServices")
    assert services.texts("XAddr") == [f"http://127.1.0.1:{park.port}{path}" for path in PATHS.values()]
    refused = await one.call("tds:GetDeviceInformation")
    assert (refused.status, refused.subcodes) == (401, ["ter:NotAuthorized"])
    assert park.devices[1].figures.failed_logins == 0, "no login is no failed login"


@pytest.mark.parametrize("login", ["wsse", "digest"])
async def test_it_lets_in_by_token_and_by_digest(login: str, open_park: Any, client: MakeClient) -> None:
    park = await open_park()
    one = client(park)
    one.login = login
    assert (await one.call("tds:GetDeviceInformation")).text("SerialNumber") == "LAB000001"
    one.credential = Credential("admin", "wrong")
    assert (await one.call("tds:GetDeviceInformation")).status == 401
    assert park.devices[1].figures.failed_logins == 1


@pytest.mark.parametrize(
    ("fault", "logins"),
    [
        ("digest_only", {"digest"}),
        ("sha256_only", {"digest"}),
        ("wsse_only", {"wsse"}),
        ("wrong_password", set()),
        ("lockout", {"wsse", "digest"}),
    ],
)
async def test_each_login_fault_lets_in_whom_it_should(
    fault: str, logins: set[str], open_park: Any, client: MakeClient
) -> None:
    park = await open_park()
    park.set_fault(FAULTS[fault])
    let_in = set()
    for login in ("wsse", "digest"):
        one = client(park)
        one.login = login
        if login == "digest" and fault == "wsse_only":
            one.login = "none"
        if (await one.call("tds:GetScopes")).status == 200:
            let_in.add(login)
    assert let_in == logins


async def test_a_locked_device_refuses_the_right_password_too_until_it_is_cleared(
    open_park: Any, client: MakeClient
) -> None:
    park = await open_park()
    wanted = parse("lockout=2")
    park.set_fault(wanted.fault, None, wanted.argument)
    wrong, right = client(park), client(park)
    wrong.credential = Credential("admin", "wrong")
    assert [(await wrong.call("tds:GetScopes")).status for _ in range(2)] == [401, 401]
    assert (await right.call("tds:GetScopes")).status == 400
    assert park.devices[1].to_json()["locked"] is True
    park.clear()
    assert (await right.call("tds:GetScopes")).status == 200


async def test_a_token_by_another_clock_is_refused_and_one_by_the_devices_is_not(
    open_park: Any, client: MakeClient
) -> None:
    park = await open_park()
    wanted = parse("wrong_clock=-1800")
    park.set_fault(wanted.fault, None, wanted.argument)
    one = client(park)
    assert (await one.call("tds:GetScopes")).status == 401
    assert park.devices[1].figures.logins == {"replayed": 1}
    one.clock_s = -1800
    assert (await one.call("tds:GetScopes")).status == 200


async def test_a_clock_can_be_set(open_park: Any, client: MakeClient) -> None:
    park = await open_park()
    park.set_fault(FAULTS["wrong_clock"])
    one = client(park)
    one.clock_s = 1800
    t = time.gmtime(time.time())
    date = f"<Year>{t.tm_year}</Year><Month>{t.tm_mon}</Month><Day>{t.tm_mday}</Day>"
    at = f"<Hour>{t.tm_hour}</Hour><Minute>{t.tm_min}</Minute><Second>{t.tm_sec}</Second>"
    told = f"<DateTimeType>Manual</DateTimeType><UTCDateTime><Time>{at}</Time><Date>{date}</Date></UTCDateTime>"
    assert (await one.call("tds:SetSystemDateAndTime", told)).status == 200
    assert abs(park.devices[1].clock() - time.time()) < 60


async def test_profiles_name_streams_and_pictures(open_park: Any, client: MakeClient) -> None:
    park = await open_park(2, channels=2)
    one = client(park, 2)
    for service in ("trt", "tr2"):
        uri = await one.call(f"{service}:GetStreamUri", "<ProfileToken>Sub2</ProfileToken>")
        assert uri.text("Uri").endswith("/cam/4/sub"), "the second channel of the second recorder"
    profiles = await one.call("tr2:GetProfiles", "<Type>All</Type>")
    assert profiles.texts("Encoding") == ["H264"] * 4
    assert (await one.call("trt:GetStreamUri", "<ProfileToken>Main9</ProfileToken>")).subcodes == [
        "ter:InvalidArgVal",
        "ter:NoProfile",
    ]
    path = (
        "/" + (await one.call("trt:GetSnapshotUri", "<ProfileToken>Main1</ProfileToken>")).text("Uri").split("/", 3)[3]
    )
    refused = await one.request("GET", path)
    assert refused.status == 401
    picture = await one.again("GET", path, b"", refused)
    assert (picture.status, picture.content[:2]) == (200, b"\xff\xd8")


async def test_faults_of_the_answers_show(open_park: Any, client: MakeClient) -> None:
    park = await open_park()
    one = client(park)
    park.set_fault(FAULTS["html_with_200"])
    page = await one.call("tds:GetScopes")
    assert (page.status, b"<html>" in page.content) == (200, True)
    park.clear()
    park.set_fault(FAULTS["junk_before_xml"])
    assert not (await one.call("tds:GetScopes")).content.startswith(b"<?xml")
    park.clear()
    park.set_fault(FAULTS["nat_addresses"])
    assert "http://192.168.1.3:" in (await one.call("tds:GetServices")).texts("XAddr")[0]
    park.clear()
    park.set_fault(FAULTS["double_ports"])
    assert f":{park.port}:{park.port}/" in (await one.call("tds:GetServices")).texts("XAddr")[0]
    park.clear()
    park.set_fault(FAULTS["h265_without_encoding"])
    assert (await one.call("trt:GetProfiles")).texts("Encoding") == []
    assert (await one.call("tr2:GetProfiles")).subcodes == ["ter:ActionNotSupported"]


async def test_a_dome_is_turned_and_remembers_where(open_park: Any, client: MakeClient) -> None:
    park = await open_park()
    one = client(park)
    assert (await one.call("tptz:GetPresets", "<ProfileToken>Main1</ProfileToken>")).texts("Name") == [
        "gate",
        "家门口",
        "crossing",
    ]
    token = "<ProfileToken>Main1</ProfileToken>"
    assert (await one.call("tptz:GotoPreset", f"{token}<PresetToken>2</PresetToken>")).status == 200
    assert (await one.call("tptz:GotoPreset", f"{token}<PresetToken>9</PresetToken>")).subcodes[1] == "ter:NoToken"
    await one.call("tptz:ContinuousMove", f'{token}<Velocity><PanTilt x="0.5" y="-0.5"/></Velocity>')
    await one.call("tptz:Stop", token)
    assert park.devices[1].preset == {1: "2"}
    assert park.devices[1].moves == [(1, 0.5, -0.5, 0.0), (1, 0.0, 0.0, 0.0)]


async def test_what_is_no_call_is_refused(open_park: Any, client: MakeClient) -> None:
    one = client(await open_park())
    assert (await one.request("POST", "/onvif/device_service", b"<a")).status == 400
    assert (await one.request("POST", "/onvif/device_service", b"<!DOCTYPE a><a/>")).status == 400
    assert (await one.request("GET", "/")).status == 404
    assert (await one.call("tds:GetDot11Status")).subcodes == ["ter:ActionNotSupported"]


async def test_a_connection_is_kept_for_the_next_request_and_requests_come_in_pieces(open_park: Any) -> None:
    park = await open_park()
    reader, writer = await asyncio.open_connection(park.devices[1].host, park.port)
    for _ in range(2):
        for piece in (b"GET / HT", b"TP/1.1\r\nContent-Length: 2\r\n\r\n", b"ab"):
            writer.write(piece)
            await asyncio.sleep(0.01)
        async with asyncio.timeout(60):
            assert (await reader.readuntil(b"no such page\n")).startswith(b"HTTP/1.1 404 Not Found\r\n")
    writer.close()


def test_durations() -> None:
    assert [seconds_of(one) for one in ("PT60S", "P1DT1H", "PT1M0.5S", "an hour", None)] == [60, 90000, 60.5, 0, 0]


async def test_there_is_no_event_that_no_device_has(open_park: Any) -> None:
    park = await open_park()
    with pytest.raises(UsageError, match="there is no event 'rain'"):
        park.fire("rain")
    with pytest.raises(UsageError, match="device 1 has input 1 to 2, not 3"):
        park.fire("input", place=3)
