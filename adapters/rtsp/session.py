"""The RTSP dialogue of one connection, without I/O: OPTIONS, DESCRIBE, SETUP, PLAY, keep-alive, TEARDOWN.

Whoever owns the socket sends what the methods return and hands in what comes; time is an argument (RFC 2326 §10, §A.1).
"""

from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from math import inf

from adapters.rtsp.address import Address, base_of, control_url
from adapters.rtsp.deadlines import PlayWatch, Timeouts
from adapters.rtsp.login import Login
from adapters.rtsp.message import Request, Response, encode_request, encode_response, printable
from adapters.rtsp.payload.depacketiser import SPOKEN
from adapters.rtsp.refusal import Redirected, UdpOnly, check, check_options, wants_other_transport
from adapters.rtsp.route import OFFERS, OVER_TCP, TCP, UDP, Datagrams, Route, over_udp, read_transport
from adapters.rtsp.sdp import Description, Media, parse_description, session_timeout
from gateway.errors import AuthFailed, NotSpoken, ProtocolFault, Unreachable
from gateway.model import Credential

DEFAULT_SESSION_TIMEOUT = 60  # seconds (RFC 2326 §12.37)
_USER_AGENT = "township-gateway"
_MAX_KEEP_ALIVE = 60.0  # a NAT between us and the camera forgets sooner than a camera with `timeout=3600`


class State(Enum):
    IDLE = auto()
    OPTIONS = auto()
    DESCRIBE = auto()
    SETUP = auto()
    PLAY = auto()
    PLAYING = auto()
    CLOSING = auto()
    CLOSED = auto()


_WAITING = frozenset({State.OPTIONS, State.DESCRIBE, State.SETUP, State.PLAY})


