"""Topics that no table knows: kept as they came, once each, in a form that a test can replay."""

import base64
from collections.abc import Callable
from typing import Final

from adapters.onvif.events.topics import Unknown, is_personal, path_of
from gateway.observability import events

MOST_TOPICS: Final = 512
LONGEST_XML: Final = 4096


class UnknownTopics:
    """Those met so far, by vendor and topic, and how often. One for all devices of a process.

    A log line has the notification's XML in base64: decoded and put into the Body of an envelope it is an answer again.
    XML too long for a line is left out, for it may hold a picture; so is what tells who somebody is.
    """

    def __init__(self) -> None:
        self._met: dict[tuple[str, str], int] = {}
        self.total = 0

    def note(self, device: str, vendor: str, unknown: Unknown, xml: Callable[[], bytes]) -> None:
        self.total += 1
        key = (vendor.lower(), path_of(unknown.topic))
        met = self._met.get(key, 0)
        if met or len(self._met) < MOST_TOPICS:
            self._met[key] = met + 1
            if not met:
                events.topic_unknown(device, vendor, unknown.topic, unknown.reason, _kept(xml()))


def _kept(xml: bytes) -> str:
    if len(xml) > LONGEST_XML or is_personal(xml.decode("utf-8", "replace")):
        return ""
    return base64.b64encode(xml).decode()
