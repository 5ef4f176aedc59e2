"""What was told of cameras that are away, as the ledger keeps it while it stands."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Cause(StrEnum):
    """What has probably failed where cameras are lost together, the narrowest first."""

    SINGLE = "single"  # the camera itself, or its own cable
    RECORDER = "recorder"  # all of one host: an NVR, or a camera of several channels
    SWITCH = "switch"  # part of a subnet
    SUBNET = "subnet"  # all of a subnet: what joins it to the rest
    AREA_POWER = "area_power"  # an area's power, or the switch that feeds it
    UPSTREAM = "upstream"  # everything here: the node's own network


@dataclass(frozen=True, slots=True)
class OutageMember:
    """A camera in an outage that was told of as ``alert_id``. ``group``: what the lost ones share (an address, a subnet, an
    area code); empty for a single camera and for the whole node. ``back``: it is there again, while the others are not."""

    alert_id: str
    camera_id: str
    cause: Cause
    group: str
    lost_at: datetime
    back: bool = False
    flapping: bool = False
