"""One stream of a camera: its connection, however often it breaks, and what it is told about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.backoff import Backoff
from gateway.errors import AuthFailed
from gateway.observability import events
from gateway.ports import AccessUnit, Clock, VideoSource
from gateway.supervision.governor import MOST_URGENT, Governor, Turn
from gateway.supervision.health import KeyframePace
from gateway.supervision.lockout import Lockout, Visit
from gateway.supervision.place import Login, Place
from gateway.supervision.supervisor import Break, State, Supervisor
from gateway.video.wire import CameraOrder

BACKOFF_FIRST_S = 0.5
BACKOFF_CEILING_S = 15.0
"""A camera that returns after a power cut is seen within 15 s; a dead one costs four dials a minute."""
DEAD_S = 600.0
DEAD_CEILING_S = 30.0
"""One that has not answered for ten minutes is dialled half as often; all are back within a minute all the same."""
DEMOTED_S = 120.0
DEMOTION = 2
"""One that has been gone for two minutes lets those pass that went a moment ago: five hundred dead cameras in a box of
64 dials would otherwise be half a minute's queue for each that comes back."""

UNKNOWN_GOP_S = 30.0
"""How long a keyframe is waited for from a camera whose rhythm is not known: "smart" codecs take 10 s and more."""
LONGEST_GOP_S = 180.0
RHYTHM_KNOWN = 2


class CameraSource(VideoSource, Protocol):
    """A connection that also knows the size of what it receives, in pixels (None until its parameter sets came), and how
    many access units could not be put together."""

    @property
    def width(self) -> int | None: ...
    @property
    def height(self) -> int | None: ...
    @property
    def dropped(self) -> int: ...


Connect = Callable[[CameraOrder, str, float], CameraSource]
"""(order, address of the stream, seconds that a keyframe may be in coming) → a connection for one attempt."""


@dataclass(frozen=True, slots=True)
class Switchboard:
    """What every stream of a worker dials with."""

    connect: Connect
    governor: Governor
    lockout: Lockout
    clock: Clock


class Audience(Protocol):
    """Whom a stream tells. No call waits."""

    def unit(self, unit: AccessUnit) -> None: ...
    def changed(self) -> None:
        """Codec or size are others now, or it came up, broke, or was refused."""

    def broke(self) -> None:
        """The connection is over: what follows is from another one."""


