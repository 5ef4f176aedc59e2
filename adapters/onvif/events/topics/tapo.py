"""TP-Link Tapo: the same event comes under two topics and in two letter cases; the name of its Data item says what it is."""

from types import MappingProxyType
from typing import Final

from adapters.onvif.events.notifications import Notification
from adapters.onvif.events.topics.generic import COVERED, MOTION, seen
from adapters.onvif.events.topics.occurrence import RULE, Means, Table
from gateway.model import Kind

VENDORS: Final = ("tp-link", "tplink", "tapo")

_LINE: Final = Means(Kind.LINE_CROSSING, "line", subject=RULE)
_FIELD: Final = Means(Kind.INTRUSION, "field", subject=RULE)
_BY_ITEM: Final = MappingProxyType(
    {
        "ismotion": MOTION,
        "ispeople": seen("person"),
        "isvehicle": seen("vehicle"),
        "ispet": seen("animal"),
        "islinecross": _LINE,
        "isintrusion": _FIELD,
        "istamper": COVERED,
    }
)


def _smart_event(notification: Notification) -> Means | None:
    """None for what a later firmware may add: sounds, and whatever is none of ours."""
    return next((_BY_ITEM[name.lower()] for name in notification.data if name.lower() in _BY_ITEM), None)


TOPICS: Final[Table] = MappingProxyType(
    {
        "ruleengine/cellmotiondetector/linecross": _LINE,
        "ruleengine/cellmotiondetector/intrusion": _FIELD,
        "ruleengine/cellmotiondetector/people": seen("person"),
        "ruleengine/cellmotiondetector/tamper": COVERED,
        "ruleengine/cellmotiondetector/tpsmartevent": _smart_event,
        "ruleengine/tpsmarteventdetector/tpsmartevent": _smart_event,
        "ruleengine/peopledetector/people": seen("person"),
    }
)
