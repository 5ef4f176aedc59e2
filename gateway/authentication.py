"""Authentication: Basic (RFC 7617) and Digest (RFC 7616, and RFC 2069 where no qop is offered), over RTSP and HTTP alike."""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gateway.model import Credential

_ITEM = re.compile(
    r"""(?P<name>[^\s,="]+)                                              # a scheme or the name of a parameter
        (?:\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^\s,]*)))?   # its value""",
    re.VERBOSE,
)
_MAX_CHALLENGE = 2048
_UNREPEATABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_REPEATED = ("realm", "nonce", "opaque", "algorithm")


def _md5(text: str) -> str:
    # MD5 is what RFC 7616 §3.2 prescribes and what most cameras can do; it guards no secret of ours.
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


_HASHES: dict[str, Callable[[str], str]] = {"SHA-256": _sha256, "MD5": _md5}


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge of a WWW-Authenticate field. Parameter names in lower case, quoted values as they stood."""

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def algorithm(self) -> str:
        return self.parameters.get("algorithm", "MD5").upper()

    @property
    def stale(self) -> bool:
        return self.parameters.get("stale", "").lower() == "true"

    @property
    def qops(self) -> list[str]:
        return [part.strip().lower() for part in self.parameters.get("qop", "").split(",") if part.strip()]


def parse_challenges(fields: Iterable[str]) -> list[Challenge]:
    """Read WWW-Authenticate fields: several fields, several challenges in one, or both (RFC 9110 §11.6.1)."""
    challenges: list[Challenge] = []
    for text in fields:
        for item in _ITEM.finditer(text[:_MAX_CHALLENGE]):
            name, quoted, token = item["name"], item["quoted"], item["token"]
            if quoted is None and token is None:
                challenges.append(Challenge(name.lower()))
            elif challenges:
                challenges[-1].parameters[name.lower()] = quoted if quoted is not None else token
    return challenges


def choose(challenges: Iterable[Challenge], *, allow_basic: bool) -> Challenge | None:
    """The strongest challenge that can be answered: SHA-256, then MD5, then Basic if allowed; None if none can."""
    return min(
        (c for c in challenges if _rank(c, allow_basic) is not None), key=lambda c: _rank(c, True) or 0, default=None
    )


def _rank(challenge: Challenge, allow_basic: bool) -> int | None:
    if challenge.scheme == "basic":
        return len(_HASHES) if allow_basic else None
    name = challenge.algorithm.removesuffix("-SESS")
    answerable = "nonce" in challenge.parameters and (not challenge.qops or "auth" in challenge.qops)
    # The answer repeats them, and a field holds neither control characters nor what was no UTF-8.
    answerable = answerable and not any(_UNREPEATABLE.search(challenge.parameters.get(name, "")) for name in _REPEATED)
    if challenge.scheme != "digest" or name not in _HASHES or not answerable:
        return None
    return list(_HASHES).index(name)


class Authenticator:
    """Answers one challenge after another with one credential; counts the uses of a nonce."""

    __slots__ = ("_challenge", "_cnonce", "_credential", "_uses")

    def __init__(self, credential: Credential) -> None:
        self._credential = credential
        self._challenge: Challenge | None = None
        self._uses = 0
        self._cnonce = ""

    def accept(self, challenge: Challenge) -> None:
        self._challenge = challenge
        self._uses = 0
        self._cnonce = secrets.token_hex(8)

    @property
    def ready(self) -> bool:
        return self._challenge is not None

    def field(self, method: str, uri: str) -> str | None:
        """The value of Authorization for a request; None before the first challenge."""
        if self._challenge is None:
            return None
        if self._challenge.scheme == "basic":
            plain = f"{self._credential.username}:{self._credential.password}"
            return "Basic " + base64.b64encode(plain.encode()).decode()
        return self._digest(self._challenge, method, uri)

    def _digest(self, challenge: Challenge, method: str, uri: str) -> str:
        self._uses += 1
        digest = _HASHES[challenge.algorithm.removesuffix("-SESS")]
        realm, nonce = challenge.parameters.get("realm", ""), challenge.parameters["nonce"]
        secret = digest(f"{self._credential.username}:{_plain(realm)}:{self._credential.password}")
        if challenge.algorithm.endswith("-SESS"):
            secret = digest(f"{secret}:{_plain(nonce)}:{self._cnonce}")
        action = digest(f"{method}:{uri}")
        count = f"{self._uses:08x}"
        if challenge.qops:
            answer = digest(f"{secret}:{_plain(nonce)}:{count}:{self._cnonce}:auth:{action}")
        else:
            answer = digest(f"{secret}:{_plain(nonce)}:{action}")
        name = self._credential.username.replace("\\", "\\\\").replace('"', '\\"')
        parts = [f'username="{name}"', f'realm="{realm}"', f'nonce="{nonce}"', f'uri="{uri}"', f'response="{answer}"']
        if "algorithm" in challenge.parameters:
            parts.append(f"algorithm={challenge.parameters['algorithm']}")
        if "opaque" in challenge.parameters:
            parts.append(f'opaque="{challenge.parameters["opaque"]}"')
        if challenge.qops:
            parts += ["qop=auth", f"nc={count}", f'cnonce="{self._cnonce}"']
        elif challenge.algorithm.endswith("-SESS"):
            parts.append(f'cnonce="{self._cnonce}"')
        return "Digest " + ", ".join(parts)


def _plain(quoted: str) -> str:
    """A quoted-string's value (RFC 9110 §5.6.4); the field itself repeats it as it stood."""
    return re.sub(r"\\(.)", r"\1", quoted)
