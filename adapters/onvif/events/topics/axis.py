"""Axis (tnsaxis:)."""

from types import MappingProxyType
from typing import Final

from adapters.onvif.events.topics.generic import COVERED, MOTION, fault
from adapters.onvif.events.topics.occurrence import Means, State, Table
from gateway.model import Kind

VENDORS: Final = ("axis",)
_PORT: Final = ("port",)

TOPICS: Final[Table] = MappingProxyType(
    {
        "device/io/port": Means(Kind.DIGITAL_INPUT, "input", subject=_PORT),
        # Buttons that other programs press on the camera; the older and the newer topic tell of the same.
        "device/io/virtualinput": Means(Kind.DIGITAL_INPUT, "virtual input", subject=_PORT, what="virtual"),
        "device/io/virtualport": Means(Kind.DIGITAL_INPUT, "virtual input", subject=_PORT, what="virtual"),
        "device/casing/open": Means(Kind.TAMPER, "casing", subject=("Name",), what="casing open"),
        "device/shockdetected": Means(Kind.TAMPER, "shock", State.PERHAPS, what="shock"),
        "videosource/tampering": Means(Kind.TAMPER, COVERED.family, State.PERHAPS, what=COVERED.what),
        "videoanalytics/motiondetection": MOTION,
        "cameraapplicationplatform/vmd/*": MOTION,
        "device/hardwarefailure/storagefailure": fault("storage", subject=("disk_id", "Token")),
        "storage/disruption": fault("storage", subject=("disk_id",)),
        "device/hardwarefailure/fanfailure": fault("fan", subject=("fan", "Token")),
        "device/status/temperature/above": fault("temperature"),
        "device/status/temperature/below": fault("temperature"),
        "device/status/temperature/above_or_below": fault("temperature"),
        "device/network/lost": fault("network", subject=("interface",)),
        "device/status/*": None,  # ready, temperature inside its range
        "device/systemmessage/*": None,
        "device/io/outputport": None,
        "events/*": None,
        "storage/recording": None,
        "useralarm/recurring/*": None,
        "videosource/livestreamaccessed": None,
        "videosource/ptz/*": None,
    }
)
