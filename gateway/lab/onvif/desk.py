"""What a simulated device makes of each request: who may, what it knows, and what it says in place of an answer."""

import asyncio

from gateway.lab.onvif.device import SimulatedDevice
from gateway.lab.onvif.faults import Behaviour
from gateway.lab.onvif.http import Exchange, Request
from gateway.lab.onvif.login import Admission
from gateway.lab.onvif.operations import operations_of
from gateway.lab.onvif.soap import Call, Fault, fault, read

_OPEN = {
    "tds:GetSystemDateAndTime", "tds:GetServices", "tds:GetServiceCapabilities", "tds:GetCapabilities",
    "tds:GetEndpointReference", "tds:GetHostname", "trt:GetServiceCapabilities", "tr2:GetServiceCapabilities",
    "tev:GetServiceCapabilities", "tptz:GetServiceCapabilities",
}  # fmt: skip
_PAGES = {
    "404": "<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1></body></html>",
    "login": "<!DOCTYPE html><html><body><form action='/login'><input name='user'><input type='password'></form>"
    "</body></html>",
}
_NOT_AUTHORIZED = fault("Sender", "ter:NotAuthorized", reason="the sender is not authorized")


class Desk:
    """Takes the requests to one device."""

    def __init__(self, device: SimulatedDevice) -> None:
        self._device = device
        self._operations = operations_of(device)

    @property
    def _behaviour(self) -> Behaviour:
        return self._device.behaviour

    def handle(self, request: Request, exchange: Exchange) -> None:
        if self._behaviour.hangs:
            return
        if self._behaviour.page:
            exchange.send(200, _PAGES[self._behaviour.page].encode(), "text/html")
        elif request.path.startswith("/snapshot/"):
            self._send_snapshot(request, exchange)
        elif request.method == "POST" and request.path.startswith("/onvif/"):
            self._answer(request, exchange)
        else:
            exchange.send(404, b"no such page\n", "text/plain")

    def _answer(self, request: Request, exchange: Exchange) -> None:
        call = read(request.body)
        if call is None or (call.own_prefixes and not self._behaviour.own_prefixes):
            exchange.send(400 if call is None else 500, fault("Sender", "ter:WellFormed", reason="not well-formed"))
            return
        self._device.figures.calls[call.operation] += 1
        try:
            self._admit(request, call)
            operation = self._operations.get(call.operation)
            if operation is None or not self._knows(call.operation):
                raise Fault(500, fault("Receiver", "ter:ActionNotSupported", reason="optional action not implemented"))
            if (body := operation(call, request, exchange)) is not None:
                exchange.send(200, self._device.written(body))
        except Fault as refusal:
            challenges = self._device.door.challenges() if refusal.status == 401 else ()
            exchange.send(refusal.status, self._behaviour.junk + refusal.body, headers=challenges)

    def _knows(self, operation: str) -> bool:
        prefix, _, name = operation.partition(":")
        if operation == "tds:GetServices":
            return self._behaviour.services
        if prefix == "tr2":
            return self._behaviour.media2
        if name in ("CreatePullPointSubscription", "PullMessages", "SetSynchronizationPoint"):
            return self._behaviour.events == "pull"
        return prefix not in ("tev", "wsnt") or self._behaviour.events != "none"

    def _admit(self, request: Request, call: Call) -> None:
        """Raises Fault for who may not."""
        needs_login = call.operation not in _OPEN or (
            self._behaviour.clock_needs_login and call.operation == "tds:GetSystemDateAndTime"
        )
        if needs_login:
            self._admit_by(request, call)
        if call.operation.startswith(("tev:", "wsnt:")) and not self._behaviour.may_events:
            raise Fault(400, _NOT_AUTHORIZED)

    def _admit_by(self, request: Request, call: Call | None) -> None:
        token = None if call is None else call.token
        admission = self._device.door.judge(request.method, request.headers.get("authorization"), token)
        self._device.figures.logins[admission.value] += 1
        if admission is Admission.STALE:
            raise Fault(401, _NOT_AUTHORIZED)
        if admission is not Admission.ADMITTED:
            asks = bool(self._device.door.challenges()) and admission is not Admission.LOCKED
            raise Fault(401 if asks or call is None else 400, _NOT_AUTHORIZED)

    def _send_snapshot(self, request: Request, exchange: Exchange) -> None:
        self._device.figures.snapshots += 1
        try:
            self._admit_by(request, None)
        except Fault as refusal:
            exchange.send(refusal.status, b"", "text/plain", self._device.door.challenges())
            return
        kind = self._behaviour.snapshot
        if kind == "html":
            exchange.send(200, _PAGES["login"].encode(), "text/html")
        elif kind == "endless":
            transport = exchange.begin(
                b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nConnection: close\r\n\r\n\xff\xd8"
            )
            _drip(transport)
        elif kind == "jpeg":
            source = request.path.rpartition("/")[2].partition(".")[0]
            exchange.send(200, self._device.picture(int(source) if source.isdecimal() else 1), "image/jpeg")


def _drip(transport: asyncio.Transport) -> None:
    """A little more for ever, until the client leaves."""
    if not transport.is_closing():
        transport.write(b"\x00" * 64)
        asyncio.get_running_loop().call_later(0.1, _drip, transport)
