"""The RTSP dialogue of one connection, without I/O: OPTIONS, DESCRIBE, SETUP, PLAY, keep-alive, TEARDOWN.

Whoever owns the socket sends what the methods return and hands in what comes; time is an argument (RFC 2326 §10, §A.1).
"""

from dataclasses import dataclass
from enum import Enum, auto

from adapters.rtsp.address import Address, base_of, control_url
from adapters.rtsp.auth import Authenticator, choose, parse_challenges
from adapters.rtsp.message import Request, Response, encode_request, encode_response, printable
from adapters.rtsp.sdp import Description, Media, interleaved_channel, parse_description, session_timeout
from gateway.errors import AuthFailed, ProtocolFault, Unreachable
from gateway.model import Credential

CODEC = "H264"
_USER_AGENT = "township-gateway"
_DEFAULT_SESSION_TIMEOUT = 60  # RFC 2326 §12.37
_MAX_KEEP_ALIVE = 60.0  # a NAT between us and the camera forgets sooner than a camera with `timeout=3600`
_MAX_RENEWALS = 2  # fresh nonces for one request
_ADVICE = {
    403: "the camera refuses this stream; look at the user's rights and at the stream's path",
    404: "look at the path of the stream address",
    453: "the camera has no bandwidth left; close other viewers of it",
    454: "the camera forgot the session",
    461: "the camera refuses RTP over its RTSP connection, the only transport spoken so far",
    503: "the camera serves as many viewers as it can; close others",
}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. ``silence``: no RTP at all while playing; ``keyframe``: RTP, but no keyframe."""

    connect: float = 5.0
    answer: float = 10.0
    silence: float = 10.0
    keyframe: float = 30.0
    teardown: float = 1.0


class State(Enum):
    IDLE = auto()
    OPTIONS = auto()
    DESCRIBE = auto()
    SETUP = auto()
    PLAY = auto()
    PLAYING = auto()
    CLOSING = auto()
    CLOSED = auto()


class Session:
    """One dialogue, from OPTIONS to TEARDOWN.

    ``media`` is set once the description is read, ``channel`` once the camera has named the RTP channel. Every method
    that returns bytes returns what has to be sent now, perhaps nothing, and raises AuthFailed, ProtocolFault, Unreachable.
    """

    def __init__(
        self, address: Address, credential: Credential | None, timeouts: Timeouts, *, allow_basic: bool
    ) -> None:
        self.state = State.IDLE
        self.media: Media | None = None
        self.channel: int | None = None
        self._address = address
        self._timeouts = timeouts
        self._allow_basic = allow_basic
        self._authenticator = Authenticator(credential) if credential else None
        self._proven = False  # the camera has accepted our credential on this connection
        self._renewals = 0
        self._cseq = 0
        self._method = ""
        self._uri = address.url
        self._fields: tuple[tuple[str, str], ...] = ()
        self._asked_at = 0.0
        self._aggregate = address.url
        self._session_id: str | None = None
        self._session_timeout = _DEFAULT_SESSION_TIMEOUT
        self._keep_alive = "OPTIONS"
        self._kept_alive_at = 0.0
        self._media_at = 0.0
        self._keyframe_at = 0.0

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
            self.state = State.CLOSED
            return b""
        self._note_session(message)
        if message.status == 401:
            return (
                self._reauthenticate(message, now) if self.state is State.PLAYING else self._authenticate(message, now)
            )
        self._renewals = 0
        if 200 <= message.status < 300 and self._authenticator and self._authenticator.ready:
            self._proven = True
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
            return self._watch(now, media_seen, keyframe_at)
        waits = self.state in (State.OPTIONS, State.DESCRIBE, State.SETUP, State.PLAY)
        if waits and now - self._asked_at >= self._timeouts.answer:
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
        # A camera that cannot do OPTIONS may do all the rest.
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
        self.state = State.SETUP
        # One TCP connection carries all: no ports to open, and nothing is lost on the way.
        transport = ("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1")
        return self._ask("SETUP", control_url(base, self.media.control), now, transport)

    def _choose_media(self, description: Description) -> Media:
        if media := description.video(CODEC):
            return media
        offered = ", ".join(printable(name, 20) for name in description.offered()[:8])
        raise ProtocolFault(
            f"{self._address.authority} offers {f'video as {offered}' if offered else 'no video'}; only H.264 is "
            "received so far: set the camera's stream to H.264"
        )

    def _after_setup(self, answer: Response, now: float) -> bytes:
        self._expect_success(answer)
        transport = answer.first("transport") or ""
        self.channel = interleaved_channel(transport)
        if self.channel is None:
            raise ProtocolFault(
                f"{self._address.authority} answered SETUP with transport “{printable(transport)}” where RTP over its RTSP "
                "connection was asked for; allow RTP over TCP in the camera's settings"
            )
        self._media_at = now
        self.state = State.PLAY
        return self._ask("PLAY", self._aggregate, now, ("Range", "npt=0.000-"))

    def _after_play(self, answer: Response, now: float) -> bytes:
        self._expect_success(answer)
        self.state = State.PLAYING
        self._media_at = self._keyframe_at = self._kept_alive_at = now
        return b""

    def _after_keep_alive(self, answer: Response) -> bytes:
        # The stream itself shows whether the session lives; a refusal only says that the camera lied about Public.
        if answer.status >= 400:
            self._keep_alive = "OPTIONS"
        return b""

    def _expect_success(self, answer: Response) -> None:
        if 200 <= answer.status < 300:
            return
        advice = _ADVICE.get(answer.status, "look at the camera's stream address and settings")
        raise ProtocolFault(
            f"{self._address.authority} answered {self._method} with {answer.status} {printable(answer.reason)}; {advice}"
        )

    # ------------------------------------------------------------------------------------------ authentication

    def _authenticate(self, answer: Response, now: float) -> bytes:
        """Answer a challenge once. A second refusal is a wrong password, and a third try might lock the camera."""
        where = f"{self._address.authority} answered {self._method} with 401"
        if self._authenticator is None:
            raise AuthFailed(f"{where}: it wants a user name and a password, and none is configured")
        challenges = parse_challenges(answer.headers.get("www-authenticate", []))
        challenge = choose(challenges, allow_basic=self._allow_basic)
        if challenge is None:
            offered = ", ".join(
                printable(f"{c.scheme} {c.parameters.get('algorithm', '')}", 30) for c in challenges[:8]
            )
            raise AuthFailed(
                f"{where} and offers only {offered or 'no scheme'}; Digest with MD5 or SHA-256"
                f"{', or Basic,' if self._allow_basic else ''} is spoken: set the camera's RTSP authentication to digest"
            )
        if self._authenticator.ready:
            # Some cameras renew the nonce with every request and do not call the old one stale.
            if not (challenge.stale or self._proven):
                raise AuthFailed(f"{where} again: it refuses the user name or the password; correct them")
            self._renewals += 1
            if self._renewals > _MAX_RENEWALS:
                raise AuthFailed(f"{where} again and again, with a new nonce each; look at its user settings")
        self._authenticator.accept(challenge)
        return self._ask(self._method, self._uri, now, *self._fields)

    def _reauthenticate(self, answer: Response, now: float) -> bytes:
        """A refused keep-alive is no reason to end a stream that comes."""
        try:
            return self._authenticate(answer, now)
        except AuthFailed:
            return b""

    # ------------------------------------------------------------------------------------------ while it plays

    def _watch(self, now: float, media_seen: bool, keyframe_at: float) -> bytes:
        if media_seen:
            self._media_at = now
        self._keyframe_at = max(self._keyframe_at, keyframe_at)
        if now - self._media_at >= self._timeouts.silence:
            raise Unreachable(
                f"{self._address.authority} sent no video for {self._timeouts.silence:g} s after PLAY; "
                "the camera hangs, or already serves as many viewers as it can"
            )
        if now - self._keyframe_at >= self._timeouts.keyframe:
            raise Unreachable(
                f"{self._address.authority} sent video without a usable keyframe for {self._timeouts.keyframe:g} s; "
                "set its I-frame interval to a few seconds"
            )
        if now - self._kept_alive_at < self._keep_alive_interval:
            return b""
        self._kept_alive_at = now
        return self._ask(self._keep_alive, self._aggregate, now)

    @property
    def _keep_alive_interval(self) -> float:
        return min(_MAX_KEEP_ALIVE, max(1.0, self._session_timeout / 2))

    def _serve(self, request: Request) -> bytes:
        if request.method in ("TEARDOWN", "REDIRECT"):
            raise Unreachable(f"{self._address.authority} ended the session with {request.method}")
        known = request.method in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER", "ANNOUNCE")
        return encode_response("200 OK" if known else "501 Not Implemented", request.cseq)

    # ------------------------------------------------------------------------------------------ requests

    def _ask(self, method: str, uri: str, now: float, *fields: tuple[str, str]) -> bytes:
        self._cseq += 1
        self._method, self._uri, self._fields, self._asked_at = method, uri, fields, now
        lines = [("CSeq", str(self._cseq)), ("User-Agent", _USER_AGENT)]
        if self._session_id is not None:
            lines.append(("Session", self._session_id))
        if self._authenticator and (authorization := self._authenticator.field(method, uri)):
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
            self._session_timeout = timeout
