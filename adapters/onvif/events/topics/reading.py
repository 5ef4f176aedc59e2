"""Reading a notification's Data: names and spellings vary, the meaning does not."""

from types import MappingProxyType
from typing import Final

from adapters.onvif.events.notifications import Notification

_TRUTH: Final = MappingProxyType(
    dict.fromkeys(("true", "1", "active", "on", "yes"), True)
    | dict.fromkeys(("false", "0", "inactive", "off", "no"), False)
)
_NO_STATES: Final = frozenset(("objectid", "classtypes", "count", "level", "likelihood"))  # numbers that may be 0 or 1


def truth(value: str) -> bool | None:
    """ "true", "True", "1", "active", … as a bool; None for anything else."""
    return _TRUTH.get(value.strip().lower())


def state_of(notification: Notification) -> bool | None:
    """The first truth value in Data, whatever it is called: IsMotion, State, Value, LogicalState, …"""
    for name, value in notification.data.items():
        if name.lower() not in _NO_STATES and (found := truth(value)) is not None:
            return found
    return None


def item(notification: Notification, name: str) -> str | None:
    """A Data item by its name in small letters."""
    return next((value for key, value in notification.data.items() if key.lower() == name), None)
