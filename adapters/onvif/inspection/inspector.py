"""What a device is and offers, told by a child process: the broad, rare surface of ONVIF goes through zeep, which costs
half a second and 60 MB to load and may be made to burn time by an answer, so it stays out of the core and the workers."""

import asyncio
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from adapters.onvif.addresses import authority
from adapters.onvif.faults import ClockSuspected
from adapters.onvif.inspection import wire
from adapters.onvif.inspection.process import InspectionProcess
from adapters.onvif.inspection.profiles import Profile
from adapters.onvif.services import Services
from gateway.errors import AuthFailed, Busy, ProtocolFault, Unreachable
from gateway.model import ClockReading, DeviceInformation, OnvifAddress
from gateway.reach import Reach

_AT_ONCE = 8
_OVERTIME_S = 6.0
"""The child ends itself three seconds after the deadline."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A picture source of the device: of a camera its one, of a recorder one for each camera behind it."""

    source: str | None
    name: str
    main: Profile
    sub: Profile | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """``identity``: the endpoint UUID, else the serial number, else None. ``digital_inputs``: their tokens. ``remarks``:
    what was odd or could not be asked, in sentences."""

    information: DeviceInformation
    identity: str | None
    services: Services
    channels: tuple[Channel, ...]
    clock: ClockReading | None = None
    digital_inputs: tuple[str, ...] = ()
    has_imaging: bool = False
    has_ptz: bool = False
    scopes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Answer:
    inspection: Inspection | None = None
    error: str = ""
    text: str = ""
    after: float = 0.0


_ANSWER = TypeAdapter(_Answer)


class Inspector:
    """Keeps one child process while there is work and ends it after ``idle_s`` without; passwords go to it over sockets
    alone. ``reach``: which devices may be asked. ``deadline_s`` bounds each inspection; eight go on at once, others wait their turn."""

    def __init__(
        self,
        *,
        idle_s: float = 30.0,
        deadline_s: float = 30.0,
        reach: Reach = Reach(),
    ) -> None:
        self._reach = reach
        self._idle_s = idle_s
        self._deadline_s = deadline_s
        self._process: InspectionProcess | None = None
        self._starting = asyncio.Lock()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._under_way: set[asyncio.StreamWriter] = set()
        self._asked = 0
        self._idle: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Of the child process, while there is one."""
        return self._process.pid if self._process else None

    async def inspect(self, address: OnvifAddress) -> Inspection:
        """Ask the device, its clock first. Raises AuthFailed, Unreachable (ClockSuspected, Busy) or ProtocolFault in
        words. A wrong password is tried once."""
        await self._look_at(address)
        self._asked += 1
        self._keep()
        try:
            async with self._turns:
                return await self._ask(address)
        finally:
            self._asked -= 1
            if not self._asked and not self._closed:
                self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._let_go)

    async def _look_at(self, address: OnvifAddress) -> None:
        """Raises NotReachable, Unreachable."""
        try:
            await self._reach.addresses(address.host, address.port)
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"{address.host} is no name that can be looked up: {error}") from None

    async def close(self) -> None:
        """End the child; inspections under way raise Unreachable."""
        self._closed = True
        self._keep()
        for writer in list(self._under_way):
            writer.close()
        async with self._starting:
            self._let_go()
        if self._ending:
            await asyncio.wait(self._ending)

    async def _ask(self, address: OnvifAddress) -> Inspection:
        device = authority(address)
        process = await self._running(device)
        try:
            reader, writer = await asyncio.open_connection(sock=process.open(), limit=wire.MAX_ANSWER)
        except OSError:
            raise Unreachable(f"{device} was not inspected: the inspecting process is gone; try again") from None
        self._under_way.add(writer)
        try:
            writer.write(wire.request(address, self._deadline_s))
            async with asyncio.timeout(self._deadline_s + _OVERTIME_S):
                body = await _receive(reader)
        except TimeoutError:
            self._let_go()
            raise Unreachable(f"{device} was not inspected within {self._deadline_s:g} s") from None
        except (EOFError, OSError):
            if self._closed:
                raise Unreachable(f"{device} was not inspected: the gateway is stopping") from None
            if not process.alive:
                raise Unreachable(f"{device} was not inspected: the inspecting process is gone; try again") from None
            raise ProtocolFault(
                f"{device}: reading its answers took more memory or time than an inspection is given"
            ) from None
        finally:
            self._under_way.discard(writer)
            writer.close()
        return _read_answer(body, device)

    async def _running(self, device: str) -> InspectionProcess:
        async with self._starting:
            if self._closed:
                raise Unreachable(f"{device} was not inspected: the gateway is stopping")
            if self._process is None or not self._process.alive:
                self._let_go()
                try:
                    self._process = await InspectionProcess.start()
                except (EOFError, OSError, TimeoutError) as error:
                    raise Unreachable(f"{device} was not inspected: the inspecting process did not start") from error
            return self._process

    def _keep(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _let_go(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            task = asyncio.get_running_loop().create_task(process.end())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)


async def _receive(reader: asyncio.StreamReader) -> bytes:
    (size,) = wire.SIZE.unpack(await reader.readexactly(wire.SIZE.size))
    if size > wire.MAX_ANSWER:
        raise EOFError  # a process taken over by an answer may say anything
    return await reader.readexactly(size)


def _read_answer(body: bytes, device: str) -> Inspection:
    try:
        answer = _ANSWER.validate_json(body)
    except ValidationError:
        raise ProtocolFault(f"{device}: the inspecting process gave no sensible answer about it") from None
    if answer.inspection is not None:
        return answer.inspection
    match answer.error:
        case "AuthFailed":
            raise AuthFailed(answer.text)
        case "ClockSuspected":
            raise ClockSuspected(answer.text)
        case "Busy":
            raise Busy(answer.text, answer.after)
        case "Unreachable":
            raise Unreachable(answer.text)
        case "ours":
            raise ProtocolFault(f"{device}: its answers could not be read ({answer.text})")
    raise ProtocolFault(answer.text)
