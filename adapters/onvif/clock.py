"""A device's clock against ours (ONVIF Core, GetSystemDateAndTime and SetSystemDateAndTime)."""

import contextlib
import io
import struct
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from lxml import etree

from adapters.onvif import soap
from adapters.onvif.faults import LoginWanted, printable
from gateway.errors import ProtocolFault
from gateway.model import ClockReading

_GET = b'<GetSystemDateAndTime xmlns="http://www.onvif.org/ver10/device/wsdl"/>'
_ACTION = "http://www.onvif.org/ver10/device/wsdl/"
_LONGEST_ANSWER = 64 * 1024
_HALF_SECOND = 0.5  # devices tell whole seconds, cut off


def _utc_now() -> datetime:
    return datetime.now(UTC)


class DeviceClock:
    """What is known of one device's clock. ``now`` is the gateway's; ``mono`` carries the device's time on, because
    ours may be set (NTP after a boot without a battery) and must not make every login look old to every device."""

    __slots__ = ("_at", "_device_at", "_reading", "mono", "now")

    def __init__(self, now: Callable[[], datetime] = _utc_now, mono: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.mono = mono
        self._reading: ClockReading | None = None
        self._device_at: datetime | None = None
        self._at = 0.0

    @property
    def reading(self) -> ClockReading | None:
        """The latest. To be set when it is made."""
        return self._reading

    @reading.setter
    def reading(self, reading: ClockReading | None) -> None:
        self._reading, self._device_at, self._at = reading, None, self.mono()
        with contextlib.suppress(OverflowError):
            self._device_at = None if reading is None else self.now() + timedelta(seconds=reading.offset_s)

    def device_now(self) -> datetime:
        """The device's time now in UTC; ours where its clock is not known."""
        if self._device_at is not None:
            with contextlib.suppress(OverflowError):
                return self._device_at + timedelta(seconds=self.mono() - self._at)
        return self.now()

    @property
    def offset_s(self) -> float:
        """The device's clock minus ours as they are now; 0 where it is not known."""
        return (self.device_now() - self.now()).total_seconds()


class Asker(Protocol):
    """What is wanted of ``client.SoapClient`` to ask for the time."""

    clock: DeviceClock
    device: str
    device_url: str
    http_date: str | None

    async def call(
        self, url: str, action: str, body: bytes, *, operation: str, authenticate: bool = True, limit: int = ...
    ) -> etree._Element: ...


async def measure(client: Asker) -> ClockReading:
    """Ask for the device's time without a login, and keep the reading in ``client.clock``.

    Offset at half the round trip; uncertainty is half the round trip and half a second. A device that wants a login
    even for that is read by the Date of its HTTP answer (RFC 9110 §6.6.1), and asked with the login only where that
    is missing too. Raises Unreachable, AuthFailed, or ProtocolFault where it does not tell the time.
    """
    try:
        return await look(client)
    except LoginWanted:
        return await look(client, authenticate=True)


async def look(client: Asker, *, authenticate: bool = False) -> ClockReading:
    """One question for the time. Raises LoginWanted where it is asked without a login and needs one."""
    began, at = time.monotonic(), client.clock.now()
    fault: ProtocolFault | None = None
    device_time: datetime | None = None
    client.http_date = None
    try:
        answer = await client.call(
            client.device_url,
            _ACTION + "GetSystemDateAndTime",
            _GET,
            operation="GetSystemDateAndTime",
            authenticate=authenticate,
            limit=_LONGEST_ANSWER,
        )
        device_time = read_time(answer)
    except ProtocolFault as error:
        fault = error
    if device_time is None:
        device_time = _http_time(client.http_date)
    if device_time is None:
        raise fault or ProtocolFault(f"{client.device} answered GetSystemDateAndTime without a time that can be read")
    trip = time.monotonic() - began
    offset = (device_time - at).total_seconds() + _HALF_SECOND - trip / 2
    reading = ClockReading(round(offset, 3), round(trip / 2 + _HALF_SECOND, 3), at)
    client.clock.reading = reading
    return reading


async def set_clock(client: Asker, at: datetime) -> None:
    """Set the device's clock to ``at``, the true time at this call; its time zone and DST stay as they are.

    A device that was on NTP is taken off it: its server has evidently not helped. Raises DeviceError.
    """
    began = time.monotonic()
    answer = await client.call(
        client.device_url, _ACTION + "GetSystemDateAndTime", _GET, operation="GetSystemDateAndTime"
    )
    daylight = (soap.text(answer, "SystemDateAndTime/DaylightSavings") or "").lower() in ("true", "1")
    zone = soap.text(answer, "SystemDateAndTime/TimeZone/TZ")
    moment = at + timedelta(seconds=time.monotonic() - began + _HALF_SECOND)  # they take whole seconds: round
    await client.call(
        client.device_url,
        _ACTION + "SetSystemDateAndTime",
        _set_request(moment.astimezone(UTC), zone, daylight=daylight),
        operation="SetSystemDateAndTime",
    )


def _set_request(moment: datetime, zone: str | None, *, daylight: bool) -> bytes:
    tt = f'xmlns="{soap.NS["tt"]}"'
    kept = f"<TimeZone><TZ {tt}>".encode() + soap.escape(zone) + b"</TZ></TimeZone>" if zone else b""
    return (
        f'<SetSystemDateAndTime xmlns="{soap.NS["tds"]}"><DateTimeType>Manual</DateTimeType>'
        f"<DaylightSavings>{'true' if daylight else 'false'}</DaylightSavings>".encode()
        + kept
        + f"<UTCDateTime><Time {tt}><Hour>{moment.hour}</Hour><Minute>{moment.minute}</Minute>"
        f"<Second>{moment.second}</Second></Time><Date {tt}><Year>{moment.year}</Year><Month>{moment.month}</Month>"
        f"<Day>{moment.day}</Day></Date></UTCDateTime></SetSystemDateAndTime>".encode()
    )


def read_time(answer: etree._Element) -> datetime | None:
    """The UTC time in a GetSystemDateAndTimeResponse; from local time and zone where UTC is missing or broken."""
    found = soap.child(answer, "SystemDateAndTime")
    if found is None:
        return None
    utc = _moment(soap.child(found, "UTCDateTime"))
    if utc is not None:
        return utc.replace(tzinfo=UTC)
    wall = _moment(soap.child(found, "LocalDateTime"))
    zone = soap.text(found, "TimeZone/TZ")
    if wall is None or zone is None:
        return None
    return local_to_utc(wall, zone)


def local_to_utc(wall: datetime, zone: str) -> datetime | None:
    """A wall clock's time by a POSIX TZ string (IEEE Std 1003.1 §8.3) such as "CST-8"; None where that is none."""
    known = _posix_zone(zone)
    try:
        return wall.replace(tzinfo=known).astimezone(UTC) if known is not None else None
    except (OverflowError, ValueError):
        return None


def _posix_zone(zone: str) -> ZoneInfo | None:
    """A TZif file (RFC 8536) that says nothing itself and leaves all to its footer, which is a POSIX TZ string."""
    if not zone.isascii() or len(zone) > 100 or printable(zone) != zone:
        return None
    counts = struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    one_type = struct.pack(">lbb", 0, 0, 0) + b"UTC\0"
    block = b"TZif2" + bytes(15) + counts + one_type
    try:
        return ZoneInfo.from_file(io.BytesIO(block + block + b"\n" + zone.encode() + b"\n"))
    except (ValueError, OverflowError, struct.error):
        return None


def _moment(element: etree._Element | None) -> datetime | None:
    """A tt:DateTime without its zone; None where a field is missing or no such moment exists."""
    if element is None:
        return None
    fields = [soap.text(element, path) for path in _FIELDS]
    try:
        year, month, day, hour, minute, second = (int(value or "") for value in fields)
        # A leap second, and hours and minutes that ran over, as some write them.
        return datetime(year, month, day) + timedelta(hours=hour, minutes=minute, seconds=second)
    except (ValueError, OverflowError):
        return None


_FIELDS = ("Date/Year", "Date/Month", "Date/Day", "Time/Hour", "Time/Minute", "Time/Second")


def _http_time(field: str | None) -> datetime | None:
    if field is None:
        return None
    try:
        found = parsedate_to_datetime(field[:64])
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
