"""What simulated cameras do wrong, by name: ``FAULTS`` is the whole list, ``Behaviour`` what each amounts to.

A fault is written ``NAME``, ``NAME=ARGUMENT`` or, for some cameras only, ``NAME=ARGUMENT:CAMERAS``.
"""

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from gateway.errors import UsageError

ANY = "*"  # stands for every request where a method is named


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a simulated camera acts towards its clients. As it stands: a camera without fault.

    ``silent_at``, ``reset_at``: the request (a method, or ``*``) that gets no answer, or a RST. ``reset_after``:
    pictures sent before a RST. ``picture``: which pictures it shows (``studio.KINDS``). ``media``: all, none, sound,
    or no_keyframes. ``clock_jump``: hours. ``kbit``, ``delay``: the line it sends over, in kbit/s and seconds.
    ``backlog_limit``: bytes a slow client may owe before it is cut off.
    """

    schemes: tuple[str, ...] = ("MD5",)
    nonce_uses: int = 0
    tells_stale: bool = True
    refuses_password: bool = False
    lock_after: int = 0
    lock_s: float = 1800.0
    session_timeout: int = 60
    session_limit: int = 0
    over_limit: str = "453"
    busy: int = 0
    transports: tuple[str, ...] = ("tcp", "udp")
    sdp: str = "sound"
    new_session_ids: bool = False
    channel_shift: int = 0
    redirects: bool = False
    media_before_answer: bool = False
    rtp_info: bool = False
    stopped: bool = False
    half_open: bool = False
    silent_at: str = ""
    reset_at: str = ""
    reset_after: int = 0
    http: bool = False
    endless_header: bool = False
    drip: bool = False
    picture: str = "usual"
    media: str = "all"
    clock_jump: float = 0.0
    marker: bool = True
    garbage: bool = False
    kbit: float = 0.0
    delay: float = 0.0
    backlog_limit: int = 4 * 1024 * 1024

    @property
    def dialogue(self) -> "Behaviour":
        """What of it shows before the first picture: where this changes, a camera's connections are cut."""
        usual = Behaviour()
        return replace(
            self,
            stopped=usual.stopped,
            half_open=usual.half_open,
            reset_after=usual.reset_after,
            media=usual.media if self.media != "sound" else self.media,
            clock_jump=usual.clock_jump,
            marker=usual.marker,
            garbage=usual.garbage,
            kbit=usual.kbit,
            delay=usual.delay,
            picture=self.picture if self.picture in ("mjpeg", "h265") else usual.picture,
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault by its name. ``usual``: its argument unless told; empty where it takes none."""

    name: str
    text: str
    change: Callable[[Behaviour, float], Behaviour]
    usual: float | None = None
    needs_login: bool = False

    def on(self, behaviour: Behaviour, argument: float | None = None) -> Behaviour:
        """The behaviour with this fault."""
        return self.change(behaviour, argument if argument is not None else self.usual or 0.0)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A fault with its argument, and the cameras that have it."""

    fault: Fault
    argument: float | None
    cameras: str = "all"


def parse(text: str) -> Assignment:
    """``NAME[=ARGUMENT][:CAMERAS]``. Raises UsageError in a sentence."""
    named, colon, cameras = text.partition(":")
    name, equals, argument = named.partition("=")
    fault = FAULTS.get(name.strip())
    if fault is None:
        raise UsageError(f"--fault {text}: there is no fault {name!r}; --list-faults names them all")
    if not equals:
        return Assignment(fault, None, cameras if colon else "all")
    if fault.usual is None:
        raise UsageError(f"--fault {text}: {name} takes no argument")
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", argument.strip()):
        raise UsageError(f"--fault {text}: {argument!r} is not a number")
    return Assignment(fault, float(argument), cameras if colon else "all")


def select(cameras: str, count: int, draw: random.Random) -> list[int]:
    """The numbers that ``all``, ``1-50,60`` or ``10%`` (drawn) stand for, of cameras 1 to ``count``. Raises UsageError."""
    text = cameras.strip()
    if text == "all":
        return list(range(1, count + 1))
    if share := re.fullmatch(r"(\d+(?:\.\d+)?)%", text):
        if float(share[1]) > 100:
            raise UsageError(f"{cameras}: a share is at most 100%")
        return sorted(draw.sample(range(1, count + 1), round(count * float(share[1]) / 100)))
    chosen: set[int] = set()
    for part in text.split(","):
        span = re.fullmatch(r"\s*(\d{1,5})(?:-(\d{1,5}))?\s*", part)
        if span is None:
            raise UsageError(f"{cameras!r} names no cameras: all, 10%, or numbers such as 1-50,60 are accepted")
        chosen |= set(range(int(span[1]), int(span[2] or span[1]) + 1))
    if not chosen or min(chosen) < 1 or max(chosen) > count:
        raise UsageError(f"{cameras}: the cameras are numbered from 1 to {count}")
    return sorted(chosen)


def churned(names: Sequence[str], cameras: Iterable[int], draw: random.Random) -> dict[int, Fault]:
    """One fault of ``names`` for each of the cameras, drawn."""
    return {number: FAULTS[draw.choice(names)] for number in cameras}


def _set(**fields: object) -> Callable[[Behaviour, float], Behaviour]:
    return lambda behaviour, argument: replace(behaviour, **fields)  # type: ignore[arg-type]


_ALL = (
    # ------------------------------------------------------------------------------------------------- silence
    Fault("silent_after_accept", "accepts the connection and never answers", _set(silent_at=ANY)),
    Fault("silent_after_describe", "describes its stream and then answers nothing more", _set(silent_at="SETUP")),
    Fault("silent_after_play", "answers PLAY and sends nothing", _set(media="none")),
    Fault("half_open", "nothing more comes, nothing is answered, and no FIN tells of it", _set(half_open=True)),
    Fault(
        "stopped",
        "is as after SIGSTOP: the kernel accepts, the camera does nothing, until it goes on",
        _set(stopped=True),
    ),
    Fault("audio_only", "describes picture and sound, and sends sound alone", _set(media="sound", sdp="with_sound")),
    Fault("no_keyframes", "sends pictures, none of them a keyframe", _set(media="no_keyframes")),
    Fault("drip", "answers a byte a second", _set(drip=True)),
    # -------------------------------------------------------------------------------------------------- picture
    Fault("frozen_picture", "encodes one picture again and again", _set(picture="frozen")),
    Fault("frozen_bytes", "sends one GOP again and again, byte for byte", _set(picture="repeated")),
    Fault("black", "shows black", _set(picture="black")),
    Fault("covered", "has a cloth before its lens", _set(picture="covered")),
    Fault("blurred", "is out of focus", _set(picture="blurred")),
    Fault("moved", "was turned and shows another view", _set(picture="moved")),
    Fault("overexposed", "shows nearly white", _set(picture="overexposed")),
    Fault("colour_cast", "shows all in green", _set(picture="colour_cast")),
    Fault("slices", "sends every picture in four slices", _set(picture="slices")),
    Fault("aggregated", "packs parameter sets into one packet (STAP-A)", _set(picture="aggregated")),
    Fault("intra_refresh", "sends recovery points and never an IDR picture", _set(picture="refresh")),
    Fault("marker_missing", "never sets the marker bit", _set(marker=False)),
    Fault("h265", "sends H.265", _set(picture="h265")),
    Fault("mjpeg_only", "offers JPEG (RFC 2435) alone", _set(picture="mjpeg")),
    Fault(
        "clock_jump",
        "its RTP clock jumps forward by so many hours, and back, every 50 pictures",
        lambda behaviour, hours: replace(behaviour, clock_jump=hours),
        3,
    ),
    # ------------------------------------------------------------------------------------------------ connection
    Fault("reset_at_connect", "answers the first request with RST", _set(reset_at=ANY)),
    Fault("reset_after_play", "answers PLAY with RST", _set(reset_at="PLAY")),
    Fault(
        "reset",
        "sends RST after so many pictures",
        lambda behaviour, pictures: replace(behaviour, reset_after=max(1, round(pictures))),
        25,
    ),
    Fault(
        "slow_network",
        "sits behind a line of so many kbit/s and 300 ms",
        lambda behaviour, kbit: replace(behaviour, kbit=max(1.0, kbit), delay=0.3),
        256,
    ),
    Fault("garbage_between", "puts stray bytes between interleaved frames", _set(garbage=True)),
    Fault("huge_header", "answers with a header that does not end", _set(endless_header=True)),
    Fault("not_rtsp", "answers in HTTP", _set(http=True)),
    # ---------------------------------------------------------------------------------------------------- login
    Fault("wrong_password", "refuses every password", _set(refuses_password=True)),
    Fault(
        "lockout",
        "refuses everyone for half an hour after so many wrong passwords",
        lambda behaviour, tries: replace(behaviour, lock_after=max(1, round(tries))),
        3,
        needs_login=True,
    ),
    Fault("sha256_only", "asks for digest SHA-256 alone", _set(schemes=("SHA-256",)), needs_login=True),
    Fault("basic_only", "asks for Basic alone", _set(schemes=("Basic",)), needs_login=True),
    Fault(
        "many_challenges", "offers SHA-256, MD5 and Basic", _set(schemes=("SHA-256", "MD5", "Basic")), needs_login=True
    ),
    Fault("stale_nonce", "calls a nonce stale after two requests", _set(nonce_uses=2), needs_login=True),
    Fault(
        "nonce_each_request",
        "wants a new nonce for every request, and does not say stale",
        _set(nonce_uses=1, tells_stale=False),
        needs_login=True,
    ),
    # ------------------------------------------------------------------------------------------------- sessions
    Fault("two_sessions", "serves two viewers and tells a third 453", _set(session_limit=2)),
    Fault(
        "two_sessions_no_media",
        "serves two viewers; a third gets PLAY and no picture",
        _set(session_limit=2, over_limit="no media"),
    ),
    Fault("one_session", "serves one viewer and tells a second 453", _set(session_limit=1)),
    Fault("busy_503", "answers SETUP with 503", _set(busy=503)),
    Fault("session_id_changes", "gives another session id in each answer", _set(new_session_ids=True)),
    Fault(
        "session_timeout",
        "ends sessions that are not kept alive within so many seconds",
        lambda behaviour, seconds: replace(behaviour, session_timeout=max(1, round(seconds))),
        10,
    ),
    # ------------------------------------------------------------------------------------------------ transport
    Fault("other_channels", "answers with other channel ids than those asked for", _set(channel_shift=4)),
    Fault("udp_only", "refuses interleaved TCP with 461", _set(transports=("udp",))),
    Fault("tcp_only", "refuses UDP with 461", _set(transports=("tcp",))),
    Fault("redirect", "sends the client to another address of its own (302)", _set(redirects=True)),
    Fault("media_before_answer", "sends its first picture before the answer to PLAY", _set(media_before_answer=True)),
    Fault("rtp_info_zero", "claims seq=0;rtptime=0 in RTP-Info", _set(rtp_info=True)),
    # ---------------------------------------------------------------------------------------------- description
    Fault("sdp_no_sprop", "describes no parameter sets", _set(sdp="no_sprop")),
    Fault("sdp_wrong_sprop", "describes the parameter sets of another stream", _set(sdp="wrong_sprop")),
    Fault("sdp_annexb_sprop", "puts start codes into the described parameter sets", _set(sdp="annexb_sprop")),
    Fault("sdp_repeated_media", "repeats its m= and c= lines", _set(sdp="repeated_media")),
    Fault("sdp_no_control", "names no control address", _set(sdp="no_control")),
    Fault("sdp_absolute_control", "names absolute control addresses and no base", _set(sdp="absolute_control")),
    Fault("sdp_schemeless_base", "writes Content-Base without rtsp://", _set(sdp="schemeless_base")),
    Fault("sdp_no_content_type", "leaves Content-Type out", _set(sdp="no_content_type")),
    Fault("sdp_trailing_spaces", "ends every line of its SDP with a space", _set(sdp="trailing_spaces")),
    Fault("sdp_backchannel", "offers a way to talk back, first", _set(sdp="backchannel")),
    Fault("sdp_html", "describes its stream with a web page", _set(sdp="not_sdp")),
)
FAULTS: dict[str, Fault] = {fault.name: fault for fault in _ALL}
