"""SOAP calls to one device, logged in the way it wants, with a wrong password tried once."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from lxml import etree
from yarl import URL

from adapters.onvif import login, soap
from adapters.onvif.addresses import authority, device_url, same_host
from adapters.onvif.clock import DeviceClock, look
from adapters.onvif.faults import ClockSuspected, LoginWanted, NotPermitted, OnvifFault, result_of
from adapters.onvif.login import Attempt, Login, Refusal, TokenRefused
from adapters.onvif.security import username_token
from adapters.onvif.transport import MAX_ANSWER, Answer, exchange
from adapters.onvif.transport import shared_http as shared_http
from gateway.errors import AuthFailed, Busy, DeviceError, ProtocolFault
from gateway.model import ClockReading, OnvifAddress

_CLOCK_WRONG = 5.0  # seconds; from here on a refusal may be the clock's
_CLOCK_MOVED = 2.0
_LOCKED_FOR = 1800.0  # Hikvision and Dahua lock for half an hour
_MAX_ROUNDS = 5
_AT_ONCE = 256 * 1024  # bytes; what is larger takes tens of milliseconds to read, which others would wait for


@dataclass(frozen=True, slots=True)
class _Request:
    url: URL
    action: str
    body: bytes
    operation: str
    headers: bytes
    timeout: float
    limit: int


class _Unlogged(Exception):
    """A call without a login was refused."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal


