"""MQTT terminals (3.1.1 and 5): presses in, answers out."""

from adapters.mqtt.connection import MqttSource
from adapters.mqtt.settings import MqttSettings

__all__ = ["MqttSettings", "MqttSource"]
