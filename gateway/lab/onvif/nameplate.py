"""What stands on a simulated device's box, and what is in it."""

import uuid
from dataclasses import dataclass

from gateway.lab.onvif.answers import Coding

MAIN = Coding("H264", 1920, 1080, 25, 4000)
SUB = Coding("H264", 640, 360, 15, 768)
PRESETS = {"1": "gate", "2": "家门口", "3": "crossing"}
_NAMESPACE = uuid.UUID("6f6e7669-6600-4000-8000-6c61622e2e2e")


@dataclass(frozen=True, slots=True)
class Nameplate:
    """What stands on the box. ``number`` from 1; ``channels``: more than one makes it a recorder. ``before``: how many of
    the park's cameras come before those of its devices. ``batch``: boxes of another one are others."""

    number: int
    channels: int = 1
    inputs: int = 2
    vendor: str = "Lab"
    model: str = "Simulated 1"
    firmware: str = "1.0"
    name: str = ""
    before: int = 0
    batch: int = 1

    @property
    def endpoint(self) -> str:
        """Its endpoint reference, for ever the same."""
        made = str(self.number) if self.batch == 1 else f"{self.batch}/{self.number}"
        return f"urn:uuid:{uuid.uuid5(_NAMESPACE, made)}"

    @property
    def serial(self) -> str:
        return f"LAB{self.batch - 1:03d}{self.number:03d}"

    @property
    def mac(self) -> str:
        return "02:00:5e:" + ":".join(f"{byte:02x}" for byte in self.number.to_bytes(3, "big"))
