"""What simulated ONVIF devices do wrong, by name: ``FAULTS`` is the whole list, ``Behaviour`` what each amounts to.

Written as the faults of the cameras are: ``NAME``, ``NAME=ARGUMENT`` or, for some devices only, ``NAME=ARGUMENT:DEVICES``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.errors import UsageError


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a simulated device acts towards its clients. As it stands: a sound one.

    ``logins``: what it accepts, of wsse, MD5 and SHA-256. ``clock_s``: its clock minus the true time. ``window_s``: how
    far Created may be from its clock. ``open``: what needs no login. ``page``: answers with this web page and status
    instead of SOAP. ``hosts``: own, nat or doubled. ``subscriptions``: how many it keeps; ``over_limit``: the sub-code it
    refuses the next with. ``pull_s``: a pull without event is closed after so many seconds. ``lease``: told, as it is or
    a_year_ahead. ``dialect``: whose topics it speaks. ``silent``: tells no event.
    """

    logins: tuple[str, ...] = ("wsse", "MD5")
    lock_after: int = 0
    lock_s: float = 1800.0
    refuses_password: bool = False
    clock_s: float = 0.0
    window_s: float = 300.0
    clock_needs_login: bool = False
    local_time_only: bool = False
    page: str = ""
    junk: bytes = b""
    hangs: bool = False
    hosts: str = "own"
    snapshot: str = "jpeg"
    events: str = "pull"
    may_events: bool = True
    subscriptions: int = 10
    over_limit: str = ""
    pull_s: float = 0.0
    lease: str = "told"
    reference: bool = False
    bad_times: bool = False
    silent: bool = False
    flapping: bool = False
    media2: bool = True
    services: bool = True
    h265: bool = False
    own_prefixes: bool = True
    gbk: bool = False
    dialect: str = "generic"


