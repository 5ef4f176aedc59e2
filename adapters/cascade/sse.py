"""Server-Sent Events, the receiving side (WHATWG HTML §9.2.6): bytes in, events out, no I/O."""

from dataclasses import dataclass

from gateway.errors import ProtocolFault

MAX_EVENT = 8 * 1024 * 1024  # bytes; an entry is far below
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """``id`` is the last id heard so far, also where this event brought none; ``event`` is its type."""

    id: str
    event: str
    data: str


class EventParser:
    """Feed it what the socket gives, in any cut. Raises ProtocolFault for an event beyond ``limit`` bytes."""

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._limit = limit
        self._line = bytearray()
        self._after_cr = False
        self._first = True
        self._data: list[str] = []
        self._size = 0
        self._event = ""
        self._id = ""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        events: list[ServerSentEvent] = []
        if not chunk:
            return events
        ends_in_cr = chunk.endswith(b"\r")
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")
        self._after_cr = ends_in_cr
        lines = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines[:-1]:
            self._keep(line)
            self._end_line(events)
        self._keep(lines[-1])
        return events

    def _keep(self, part: bytes) -> None:
        if self._size + len(self._line) + len(part) > self._limit:
            raise ProtocolFault(f"an event of the stream is larger than {self._limit} bytes")
        self._line += part

    def _end_line(self, events: list[ServerSentEvent]) -> None:
        raw = bytes(self._line)
        self._line.clear()
        if self._first:
            self._first = False
            raw = raw.removeprefix(_BOM)
        if not raw:
            self._dispatch(events)
            return
        self._size += len(raw)
        name, _, value = raw.decode("utf-8", "replace").partition(":")
        self._field(name, value.removeprefix(" "))

    def _field(self, name: str, value: str) -> None:
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        if self._data:
            events.append(ServerSentEvent(self._id, self._event or "message", "\n".join(self._data)))
        self._data = []
        self._event = ""
        self._size = 0
