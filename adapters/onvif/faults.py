"""What a device may say no with, as errors that name the device and the operation.

DeviceError (gateway.errors)
├── Unreachable
│   └── ClockSuspected   it refused a token that carries a time, and its clock is wrong: no verdict on the password
├── ProtocolFault
│   ├── OnvifFault       a SOAP fault, with its code and sub-codes
│   │   └── NotPermitted the credential is right, the user has not the right to this operation
│   └── LoginWanted      a call that was sent without a login needs one
└── AuthFailed           the credential was refused
"""

import re

from gateway.errors import AuthFailed, DeviceError, ProtocolFault, Unreachable

_MAX_WORDS = 200

# WS-Security SOAP Message Security 1.1 §12 names the latter; gSOAP devices use them in place of ONVIF's own.
_REFUSALS = frozenset(
    ("NotAuthorized", "FailedAuthentication", "InvalidSecurity", "InvalidSecurityToken", "SecurityTokenUnavailable")
)
_EXPIRED = frozenset(("MessageExpired",))
_UNSUPPORTED = frozenset(("ActionNotSupported", "NotImplemented", "UnknownAction", "NoSuchService"))
_REFUSAL_WORDS = re.compile(
    r"not\s*authori[sz]ed|unauthori[sz]ed|authenticat|requires authori[sz]ation|ws-?security|username\s?token",
    re.IGNORECASE,
)
_TIME_WORDS = re.compile(r"\b(created|timestamp|clock|time\s+(is|window|skew|difference))\b", re.IGNORECASE)
_LOCK_WORDS = re.compile(r"\block(ed|out)?\b", re.IGNORECASE)


def printable(text: str, most: int = _MAX_WORDS) -> str:
    """A device's words as one line that may stand in a log or on a terminal: no control characters, none that are not
    seen, none that turn the order of what is read."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: most * 4]).split())
    return line if len(line) <= most else line[: most - 1] + "…"


class OnvifFault(ProtocolFault):
    """A SOAP fault (SOAP 1.2 part 1 §5.4; ONVIF Core §5.8.2).

    ``code`` and ``subcodes`` are local names from the outermost inwards, such as "Sender" and ("NotAuthorized",), then the
    names of faults in the Detail, such as "SubscribeCreationFailedFault", which some devices give in place of sub-codes.
    ``reason`` is what the device said in words; it is often empty, and never to be relied on.
    """

    def __init__(
        self, device: str, operation: str, *, code: str = "", subcodes: tuple[str, ...] = (), reason: str = ""
    ) -> None:
        named = "/".join(subcodes) or code or "without a code"
        said = f" ({reason})" if reason else ""
        super().__init__(f"{device} answered {operation} with the fault {named}{said}")
        self.device = device
        self.operation = operation
        self.code = code
        self.subcodes = subcodes
        self.reason = reason

    @property
    def refuses_login(self) -> bool:
        """It is about who asks, and not about what was asked."""
        return self._names_refusal or not _EXPIRED.isdisjoint(self.subcodes)

    @property
    def names_time(self) -> bool:
        """It says itself that the time in our token is what it does not like."""
        if not _EXPIRED.isdisjoint(self.subcodes):
            return True
        return self._names_refusal and bool(_TIME_WORDS.search(self.reason))

    @property
    def _names_refusal(self) -> bool:
        """By a sub-code; by its words where it has none at all."""
        if self.subcodes:
            return not _REFUSALS.isdisjoint(self.subcodes)
        return bool(_REFUSAL_WORDS.search(self.reason))

    @property
    def names_lock(self) -> bool:
        """It says itself that the user is locked out for now."""
        return bool(_LOCK_WORDS.search(self.reason))

    @property
    def unsupported(self) -> bool:
        """The device does not know this operation at all (ONVIF Core §5.8.2.3)."""
        return not _UNSUPPORTED.isdisjoint(self.subcodes)


class NotPermitted(OnvifFault):
    """The device has let the credential in elsewhere: its user lacks the right to this operation."""

    def __init__(self, device: str, operation: str, *, reason: str = "") -> None:
        super().__init__(device, operation, code="Sender", subcodes=("NotAuthorized",), reason=reason)
        self.args = (
            f"{device} refuses {operation} to this user, although the password is right: "
            f"give its ONVIF user the right to it",
        )


class LoginWanted(ProtocolFault):
    """The device does not answer this call without a login."""


class ClockSuspected(Unreachable):
    """A refusal that a wrong clock may explain. Never a verdict on the password."""


def result_of(error: DeviceError) -> str:
    """What became of a call, in one word for a metric."""
    match error:
        case AuthFailed() | ClockSuspected() | LoginWanted() | NotPermitted():
            return "refused"
        case Unreachable():
            return "unreachable"
        case OnvifFault():
            return "fault"
        case _:
            return "unreadable"