class SoapClient:
    """One device. Calls may run at once; the first that needs the login goes alone, so that a wrong one is tried once.

    A refused credential stays refused: every later call that needs it raises the same verdict and sends nothing. Make
    another client for another credential, or once the clock is right. ``http_date`` is the Date of the latest answer.
    ``tally``: where calls are counted, by "operation/result"; the results are "ok" and those of ``faults.result_of``.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        address: OnvifAddress,
        *,
        clock: DeviceClock,
        mono: Callable[[], float] = time.monotonic,
        tally: Counter[str] | None = None,
    ) -> None:
        self.address = address
        self.clock = clock
        self.device = authority(address)
        self.device_url = device_url(address)
        self.http = http
        self.http_date: str | None = None
        self._mono = mono
        self._login = Login(self.device, address.credential) if address.credential else None
        self._alone = asyncio.Lock()
        self._verdict: DeviceError | None = None
        self._tally: Counter[str] = Counter() if tally is None else tally

    @property
    def logged_in(self) -> bool:
        """The device has accepted our credential where it wanted one."""
        return self._login is not None and self._login.proven

    async def call(
        self,
        url: str,
        action: str,
        body: bytes,
        *,
        operation: str,
        authenticate: bool = True,
        headers: bytes = b"",
        timeout: float = 10.0,
        limit: int = MAX_ANSWER,
    ) -> etree._Element:
        """One operation; the first element of its answer's Body.

        ``url``: at the device's own host (see addresses.reachable). ``body``: one element with a default namespace.
        ``headers``: more header blocks. ``timeout``: seconds for each request, of which finding out the login may take
        several. ``limit``: bytes of the answer. Raises Unreachable, Busy, ProtocolFault (OnvifFault, NotPermitted;
        LoginWanted where ``authenticate`` is off), AuthFailed, ClockSuspected.
        """
        try:
            request = _Request(self._checked(url, operation), action, body, operation, headers, timeout, limit)
            answer = await self._called(request, authenticate)
        except DeviceError as error:
            self._tally[f"{operation}/{result_of(error)}"] += 1
            raise
        self._tally[f"{operation}/ok"] += 1
        return answer

    async def _called(self, request: _Request, authenticate: bool) -> etree._Element:
        if authenticate and self._login is not None and self._login.proven:
            return await self._with_login(self._login, request, self._login.again())
        try:
            return await self._without_login(request)
        except _Unlogged as unlogged:
            refusal = unlogged.refusal
        if not authenticate:
            raise LoginWanted(f"{self.device} does not answer {request.operation} without a login")
        if self._login is None:
            raise login.none_configured(self.device, request.operation)
        async with self._alone:
            if not self._login.proven:
                return await self._first_login(self._login, request, refusal)
        return await self._with_login(self._login, request, self._login.again())

    def _checked(self, url: str, operation: str) -> URL:
        try:
            found = URL(url, encoded=True)
            own = same_host(found.host or "", self.address.host)
        except ValueError:
            own = False
        if not own:
            raise ProtocolFault(
                f"{self.device}: {operation} would go to another host, and a login is never taken there"
            )
        return found

    async def _without_login(self, request: _Request) -> etree._Element:
        answer = await self._post(request, None)
        try:
            found = await self._read(answer, request.operation)
        except OnvifFault as fault:
            # A fault that says nothing may be how it refuses, and so may one that comes with a challenge.
            if fault.refuses_login or answer.status in (401, 403) or not (fault.subcodes or fault.reason):
                raise _Unlogged(Refusal(answer.status, answer.challenges, fault)) from None
            raise
        except ProtocolFault:
            # Some say 400 or nothing at all to somebody they do not know, others to what they do not know: a login, where
            # there is one, finds out which.
            vague = answer.status == 400 or not answer.body
            if answer.status in (401, 403) or answer.challenges or (vague and self._login is not None):
                raise _Unlogged(Refusal(answer.status, answer.challenges)) from None
            raise
        if answer.status == 401:
            raise _Unlogged(Refusal(answer.status, answer.challenges))
        return found

    async def _first_login(self, known: Login, request: _Request, refusal: Refusal) -> etree._Element:
        """The one verification of an unproven credential."""
        return await self._with_login(known, request, known.begin(refusal, basic=request.url.scheme == "https"))

    async def _with_login(self, known: Login, request: _Request, attempt: Attempt) -> etree._Element:
        if self._verdict is not None:
            raise login.again(self._verdict)
        try:
            return await self._rounds(known, request, attempt)
        except (AuthFailed, ClockSuspected) as verdict:
            self._verdict = login.again(verdict)
            raise

    async def _rounds(self, known: Login, request: _Request, attempt: Attempt) -> etree._Element:
        basic = request.url.scheme == "https"
        clock_moved = False
        for _ in range(_MAX_ROUNDS):
            answer = await self._post(request, attempt)
            refusal = await self._refusal(answer, request.operation)
            if isinstance(refusal, etree._Element):
                known.accepted(attempt, request.operation)
                return refusal
            if refusal.fault is not None and refusal.fault.names_lock:
                raise Busy(f"{self.device} says that the user is locked out for now; it is left alone", _LOCKED_FOR)
            try:
                known.refused(attempt, refusal, request.operation, basic=basic)
            except TokenRefused:
                before, offset = self.clock.reading, self.clock.offset_s
                after = await self._look_again()
                if clock_moved or not _moved(before, offset, after):
                    if known.is_let_in(attempt, request.operation):
                        raise NotPermitted(self.device, request.operation, reason=refusal.reason) from None
                    raise self._clock_or_password(refusal, request.operation, after or before) from None
                clock_moved = True
        raise login.wrong_password(self.device, request.operation)

    async def _refusal(self, answer: Answer, operation: str) -> Refusal | etree._Element:
        """What the answer refuses; else what it brings. Other faults are raised."""
        try:
            found = await self._read(answer, operation)
        except OnvifFault as fault:
            if fault.refuses_login or answer.status == 401:
                return Refusal(answer.status, answer.challenges, fault)
            raise
        except ProtocolFault:
            if answer.status in (401, 403):
                return Refusal(answer.status, answer.challenges)
            raise
        return Refusal(answer.status, answer.challenges) if answer.status == 401 else found

    async def _read(self, answer: Answer, operation: str) -> etree._Element:
        if len(answer.body) <= _AT_ONCE:
            return soap.read(answer.body, self.device, operation, status=answer.status)
        return await asyncio.to_thread(soap.read, answer.body, self.device, operation, status=answer.status)

    async def _look_again(self) -> ClockReading | None:
        """A clock that was set since we looked refuses the best of passwords: look before it is a verdict."""
        try:
            return await look(self)
        except DeviceError:
            return None

    def _clock_or_password(self, refusal: Refusal, operation: str, reading: ClockReading | None) -> DeviceError:
        offset = reading.offset_s if reading else 0.0
        names_time = refusal.fault is not None and refusal.fault.names_time
        if abs(offset) > _CLOCK_WRONG:
            return ClockSuspected(
                f"{self.device} refuses {operation} and its clock is {_span(offset)}, which may be why; "
                f"set its clock, or check the password"
            )
        if names_time:
            return ClockSuspected(
                f"{self.device} refuses {operation} for the time in it; set its clock, or check the password"
            )
        return login.wrong_password(self.device, operation, refusal)

    async def _post(self, request: _Request, attempt: Attempt | None) -> Answer:
        security = b""
        fields = {"Content-Type": f'application/soap+xml; charset=utf-8; action="{request.action}"'}
        if attempt is not None and self._login is not None and self.address.credential is not None:
            if attempt.way.has_token:
                security = username_token(self.address.credential, self.clock.device_now())
            if attempt.way.has_field:
                fields["Authorization"] = self._login.authenticator.field("POST", request.url.raw_path_qs) or ""
        answer = await exchange(
            self.http,
            "POST",
            request.url,
            device=self.device,
            operation=request.operation,
            timeout=request.timeout,
            body=soap.envelope(request.body, security=security, headers=request.headers),
            headers=fields,
            limit=request.limit,
            resend=attempt is None or self.logged_in,  # a device that hangs up on a wrong password has counted it
        )
        self.http_date = answer.date
        return answer


def _moved(before: ClockReading | None, offset: float, after: ClockReading | None) -> bool:
    """The time that our token was made with, ``offset`` from ours, was wrong."""
    if after is None:
        return False
    doubt = after.uncertainty_s + (before.uncertainty_s if before else 0.0)
    return abs(after.offset_s - offset) > max(_CLOCK_MOVED, doubt)


def _span(offset: float) -> str:
    size = abs(offset)
    for length, unit in ((2 * 86400, 86400), (2 * 3600, 3600), (120, 60)):
        if size >= length:
            name = {86400: "days", 3600: "h", 60: "min"}[unit]
            return f"{size / unit:.0f} {name} {'fast' if offset > 0 else 'slow'}"
    return f"{size:.0f} s {'fast' if offset > 0 else 'slow'}"


__all__ = ["LoginWanted", "NotPermitted", "SoapClient", "shared_http"]
