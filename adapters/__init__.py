"""The protocols we speak, one folder each, and the visible table of their kinds.

Only the composition root imports this. Other packages add kinds by the entry-point groups ``gateway.sources`` and
``gateway.sinks``… once somebody needs it; until then the table is the truth.
"""

from collections.abc import Mapping

from pydantic import BaseModel

from adapters.cascade.settings import CascadeSinkSettings, CascadeSourceSettings
from adapters.mqtt.settings import MqttSettings

SOURCES: Mapping[str, type[BaseModel]] = {"mqtt": MqttSettings, "cascade": CascadeSourceSettings}
SINKS: Mapping[str, type[BaseModel]] = {"cascade": CascadeSinkSettings}
