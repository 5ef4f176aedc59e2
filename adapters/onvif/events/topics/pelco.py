"""Pelco: analytics under …/Triggered, whose Data is an element of its own and tells no state."""

from types import MappingProxyType
from typing import Final

from adapters.onvif.events.topics.generic import COVERED
from adapters.onvif.events.topics.occurrence import Means, State, Table
from gateway.model import Kind

VENDORS: Final = ("pelco",)
_MAY: Final = State.PERHAPS

TOPICS: Final[Table] = MappingProxyType(
    {
        "ruleengine/camerasabotage/triggered": Means(Kind.TAMPER, COVERED.family, _MAY, what=COVERED.what),
        "ruleengine/adaptivemotion/triggered": Means(Kind.MOTION, "motion", _MAY),
        "ruleengine/directionalmotion/triggered": Means(Kind.MOTION, "direction", _MAY, what="direction"),
        "ruleengine/stoppedvehicle/triggered": Means(Kind.MOTION, "stopped", _MAY, what="stopped vehicle"),
        "ruleengine/loiteringdetection/triggered": Means(Kind.INTRUSION, "loitering", _MAY, what="loitering"),
        "ruleengine/abandonedobject/triggered": Means(Kind.OTHER, "abandoned", _MAY, what="abandoned object"),
        "ruleengine/objectremoval/triggered": Means(Kind.OTHER, "removed", _MAY, what="removed object"),
        "ruleengine/objectcounting/*": None,
        "ruleengine/autotracker/*": None,
    }
)