class Session:
    """One dialogue, from OPTIONS to TEARDOWN.

    ``media`` is set once the description is read, ``route`` once the camera has said how it will send. ``transport`` is
    auto (TCP, else UDP), tcp or udp; ``open_ports`` opens a pair of UDP ports and gives the even one, when it comes to
    that. Every method that returns bytes returns what has to be sent now, perhaps nothing; only DeviceErrors are raised,
    among them Redirected and UdpOnly, which ask for another connection.
    """

    def __init__(
        self,
        address: Address,
        credential: Credential | None,
        timeouts: Timeouts,
        *,
        allow_basic: bool,
        transport: str = TCP,
        open_ports: Callable[[], int] | None = None,
    ) -> None:
        self.state = State.IDLE
        self.media: Media | None = None
        self.route: Route | None = None
        self.timeout = DEFAULT_SESSION_TIMEOUT
        self._address = address
        self._timeouts = timeouts
        # Whoever listens to an encrypted connection hears no password.
        self._login = Login(address.authority, credential, allow_basic=allow_basic or address.tls)
        self._watch = PlayWatch(address.authority, timeouts)
        self._offers = list(OFFERS[transport])
        self._may_use_udp = UDP in self._offers
        self._open_ports = open_ports
        self._wanted = ""
        self._cseq = 0
        self._method = ""
        self._uri = address.url
        self._fields: tuple[tuple[str, str], ...] = ()
        self._asked_at = 0.0
        self._aggregate = self._control = address.url
        self._session_id: str | None = None
        self._keep_alive = "OPTIONS"
        self._kept_alive_at = 0.0

    # ------------------------------------------------------------------------------------------ what the owner calls

    def begin(self, now: float) -> bytes:
        self.state = State.OPTIONS
        return self._ask("OPTIONS", self._address.url, now)

    def receive(self, message: Request | Response, now: float) -> bytes:
        if isinstance(message, Request):
            return self._serve(message)
        if message.status < 200 or self._is_late(message):
            return b""
        if self.state is State.CLOSING:
            return self._after_teardown(message, now)
        self._note_session(message)
        if message.status == 401:
            return self._authenticate(message, now)
        self._login.accepted(message)
        match self.state:
            case State.OPTIONS:
                return self._after_options(message, now)
            case State.DESCRIBE:
                return self._after_describe(message, now)
            case State.SETUP:
                return self._after_setup(message, now)
            case State.PLAY:
                return self._after_play(message, now)
            case _:
                return self._after_keep_alive(message)

    def tick(self, now: float, *, media_seen: bool, keyframe_at: float) -> bytes:
        """Watch the deadlines and keep the session alive. ``keyframe_at``: when the last keyframe came, or 0."""
        if self.state is State.PLAYING:
            self._watch.check(now, media_seen=media_seen, keyframe_at=keyframe_at)
            return self._stay_alive(now)
        if self.state in _WAITING and now - self._asked_at >= self._timeouts.answer:
            raise Unreachable(
                f"{self._address.authority} did not answer {self._method} within {self._timeouts.answer:g} s; "
                "if the camera hangs, restart it"
            )
        return b""

    def teardown(self, now: float) -> bytes:
        """End the session, so that the camera has its place free at once; nothing where it has none."""
        if self._session_id is None or self.state in (State.CLOSING, State.CLOSED):
            self.state = State.CLOSED
            return b""
        self.state = State.CLOSING
        return self._ask("TEARDOWN", self._aggregate, now)

    # ------------------------------------------------------------------------------------------ the steps

    def _after_options(self, answer: Response, now: float) -> bytes:
        check_options(self._address.authority, answer, self.timeout)
        public = ",".join(answer.headers.get("public", [])).upper()
        if "GET_PARAMETER" in (part.strip() for part in public.split(",")):
            self._keep_alive = "GET_PARAMETER"
        self.state = State.DESCRIBE
        return self._ask("DESCRIBE", self._address.url, now, ("Accept", "application/sdp"))

    def _after_describe(self, answer: Response, now: float) -> bytes:
        self._expect_success(answer)
        description = parse_description(answer.body.decode("utf-8", "replace"))
        self.media = self._choose_media(description)
        base = base_of(answer.first("content-base") or answer.first("content-location"), self._address.url)
        self._aggregate = control_url(base, description.control)
        self._control = control_url(base, self.media.control)
        self.state = State.SETUP
        return self._set_up(now)

    def _choose_media(self, description: Description) -> Media:
        media = description.video(SPOKEN)
        if not description.medias:
            raise ProtocolFault(
                f"{self._address.authority} answered DESCRIBE with no description of a stream, perhaps with a web page; "
                "look at port and path of the stream address"
            )
        if media is None:
            kinds = ", ".join(printable(kind, 20) for kind in description.kinds[:8])
            raise ProtocolFault(
                f"{self._address.authority} offers no video{f', only {kinds}' if kinds else ''}; "
                "look at the path of the stream address, or switch the camera's video on"
            )
        if "SAVP" in media.profile:
            raise NotSpoken(
                f"{self._address.authority} offers only encrypted RTP ({printable(media.profile, 20)}), which is not "
                "spoken; switch SRTP off in the camera (rtsps:// encrypts as well)"
            )
        return media

    def _set_up(self, now: float) -> bytes:
        if self._offers.pop(0) == UDP:
            if self._open_ports is None:
                raise NotSpoken(f"{self._address.authority} sends by UDP only, and there are no ports for it here")
            self._wanted = over_udp(self._open_ports())
        else:
            self._wanted = OVER_TCP
        return self._ask("SETUP", self._control, now, ("Transport", self._wanted))

    def _after_setup(self, answer: Response, now: float) -> bytes:
        if wants_other_transport(answer) and self._offers:
            return self._set_up(now)
        self._expect_success(answer)
        transport = answer.first("transport") or ""
        asked_udp = self._wanted != OVER_TCP
        self.route = route = read_transport(transport, asked_udp=asked_udp)
        if route is None or (isinstance(route, Datagrams) and not asked_udp):
            self._refuse_route(transport, route)
        self.state = State.PLAY
        return self._ask("PLAY", self._aggregate, now, ("Range", "npt=0.000-"))

    def _refuse_route(self, transport: str, route: Route | None) -> None:
        said = f"{self._address.authority} answered SETUP with transport “{printable(transport)}”"
        if "multicast" in transport.lower():
            raise NotSpoken(f"{said}, which is multicast")
        if route is not None and self._may_use_udp:
            raise UdpOnly(f"{said} where “{self._wanted}” was asked for")
        raise ProtocolFault(
            f"{said} where “{self._wanted}” was asked for; allow RTP over TCP in the camera's settings, or set "
            "`transport: auto` in ours"
        )

    def _after_play(self, answer: Response, now: float) -> bytes:
        self._expect_success(answer)
        self.state = State.PLAYING
        self._kept_alive_at = now
        self._watch.begin(now)
        return b""

    def _after_keep_alive(self, answer: Response) -> bytes:
        # The stream itself shows whether the session lives; a refusal only says that the camera lied about Public.
        if answer.status >= 400:
            self._keep_alive = "OPTIONS"
        return b""

    def _after_teardown(self, answer: Response, now: float) -> bytes:
        if answer.status == 401:
            with suppress(AuthFailed):
                return self._authenticate(answer, now)  # a camera with a new nonce for every request
        self.state = State.CLOSED
        return b""

    def _expect_success(self, answer: Response) -> None:
        check(self._address.authority, self._method, answer, self.timeout)

    def _authenticate(self, answer: Response, now: float) -> bytes:
        try:
            self._login.challenged(self._method, answer)
        except AuthFailed:
            if self.state is not State.PLAYING:
                raise
            # No reason to end a stream that comes; but every further keep-alive would be one more wrong password.
            self._kept_alive_at = inf
            return b""
        return self._ask(self._method, self._uri, now, *self._fields)

    # ------------------------------------------------------------------------------------------ while it plays

    def _stay_alive(self, now: float) -> bytes:
        if now - self._kept_alive_at < min(_MAX_KEEP_ALIVE, max(1.0, self.timeout / 2)):
            return b""
        self._kept_alive_at = now
        return self._ask(self._keep_alive, self._aggregate, now)

    def _serve(self, request: Request) -> bytes:
        authority, location = self._address.authority, (request.headers.get("location") or [""])[0]
        if request.method == "REDIRECT" and location:
            raise Redirected(authority, location)
        if request.method in ("TEARDOWN", "REDIRECT"):
            raise Unreachable(f"{authority} ended the session with {request.method}")
        known = request.method in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER", "ANNOUNCE")
        return encode_response("200 OK" if known else "501 Not Implemented", request.cseq)

    # ------------------------------------------------------------------------------------------ requests

    def _ask(self, method: str, uri: str, now: float, *fields: tuple[str, str]) -> bytes:
        self._cseq += 1
        self._method, self._uri, self._fields, self._asked_at = method, uri, fields, now
        lines = [("CSeq", str(self._cseq)), ("User-Agent", _USER_AGENT)]
        if self._session_id is not None:
            lines.append(("Session", self._session_id))
        if authorization := self._login.field(method, uri):
            lines.append(("Authorization", authorization))
        return encode_request(method, uri, [*lines, *fields])

    def _is_late(self, answer: Response) -> bool:
        """An answer to an earlier request; cameras that do not number their answers are taken to mean the last."""
        return answer.cseq is not None and answer.cseq < self._cseq

    def _note_session(self, answer: Response) -> None:
        """Take the newest session id: some cameras change it between answers (RFC 2326 §12.37)."""
        if self.state not in (State.SETUP, State.PLAY) or (value := answer.first("session")) is None:
            return
        session_id, timeout = session_timeout(value)
        if session_id and len(session_id) <= 256:
            self._session_id = session_id
        if timeout:
            self.timeout = timeout
