"""A device's clock: read with and without a login, from every form it comes in."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from adapters.onvif import soap
from adapters.onvif.clock import DeviceClock, local_to_utc, measure, read_time, set_clock
from gateway.errors import AuthFailed, ProtocolFault
from gateway.model import ClockReading

AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("file", "moment"),
    [
        ("axis/GetSystemDateAndTime.xml", datetime(2018, 2, 27, 23, 9, 59, tzinfo=UTC)),
        ("dlink/GetSystemDateAndTime.xml", datetime(2023, 3, 7, 16, 14, 53, tzinfo=UTC)),
        ("hikvision/GetSystemDateAndTime.xml", datetime(2018, 2, 27, 18, 28, 1, tzinfo=UTC)),
        ("pelco/GetSystemDateAndTime.xml", datetime(2018, 2, 27, 18, 10, 11, tzinfo=UTC)),
    ],
)
def test_recorded_times(recorded, file, moment):
    answer = soap.read(recorded(file), "d", "GetSystemDateAndTime")
    assert read_time(answer) == moment


@pytest.mark.parametrize("file", ["axis", "dlink", "hikvision"])
def test_local_time_says_the_same_as_utc(recorded, file):
    answer = soap.read(recorded(f"{file}/GetSystemDateAndTime.xml"), "d", "GetSystemDateAndTime")
    whole = read_time(answer)
    found = soap.child(answer, "SystemDateAndTime")
    found.remove(soap.child(found, "UTCDateTime"))
    assert read_time(answer) == whole


def times(utc: str = "", wall: str = "", zone: str = "") -> bytes:
    def moment(name: str, text: str) -> str:
        if not text:
            return ""
        year, month, day, hour, minute, second = text.split()
        return (
            f"<{name}><Time><Hour>{hour}</Hour><Minute>{minute}</Minute><Second>{second}</Second></Time>"
            f"<Date><Year>{year}</Year><Month>{month}</Month><Day>{day}</Day></Date></{name}>"
        )

    tz = f"<TimeZone><TZ>{zone}</TZ></TimeZone>" if zone else ""
    inner = f"{tz}{moment('UTCDateTime', utc)}{moment('LocalDateTime', wall)}"
    return soap.envelope(f"<R><SystemDateAndTime>{inner}</SystemDateAndTime></R>".encode())


@pytest.mark.parametrize(
    ("answer", "moment"),
    [
        (times("2026 11 22 10 0 0"), AT),
        (times("2026 11 22 9 59 60"), AT),  # a leap second
        (times("2026 11 22 09 60 00"), AT),
        (times("2026 11 21 34 0 0"), AT),
        (times("", "2026 11 22 18 0 0", "CST-8"), AT),
        (times("2026 13 45 10 0 0", "2026 11 22 18 0 0", "CST-08:00:00"), AT),
        (times("", "2026 7 1 12 0 0", "CET-1CEST,M3.5.0,M10.5.0/3"), datetime(2026, 7, 1, 10, tzinfo=UTC)),
        (times("", "2026 7 1 12 0 0", "&lt;+0330&gt;-3:30"), datetime(2026, 7, 1, 8, 30, tzinfo=UTC)),
        (times("", "2026 11 22 18 0 0", ""), None),
        (times("", "2026 11 22 18 0 0", "Beijing"), None),
        (times("", "", "CST-8"), None),
        (times("x 11 22 18 0 0"), None),
        (times("99999999999 11 22 18 0 0"), None),
        (times("9999 12 31 99999999 0 0"), None),
        (times("", "1 1 1 0 0 0", "CST-8"), None),
        (soap.envelope(b"<R/>"), None),
    ],
)
def test_forms_of_time(answer, moment):
    assert read_time(soap.read(answer, "d", "o")) == moment


@given(
    st.one_of(st.text(max_size=120), st.from_regex(r"[A-Z]{3}-?[0-9]{1,3}(:[0-9]{2})?([A-Z]{3},M[0-9.]+,[MJ0-9./:]+)?"))
)
def test_no_zone_escapes(zone):
    found = local_to_utc(datetime(2026, 11, 22, 18), zone)
    assert found is None or abs(found.replace(tzinfo=None) - datetime(2026, 11, 22, 18)) < timedelta(days=2)


def test_a_step_of_our_own_clock_moves_no_devices():
    ours, mono = [AT], [5.0]
    clock = DeviceClock(lambda: ours[0], lambda: mono[0])
    clock.reading = ClockReading(-60.0, 0.5, AT)
    ours[0] += timedelta(hours=8)
    mono[0] += 90.0
    assert clock.device_now() == AT + timedelta(seconds=30)


def test_device_now():
    clock = DeviceClock(lambda: AT, lambda: 5.0)
    assert clock.device_now() == AT
    clock.reading = ClockReading(-1800.0, 0.5, AT)
    assert clock.device_now() == AT - timedelta(seconds=1800)
    clock.reading = ClockReading(1e15, 0.5, AT)
    assert clock.device_now() == AT


@pytest.mark.parametrize("offset", [0.0, -1800.0, 365 * 86400.0])
async def test_measured_without_a_login(device, connect, offset):
    device.clock_offset = offset
    client = connect("wrong")
    reading = await measure(client)
    assert abs(reading.offset_s - offset) <= reading.uncertainty_s + 0.1
    assert reading.uncertainty_s >= 0.5
    assert client.clock.reading == reading
    assert device.requests == [("GetSystemDateAndTime", False)]


async def test_half_the_round_trip_is_taken_off(device, connect, soap_bodies):
    async def slow(request):
        await asyncio.sleep(1.0)
        moment = datetime.now(UTC)
        await asyncio.sleep(1.0)
        return soap_bodies["answer"](
            "<R><SystemDateAndTime><UTCDateTime>"
            f"<Time><Hour>{moment.hour}</Hour><Minute>{moment.minute}</Minute><Second>{moment.second}</Second></Time>"
            f"<Date><Year>{moment.year}</Year><Month>{moment.month}</Month><Day>{moment.day}</Day></Date>"
            "</UTCDateTime></SystemDateAndTime></R>"
        )

    device.answers["GetSystemDateAndTime"] = slow
    reading = await measure(connect())
    assert abs(reading.offset_s) <= reading.uncertainty_s
    assert reading.uncertainty_s >= 1.5


async def test_a_device_that_wants_a_login_even_for_that_is_read_by_its_http_date(device, connect):
    device.open = set()
    client = connect("wrong")
    reading = await measure(client)
    assert abs(reading.offset_s) <= reading.uncertainty_s + 0.1
    assert device.requests == [("GetSystemDateAndTime", False)]


async def test_without_a_date_it_is_asked_with_the_login_once(device, connect, soap_bodies):
    device.open = set()
    guard = device.guard

    def dateless(request, body):
        refusal = guard(request, body)
        if refusal is not None:
            refusal.headers["Date"] = "no date"
        return refusal

    device.guard = dateless
    reading = await measure(connect())
    assert abs(reading.offset_s) <= reading.uncertainty_s + 0.1
    with pytest.raises(AuthFailed):
        await measure(connect("wrong"))
    assert device.failed == 1


async def test_a_clock_that_is_not_told(device, connect, recorded):
    content = recorded("axis/GetSystemDateAndTime.Fault-WellFormed.xml")

    async def fault(request):
        return web.Response(body=content, headers={"Date": ""})

    device.answers["GetSystemDateAndTime"] = fault
    client = connect()
    with pytest.raises(ProtocolFault, match="GetSystemDateAndTime"):
        await measure(client)
    assert client.clock.reading is None


async def test_setting_keeps_the_zone(device, connect):
    client = connect()
    await set_clock(client, datetime(2026, 11, 22, 10, 30, 15, tzinfo=UTC))
    sent = soap.find(soap.parse(device.bodies[-1].encode(), "d", "o"), "Body/SetSystemDateAndTime")
    assert [soap.local(part) for part in sent] == ["DateTimeType", "DaylightSavings", "TimeZone", "UTCDateTime"]
    assert soap.text(sent, "TimeZone/TZ") == "CST-8"
    assert soap.text(sent, "DaylightSavings") == "false"
    assert soap.text(sent, "UTCDateTime/Date/Day") == "22"
    assert soap.text(sent, "UTCDateTime/Time/Minute") == "30"
    assert soap.text(sent, "UTCDateTime/Time/Second") in ("15", "16")
