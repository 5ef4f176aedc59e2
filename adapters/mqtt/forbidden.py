"""Terminals that have their answers sent where the broker does not let us write.

They have each answer on their own topic, too. Tried on and on for the copy's sake it would never be delivered; and
Mosquitto 2.0.11 with `max_queued_messages 0` says no and then ends our connection, in which all terminals' presses come.
"""

from collections import OrderedDict

from gateway.observability.logs import logger

_log = logger("mqtt")

_LASTS = 600.0  # seconds; by then somebody may have given us the right
_MOST = 10_000


class Forbidden:
    """In memory of one process: what is not remembered costs one more refusal."""

    def __init__(self) -> None:
        self._until: OrderedDict[str, float] = OrderedDict()
        self._told = False

    def add(self, terminal: str, now_mono: float, reason: str) -> None:
        self._until.pop(terminal, None)
        self._until[terminal] = now_mono + _LASTS
        if len(self._until) > _MOST:
            self._until.popitem(last=False)
        (_log.debug if self._told else _log.warning)("response topic is not used", source=terminal, reason=reason)
        self._told = True

    def holds(self, terminal: str, now_mono: float) -> bool:
        """Whether this terminal's Response Topics are left alone for now, whichever it names."""
        return now_mono < self._until.get(terminal, now_mono)
