"""When to answer a challenge, and when to stop before the camera locks us out."""

from adapters.rtsp.message import Response, printable
from gateway.authentication import Authenticator, choose, parse_challenges
from gateway.errors import AuthFailed
from gateway.model import Credential

_MAX_RENEWALS = 2  # fresh nonces for one request


class Login:
    """Our credential in one dialogue. A refusal is a wrong password at once: a third try might lock the camera."""

    __slots__ = ("_allow_basic", "_authenticator", "_authority", "_proven", "_renewals")

    def __init__(self, authority: str, credential: Credential | None, *, allow_basic: bool) -> None:
        self._authority = authority
        self._allow_basic = allow_basic
        self._authenticator = Authenticator(credential) if credential else None
        self._proven = False  # the camera has accepted our credential on this connection
        self._renewals = 0

    def field(self, method: str, uri: str) -> str | None:
        """The value of Authorization for a request; None before the first challenge, and without a credential."""
        return self._authenticator.field(method, uri) if self._authenticator else None

    def accepted(self, answer: Response) -> None:
        """The request was not challenged."""
        self._renewals = 0
        if 200 <= answer.status < 300 and self._authenticator and self._authenticator.ready:
            self._proven = True

    def challenged(self, method: str, answer: Response) -> None:
        """Take up the challenge of a 401; the request is to be sent again. Raises AuthFailed where that is of no use."""
        where = f"{self._authority} answered {method} with 401"
        if self._authenticator is None:
            raise AuthFailed(f"{where}: it wants a user name and a password, and none is configured")
        challenges = parse_challenges(answer.headers.get("www-authenticate", []))
        challenge = choose(challenges, allow_basic=self._allow_basic)
        if challenge is None:
            offered = ", ".join(
                printable(f"{c.scheme} {c.parameters.get('algorithm', '')}", 30) for c in challenges[:8]
            )
            basic = any(challenge.scheme.lower() == "basic" for challenge in challenges) and not self._allow_basic
            raise AuthFailed(
                f"{where} and offers only {offered or 'no scheme'}; Digest with MD5 or SHA-256 is spoken: set the camera's "
                f"RTSP authentication to digest{', or allow_basic: true for this camera' if basic else ''}"
            )
        if self._authenticator.ready:
            # Some cameras renew the nonce with every request and do not call the old one stale.
            if not (challenge.stale or self._proven):
                raise AuthFailed(f"{where} again: it refuses the user name or the password; correct them")
            self._renewals += 1
            if self._renewals > _MAX_RENEWALS:
                raise AuthFailed(f"{where} again and again, with a new nonce each; look at its user settings")
        self._authenticator.accept(challenge)
