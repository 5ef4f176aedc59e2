"""Reolink. Its FaceDetect is left out on purpose, see the package."""

from types import MappingProxyType
from typing import Final

from adapters.onvif.events.topics.generic import seen
from adapters.onvif.events.topics.occurrence import Means, Table
from gateway.model import Kind

VENDORS: Final = ("reolink",)

TOPICS: Final[Table] = MappingProxyType(
    {
        "ruleengine/myruledetector/peopledetect": seen("person"),
        "ruleengine/myruledetector/vehicledetect": seen("vehicle"),
        "ruleengine/myruledetector/dogcatdetect": seen("animal"),
        "ruleengine/myruledetector/package": seen("package"),
        # Somebody rings at a door: a button, but nobody who calls for help.
        "ruleengine/myruledetector/visitor": Means(Kind.OTHER, "doorbell", what="doorbell"),
    }
)
