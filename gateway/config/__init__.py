"""The configuration file: YAML in, frozen settings out, every fault with file, line, key and what is accepted."""

from gateway.config.load import Loaded, json_schema, load
from gateway.config.settings import Settings

__all__ = ["Loaded", "Settings", "json_schema", "load"]