@dataclass(frozen=True, slots=True)
class DeviceFault:
    """A fault by its name. ``usual``: its argument unless told; None where it takes none."""

    name: str
    text: str
    change: Callable[[Behaviour, float], Behaviour]
    usual: float | None = None

    def on(self, behaviour: Behaviour, argument: float | None = None) -> Behaviour:
        """The behaviour with this fault."""
        return self.change(behaviour, argument if argument is not None else self.usual or 0.0)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A fault with its argument, and the devices that have it."""

    fault: DeviceFault
    argument: float | None
    devices: str = "all"


def parse(text: str) -> Assignment:
    """``NAME[=ARGUMENT][:DEVICES]``. Raises UsageError in a sentence."""
    named, _, devices = text.partition(":")
    name, equals, argument = named.partition("=")
    fault = FAULTS.get(name.strip())
    if fault is None:
        raise UsageError(f"--fault {text}: there is no fault {name!r} of ONVIF devices; --list-faults names them all")
    if not equals:
        return Assignment(fault, None, devices or "all")
    if fault.usual is None:
        raise UsageError(f"--fault {text}: {name} takes no argument")
    if not re.fullmatch(r"-?\d{1,10}(\.\d{1,9})?", argument.strip()):
        raise UsageError(f"--fault {text}: {argument!r} is not a number")
    return Assignment(fault, float(argument), devices or "all")


def _set(**fields: object) -> Callable[[Behaviour, float], Behaviour]:
    return lambda behaviour, argument: replace(behaviour, **fields)  # type: ignore[arg-type]


_ALL = (
    # ---------------------------------------------------------------------------------------------------- clock
    DeviceFault(
        "wrong_clock",
        "has a clock so many seconds ahead (behind where negative), and refuses a login created outside five seconds of it",
        lambda behaviour, seconds: replace(behaviour, clock_s=seconds, window_s=5.0),
        1800,
    ),
    DeviceFault("no_clock_without_login", "tells its time only to who has logged in", _set(clock_needs_login=True)),
    DeviceFault("local_time_only", "tells its local time and zone, and no UTC", _set(local_time_only=True)),
    # ---------------------------------------------------------------------------------------------------- login
    DeviceFault("wrong_password", "refuses every password", _set(refuses_password=True)),
    DeviceFault(
        "lockout",
        "refuses everyone for half an hour after so many failed logins",
        lambda behaviour, tries: replace(behaviour, lock_after=max(1, round(tries))),
        3,
    ),
    DeviceFault("digest_only", "knows HTTP digest MD5 and no UsernameToken", _set(logins=("MD5",))),
    DeviceFault("sha256_only", "knows HTTP digest SHA-256 and nothing else", _set(logins=("SHA-256",))),
    DeviceFault("wsse_only", "knows the UsernameToken and no HTTP digest", _set(logins=("wsse",))),
    DeviceFault("events_not_authorized", "lets this user do everything but hear events (400)", _set(may_events=False)),
    # --------------------------------------------------------------------------------------------------- answers
    DeviceFault(
        "html_with_200", "answers every call with a web page that says 404, under status 200", _set(page="404")
    ),
    DeviceFault("login_page", "answers every call with the web page one logs in at", _set(page="login")),
    DeviceFault("junk_before_xml", "puts stray bytes before its XML", _set(junk=b"\xef\xbb\xbf\r\n0\r\n  ")),
    DeviceFault("hanging", "takes every call and never answers", _set(hangs=True)),
    DeviceFault("ns0_refused", "refuses calls written with ns0: prefixes (500)", _set(own_prefixes=False)),
    DeviceFault("gbk_names", "writes Chinese names in GBK under a declaration of UTF-8", _set(gbk=True)),
    DeviceFault("bad_times", "tells broken times: a 61st minute, a negative hour, hyphens", _set(bad_times=True)),
    # ------------------------------------------------------------------------------------------------- addresses
    DeviceFault("nat_addresses", "names itself 192.168.1.x in every address", _set(hosts="nat")),
    DeviceFault("double_ports", "writes host:port:port in every address", _set(hosts="doubled")),
    # -------------------------------------------------------------------------------------------------- pictures
    DeviceFault("endless_snapshot", "sends a snapshot that never ends", _set(snapshot="endless")),
    DeviceFault("snapshot_html", "sends a web page as its snapshot", _set(snapshot="html")),
    DeviceFault("snapshot_hanging", "takes the request for a snapshot and never answers", _set(snapshot="hanging")),
    DeviceFault("no_media2", "knows Media1 alone", _set(media2=False)),
    DeviceFault(
        "h265_without_encoding",
        "sends H.265, of which Media1 tells no encoding, and knows Media1 alone",
        _set(h265=True, media2=False),
    ),
    DeviceFault("no_services", "does not know GetServices, only GetCapabilities", _set(services=False)),
    # ---------------------------------------------------------------------------------------------------- events
    DeviceFault(
        "blocked_thread_upper_limit",
        "keeps so many pull points, and refuses the next with BlockedThreadUpperLimit (dahua)",
        lambda behaviour, kept: replace(
            behaviour, subscriptions=max(0, round(kept)), over_limit="ter:BlockedThreadUpperLimit"
        ),
        0,
    ),
    DeviceFault(
        "few_pull_points",
        "keeps so many pull points, and refuses the next with SubscribeCreationFailedFault (axis)",
        lambda behaviour, kept: replace(behaviour, subscriptions=max(0, round(kept))),
        1,
    ),
    DeviceFault("no_pull_point", "has no pull points, only base notification", _set(events="push")),
    DeviceFault("no_events", "has no event service", _set(events="none")),
    DeviceFault(
        "pull_closes",
        "closes the connection of a pull that had nothing for so many seconds (tapo)",
        lambda behaviour, seconds: replace(behaviour, pull_s=max(0.1, seconds)),
        10,
    ),
    DeviceFault("lease_a_year_ahead", "tells a lease of a year whatever it keeps (dahua)", _set(lease="a_year_ahead")),
    DeviceFault(
        "reference_parameters",
        "knows a subscription by a header alone, under one address for all (axis)",
        _set(reference=True),
    ),
    DeviceFault("silent_events", "answers every pull, and tells no event", _set(silent=True)),
    DeviceFault("flapping", "switches its input five times a second", _set(flapping=True)),
    DeviceFault("topics_hikvision", "names its events as Hikvision does", _set(dialect="hikvision")),
    DeviceFault("topics_axis", "names its events as Axis does", _set(dialect="axis")),
    DeviceFault("topics_tapo", "names its events as Tapo does", _set(dialect="tapo")),
)
FAULTS: dict[str, DeviceFault] = {fault.name: fault for fault in _ALL}
