"""The kinds of sources and sinks that a configuration may name.

Apart from the package itself, so that a video worker, which needs adapters.rtsp alone, loads nothing else.
"""

from collections.abc import Mapping

from pydantic import BaseModel

from adapters.cascade.settings import CascadeSinkSettings, CascadeSourceSettings
from adapters.mqtt.settings import MqttSettings
from adapters.notify.settings import NotifySettings
from adapters.webhook.settings import WebhookSettings

SOURCES: Mapping[str, type[BaseModel]] = {"mqtt": MqttSettings, "cascade": CascadeSourceSettings}
SINKS: Mapping[str, type[BaseModel]] = {
    "cascade": CascadeSinkSettings,
    "notify": NotifySettings,
    "webhook": WebhookSettings,
}
