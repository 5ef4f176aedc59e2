"""What an alert says of cameras that are away, as the fold keeps it. Pure, and never raising because of what an entry says."""

from collections.abc import Mapping
from typing import Any

from gateway.alerts import reading
from gateway.model import Alert, Kind

MOST_CAMERAS = 200
"""Cameras that an alert names; ``lost`` counts all. An entry travels to every node above."""
_TEXTS = ("cause", "lost_at")
_NUMBERS = ("lost", "total")
_MOST_COUNT = 1_000_000


def as_it_stands(alert: Alert, said: object) -> Mapping[str, Any]:
    """What a ``pressed`` of an outage changes in ``detail``: more cameras were lost, or the same again. The last word
    stands, for the node that tells it is one."""
    if alert.kind is not Kind.DEVICE_OFFLINE or "cause" not in alert.detail or not isinstance(said, Mapping):
        return {}
    found: dict[str, Any] = {name: word for name in _TEXTS if (word := reading.text(said.get(name), 64)) is not None}
    for name in _NUMBERS:
        count = said.get(name)
        if isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= _MOST_COUNT:
            found[name] = count
    if isinstance(said.get("cameras"), list | tuple):
        found["cameras"] = [id for id in said["cameras"][:MOST_CAMERAS] if reading.text(id, reading.MAX_TEXT) == id]
    if said.get("flapping") is True:
        found["flapping"] = True
    return found
