"""Dahua and Amcrest."""

from types import MappingProxyType
from typing import Final

from adapters.onvif.events.topics.generic import seen
from adapters.onvif.events.topics.occurrence import Table

VENDORS: Final = ("dahua", "amcrest", "imou", "lorex")

TOPICS: Final[Table] = MappingProxyType({"useralarm/iva/humanshapedetect": seen("person")})
