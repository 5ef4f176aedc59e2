"""Hikvision and who builds with it (tnshik:, and tnsn: under other names such as TRENDnet)."""

from types import MappingProxyType
from typing import Final

from adapters.onvif.events.topics.generic import fault
from adapters.onvif.events.topics.occurrence import Means, State, Table
from gateway.model import Kind

VENDORS: Final = ("hik", "trendnet", "annke", "ezviz")
_DISK: Final = ("HardDiskNo",)

TOPICS: Final[Table] = MappingProxyType(
    {
        "device/trigger/alarmin": Means(Kind.DIGITAL_INPUT, "input", subject=("AlarmInToken",), numbered=True),
        "device/hardwarefailure/harddiskerror": fault("storage", State.PERHAPS, subject=_DISK),
        "device/hardwarefailure/harddiskfull": fault("storage_full", State.PERHAPS, subject=_DISK),
        "device/hardwarefailure/harddiskunformat": fault("storage_unformatted", State.PERHAPS, subject=_DISK),
        "device/network/ethernetbroken": fault("network", State.PERHAPS),
        "device/network/ipaddrconflict": fault("address_conflict", State.PERHAPS),
        "videosource/signalstandardmismatch": Means(
            Kind.IMAGE_FAULT, "standard", State.PERHAPS, what="signal standard"
        ),
        "useralarm/illegalaccess": fault("illegal_access", State.PERHAPS),  # somebody tries passwords on the camera
    }
)
