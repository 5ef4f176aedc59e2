"""How a device wants to be logged in to, found out with one verification of the password at most.

A wrong password locks cameras. So the first call goes out with no credential at all: most are refused then, and the
refusal says which way the device wants. Only a challenge or a fault is spent on finding out, never a try of the password:
devices count passwords that were wrong, not calls without one (browsers begin that way with every page). Sending a token
first and a digest after it, as many clients do, would be two wrong passwords where one was typed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from adapters.onvif.faults import NotPermitted, OnvifFault, printable
from gateway.authentication import Authenticator, Challenge, choose, parse_challenges
from gateway.errors import AuthFailed, DeviceError
from gateway.model import Credential

_MAX_RENEWALS = 2


class Way(Enum):
    TOKEN = auto()  # WS-UsernameToken
    HTTP = auto()  # HTTP Digest, or Basic over TLS
    BOTH = auto()

    @property
    def has_token(self) -> bool:
        return self is not Way.HTTP

    @property
    def has_field(self) -> bool:
        return self is not Way.TOKEN


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a device said to somebody it does not know, or not well enough."""

    status: int
    challenges: tuple[str, ...] = ()
    fault: OnvifFault | None = None

    @property
    def reason(self) -> str:
        return self.fault.reason if self.fault else ""


@dataclass(slots=True)
class Attempt:
    """One call's way through the login. ``fresh``: it goes out with a nonce that the device gave us in this very call."""

    way: Way
    fresh: bool = False
    renewals: int = 0


class TokenRefused(Exception):
    """The token was refused: whether that is a verdict, the clock has to say."""


class Login:
    """What is known of a device's login. ``proven``: it has accepted our credential where it wanted one."""

    __slots__ = ("_accepted", "_device", "_way", "authenticator", "proven")

    def __init__(self, device: str, credential: Credential) -> None:
        self._device = device
        self._way: Way | None = None
        self._accepted: set[str] = set()
        self.authenticator = Authenticator(credential)
        self.proven = False

    def begin(self, refusal: Refusal, *, basic: bool) -> Attempt:
        """How to answer the refusal of a call that had gone out without a login."""
        challenge = self._challenge(refusal, basic)
        if challenge is None:
            return Attempt(Way.TOKEN)
        self.authenticator.accept(challenge)
        return Attempt(Way.HTTP, fresh=True)

    def again(self) -> Attempt:
        """A call to a device whose way is known."""
        assert self._way is not None, "only a proven login has a way"
        return Attempt(self._way)

    def accepted(self, attempt: Attempt, operation: str) -> None:
        self._way = attempt.way
        self.proven = True
        if len(self._accepted) < 64:
            self._accepted.add(operation)

    def refused(self, attempt: Attempt, refusal: Refusal, operation: str, *, basic: bool) -> None:
        """Change the attempt to what may succeed. Raises AuthFailed, NotPermitted or TokenRefused where nothing may."""
        challenge = self._challenge(refusal, basic)
        if attempt.way.has_field and refusal.status == 401:
            self._renew(attempt, challenge, refusal, operation)
        elif attempt.way is Way.HTTP:
            attempt.way = Way.BOTH  # HTTP has let it in, so the password is right: the SOAP layer wants it too
        elif challenge is not None and self.proven and not attempt.way.has_field:
            self.authenticator.accept(challenge)
            attempt.way, attempt.fresh = Way.HTTP, True  # another service of the device, with another guard
        else:
            raise TokenRefused

    def is_let_in(self, attempt: Attempt, operation: str) -> bool:
        """A refusal of this attempt is no verdict on the password, because the device has accepted it elsewhere."""
        return attempt.way is Way.BOTH or (self.proven and operation not in self._accepted)

    def _renew(self, attempt: Attempt, challenge: Challenge | None, refusal: Refusal, operation: str) -> None:
        if challenge is not None and (not attempt.fresh or (challenge.stale and attempt.renewals < _MAX_RENEWALS)):
            attempt.renewals += attempt.fresh
            attempt.fresh = True
            self.authenticator.accept(challenge)
            return
        if self.proven and operation not in self._accepted:
            raise NotPermitted(self._device, operation, reason=refusal.reason)
        raise wrong_password(self._device, operation)

    def _challenge(self, refusal: Refusal, basic: bool) -> Challenge | None:
        return choose(parse_challenges(refusal.challenges), allow_basic=basic) if refusal.status == 401 else None


def wrong_password(device: str, operation: str, refusal: Refusal | None = None) -> AuthFailed:
    """With what else the refusal says: Dahua counts the attempts that are left, others offer what we do not speak."""
    said = f" (it says: {refusal.reason})" if refusal and refusal.reason else ""
    answerable = refusal and choose(parse_challenges(refusal.challenges), allow_basic=False)
    schemes = offered(refusal.challenges) if refusal and not answerable else ""
    other = f"; it offers {schemes}, while Digest with MD5 or SHA-256 is spoken, and Basic over TLS" if schemes else ""
    return AuthFailed(f"{device} refuses the user name or the password for {operation}{said}; correct them{other}")


def none_configured(device: str, operation: str) -> AuthFailed:
    return AuthFailed(f"{device} wants a user name and a password for {operation}, and none is configured")


def offered(challenges: Iterable[str]) -> str:
    """Words for the schemes of a 401; empty where there are none."""
    found = parse_challenges(challenges)[:4]
    return ", ".join(printable(f"{c.scheme} {c.parameters.get('algorithm', '')}", 30) for c in found)


def again(error: DeviceError) -> DeviceError:
    """The same verdict for another call, without the first one's traceback growing on it."""
    return type(error)(*error.args)