class Stream:
    """Keeps one stream of a camera connected, and is the outlet of each of its connections.

    ``run`` goes on for ever, ``once`` is one attempt. ``wants_all`` is read by the connection on every burst.
    """

    def __init__(self, order: CameraOrder, url: str, board: Switchboard, audience: Audience, rank: int) -> None:
        self.url = url
        self.rank = rank
        self.login = Login.of(url, order.credential, basic=order.allow_basic)
        self.wants_all = False
        self.pace = KeyframePace()
        self.trouble: str | None = None
        self.refused: str | None = None
        self.playing_since: float | None = None
        self.codec: str | None = None
        self.width: int | None = None
        self.height: int | None = None
        self.received_bytes = 0
        self.reconnects = 0
        self._order = order
        self._board = board
        self._audience = audience
        self._place = Place.of(url)
        self._source: CameraSource | None = None
        self._visit: Visit | None = None
        self._turn: Turn | None = None
        self._first_picture: Callable[[], None] | None = None
        self._shown = False
        self._stretch = 0.0
        self._sessions = 0
        self._kept_up = False
        self._dropped = 0
        self._gone_since = board.clock.mono()
        self._backoff = Backoff(first=BACKOFF_FIRST_S, ceiling=BACKOFF_CEILING_S)
        self._supervisor = Supervisor(
            order.id,
            self._attempt,
            self._backoff,
            board.clock,
            self._broken,
            self._back,
            on_refused=self._shut_out,
            gate=self._enter,
        )

    @property
    def state(self) -> State:
        return self._supervisor.state

    @property
    def dropped(self) -> int:
        """Access units that could not be put together, over all connections."""
        return self._dropped + (self._source.dropped if self._source is not None else 0)

    async def run(self) -> None:
        """Keep it connected until cancelled."""
        self._kept_up = True
        await self._supervisor.run()

    async def once(self) -> Break:
        """One attempt, and why it ended."""
        return await self._supervisor.run_once()

    def retry(self) -> None:
        """A refused credential may be tried once more."""
        self.refused = None
        self._supervisor.credential_changed()
        self._audience.changed()

    def nudge(self) -> None:
        """Somebody waits for a picture."""
        if self._turn is not None:
            self._turn.hurry()
        self._supervisor.nudge()

    # -------------------------------------------------------------------------------------- VideoOutlet

    def playing(self) -> None:
        clock = self._board.clock
        self.playing_since = clock.mono()
        self._backoff.ceiling = BACKOFF_CEILING_S
        if self._visit is not None:
            self._visit.proven()
        self._supervisor.playing()

    def online(self, codec: str) -> None:
        if self.playing_since is None:
            self.playing()
        if codec != self.codec:
            self.codec = codec
            self._audience.changed()

    def unit(self, unit: AccessUnit) -> None:
        if unit.keyframe:
            self._keyframe(unit.received_mono)
        self._audience.unit(unit)

    def received(self, size: int) -> None:
        self.received_bytes += size

    # -------------------------------------------------------------------------------------- supervision

    async def _enter(self) -> Turn:
        """The right to dial: the login is not refused, and the budget has room."""
        board, gone_for = self._board, self._gone_for()
        self._backoff.ceiling = DEAD_CEILING_S if gone_for > DEAD_S else BACKOFF_CEILING_S
        visit = await board.lockout.enter(self.login, self._order.id, self.retry)
        turn = self._turn = board.governor.ask(self._place, self._rank(gone_for))
        try:
            await turn.come()
        except BaseException:
            visit.leave()
            raise
        finally:
            self._turn = None
        self._visit = visit
        return turn

    async def _attempt(self, online: Callable[[], None]) -> None:
        # "Online" is the first keyframe, not the answer to PLAY: many a camera answers and then shows nothing.
        self._first_picture = online
        self._shown = False
        try:
            self._source = self._board.connect(self._order, self.url, self._patience())
            await self._source.run(self)
        except AuthFailed as refusal:
            if self._visit is not None:
                self._visit.refused(str(refusal))
            raise
        finally:
            self._hung_up()

    def _hung_up(self) -> None:
        if self._source is not None:
            self._dropped += self._source.dropped
        if self._visit is not None:
            self._visit.leave()
        if self._shown:
            self._stretch = 0.0
        elif self.playing_since is not None:
            # It plays and shows nothing: perhaps its keyframes are rarer than they were.
            self._stretch = min(LONGEST_GOP_S, max(UNKNOWN_GOP_S, 2 * self._stretch))
        self._source = self._visit = self.playing_since = self._first_picture = None
        self.pace.broken()
        self._audience.broke()

    def _keyframe(self, received_mono: float) -> None:
        self.pace.note(received_mono)
        self._shown = True
        source = self._source
        if source is not None and (source.width != self.width or source.height != self.height):
            self.width, self.height = source.width, source.height
            self._audience.changed()
        if self._first_picture is not None:
            self._first_picture()

    def _back(self) -> None:
        if self.playing_since is None:
            self.playing()
        self._first_picture = None
        self.trouble = None
        self.reconnects = self._sessions
        self._sessions += 1
        if self._kept_up:
            events.camera_online(self._order.id)
        self._audience.changed()

    def _broken(self, reason: str, retry_in: float, first: bool) -> None:
        self.trouble = reason
        events.camera_broken(self._order.id, reason, retry_in, first=first)
        self._audience.changed()

    def _shut_out(self, reason: str) -> None:
        self.refused = reason
        events.camera_refused(self._order.id, reason)
        self._audience.changed()

    def _gone_for(self) -> float:
        return self._board.clock.mono() - max(self._gone_since, self.pace.last or 0.0)

    def _rank(self, gone_for: float) -> int:
        """Its rank among those who want to dial."""
        return self.rank + (DEMOTION if gone_for > DEMOTED_S and self.rank > MOST_URGENT else 0)

    def _patience(self) -> float:
        """How long a keyframe may be in coming."""
        rhythm = self.pace.limit() if self.pace.intervals >= RHYTHM_KNOWN else UNKNOWN_GOP_S
        return min(LONGEST_GOP_S, max(rhythm, self._stretch))
