"""What an answer other than 2xx means for us: a wait, a redirection, or a fault that somebody has to mend."""

from adapters.rtsp.address import Address, base_of, parse_address
from adapters.rtsp.message import Response, printable, whole_number
from gateway.errors import Busy, DeviceError, NotSpoken, ProtocolFault, Unreachable
from gateway.model import Credential

_ADVICE = {
    403: "the camera refuses this stream; look at the user's rights and at the stream's path",
    404: "look at the path of the stream address",
    454: "the camera forgot the session",
}
_FULL = {
    429: "it is asked too often",
    453: "it has no bandwidth left; close other viewers of it",
    503: "it serves as many viewers as it can, or is still starting; close other viewers of it",
}
_REDIRECTIONS = frozenset({301, 302, 303, 307, 308})
_OTHER_TRANSPORT = frozenset({400, 406, 451, 461, 501, 551})
"""Answers to SETUP after which another transport may do: 461 by RFC 2326 §11.3.14; the others are what cameras say
that know no better."""
_UNSUPPORTED_TRANSPORT = 461
_WAITS = (1.0, 600.0)  # seconds; a Retry-After of a day is a fault of the camera's


class Redirected(Unreachable):
    """The dialogue goes on elsewhere, on another connection (RFC 2326 §10.10, §11.3)."""

    def __init__(self, authority: str, location: str) -> None:
        super().__init__(f"{authority} redirects to another address")
        self.location = location


class UdpOnly(Unreachable):
    """The camera set up RTP over UDP where RTP within the connection was asked for: begin again and ask for UDP."""


def wants_other_transport(answer: Response) -> bool:
    """Whether a refused SETUP is worth repeating with another transport."""
    return answer.status in _OTHER_TRANSPORT


def check(authority: str, method: str, answer: Response, session_timeout: float) -> None:
    """Raises what an answer other than 2xx amounts to. ``session_timeout``: seconds until a stale session has ended."""
    if not 200 <= answer.status < 300:
        raise _refusal(authority, method, answer, session_timeout)


def check_options(authority: str, answer: Response, session_timeout: float) -> None:
    """A camera that cannot do OPTIONS may do all the rest: only what concerns the whole dialogue is raised."""
    if answer.status in _FULL or answer.status in _REDIRECTIONS:
        check(authority, "OPTIONS", answer, session_timeout)


def _refusal(authority: str, method: str, answer: Response, session_timeout: float) -> DeviceError:
    status, location = answer.status, answer.first("location")
    if status in _REDIRECTIONS and location:
        return Redirected(authority, location)
    said = f"{authority} answered {method} with {status} {printable(answer.reason)}"
    if status in _FULL:
        asked = whole_number(answer.first("retry-after"))
        shortest, longest = _WAITS
        return Busy(
            f"{said}; {_FULL[status]}", min(longest, max(shortest, session_timeout if asked is None else asked))
        )
    if status == _UNSUPPORTED_TRANSPORT:
        return NotSpoken(
            f"{said}; the camera refuses each transport it was asked for: look at `transport` in its settings"
        )
    return ProtocolFault(f"{said}; {_ADVICE.get(status, 'look at the camera’s stream address and settings')}")


def follow(here: Address, credential: Credential | None, location: str) -> tuple[Address, Credential | None]:
    """Where a redirection leads, and what may be shown there.

    Our credential stays with the host that it is configured for, and never goes from an encrypted connection to one
    that is not. Raises ProtocolFault.
    """
    try:
        target = parse_address(base_of(location, here.url))
    except ProtocolFault:
        raise ProtocolFault(
            f"{here.authority} redirects to “{printable(location.rpartition('@')[2])}”, which is no RTSP address; correct the stream address"
        ) from None
    if here.tls and not target.tls:
        raise ProtocolFault(
            f"{here.authority} redirects from rtsps:// to rtsp://{target.authority}, which is not encrypted; "
            "configure that address if it is meant"
        )
    return target, credential if target.host == here.host else target.credential
