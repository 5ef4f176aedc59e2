"""Who may come in, as a device decides it: UsernameToken (OASIS UsernameToken Profile 1.0) and HTTP digest (RFC 7616)."""

import base64
import binascii
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum

from gateway.lab.onvif.faults import Behaviour
from gateway.lab.onvif.soap import UsernameToken
from gateway.lab.rtsp_auth import Gate, Verdict
from gateway.model import Credential

_NONCES = 256  # remembered against replay


class Admission(StrEnum):
    """What came of one request's login."""

    ADMITTED = "admitted"
    MISSING = "missing"  # no login, or one of a kind that the device does not know
    WRONG = "wrong"  # a failed verification: the password or the user's name
    REPLAYED = "replayed"  # Created is too far from the device's clock, or the nonce was there before
    STALE = "stale"  # the right password under an old digest nonce
    LOCKED = "locked"  # nobody is let in for a while


class Door:
    """The login of one device. ``clock`` is the device's own time in seconds since 1970, ``now`` a monotonic one."""

    def __init__(
        self, credential: Credential | None, behaviour: Behaviour, clock: Callable[[], float], now: Callable[[], float]
    ) -> None:
        self.credential, self._behaviour, self._clock, self._now = credential, behaviour, clock, now
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._failed = 0
        self._locked_until = 0.0
        self._gate = self._new_gate()

    @property
    def locked(self) -> bool:
        return self._now() < self._locked_until

    def behave(self, behaviour: Behaviour) -> None:
        if (behaviour.logins, behaviour.refuses_password) != (self._behaviour.logins, self._behaviour.refuses_password):
            self._behaviour = behaviour
            self._gate = self._new_gate()
        if not behaviour.lock_after:
            self.unlock()
        self._behaviour = behaviour

    def change(self, credential: Credential | None) -> None:
        """Another password; digest nonces of before are worth nothing."""
        self.credential = credential
        self._gate = self._new_gate()

    def unlock(self) -> None:
        self._failed, self._locked_until = 0, 0.0

    def lock(self) -> None:
        self._locked_until = self._now() + self._behaviour.lock_s

    def challenges(self, *, stale: bool = False) -> tuple[tuple[str, str], ...]:
        """WWW-Authenticate fields; none where the device knows no digest."""
        if not self._digests(self._behaviour):
            return ()
        return tuple(("WWW-Authenticate", value) for value in self._gate.challenges(stale=stale))

    def judge(self, method: str, authorization: str | None, token: UsernameToken | None) -> Admission:
        """Whether this request may pass. Everybody may where the device has no credential."""
        if self.credential is None:
            return Admission.ADMITTED
        if self.locked:
            return Admission.LOCKED
        admission = self._judge(method, authorization, token)
        if admission in (Admission.WRONG, Admission.REPLAYED):
            self._failed += 1
            if self._behaviour.lock_after and self._failed >= self._behaviour.lock_after:
                self.lock()
        elif admission is Admission.ADMITTED:
            self._failed = 0
        return admission

    def _judge(self, method: str, authorization: str | None, token: UsernameToken | None) -> Admission:
        if authorization is not None and self._digests(self._behaviour):
            return _ADMISSIONS[self._gate.judge(method, authorization)]
        if token is None or "wsse" not in self._behaviour.logins:
            return Admission.MISSING
        if self._behaviour.refuses_password or not token.digest or not self._right(token):
            return Admission.WRONG
        if token.nonce in self._seen or abs(_created(token) - self._clock()) > self._behaviour.window_s:
            return Admission.REPLAYED
        self._seen[token.nonce] = None
        if len(self._seen) > _NONCES:
            self._seen.popitem(last=False)
        return Admission.ADMITTED

    def _right(self, token: UsernameToken) -> bool:
        assert self.credential is not None
        try:
            nonce = base64.b64decode(token.nonce, validate=True)
        except binascii.Error:
            return False
        secret = nonce + token.created.encode() + self.credential.password.encode()
        expected = base64.b64encode(hashlib.sha1(secret, usedforsecurity=False).digest()).decode()
        return token.username == self.credential.username and hmac.compare_digest(
            expected.encode(), token.password.encode()
        )

    def _new_gate(self) -> Gate:
        known = None if self._behaviour.refuses_password else self.credential
        return Gate(known, self._digests(self._behaviour) or ("MD5",))

    @staticmethod
    def _digests(behaviour: Behaviour) -> tuple[str, ...]:
        return tuple(one for one in behaviour.logins if one != "wsse")


_ADMISSIONS = {
    Verdict.ADMITTED: Admission.ADMITTED,
    Verdict.MISSING: Admission.MISSING,
    Verdict.WRONG: Admission.WRONG,
    Verdict.STALE: Admission.STALE,
}


def _created(token: UsernameToken) -> float:
    """Seconds since 1970; so long ago that it is refused where it cannot be read."""
    try:
        at = datetime.fromisoformat(token.created.replace("Z", "+00:00"))
    except ValueError:
        return float("-inf")
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
