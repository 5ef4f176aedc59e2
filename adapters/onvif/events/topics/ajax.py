"""Ajax Systems (tnsajax:). Its line crossing has an ElementItem and no state."""

from types import MappingProxyType
from typing import Final

from adapters.onvif.events.topics.occurrence import RULE, Means, State, Table
from gateway.model import Kind

VENDORS: Final = ("ajax",)

TOPICS: Final[Table] = MappingProxyType(
    {
        "ruleengine/linedetector/crossing": Means(Kind.LINE_CROSSING, "line", State.PERHAPS, RULE),
        "ruleengine/motiondetector/detection": Means(Kind.MOTION, "motion", State.PERHAPS),
    }
)
