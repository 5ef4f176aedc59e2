"""MQTT terminals (3.1.1 and 5): presses in, answers out."""

from adapters.mqtt.settings import MqttSettings
from adapters.mqtt.source import MqttSource

__all__ = ["MqttSettings", "MqttSource"]
