"""Topics that ONVIF itself names (Imaging, Analytics, Device IO and Core specifications)."""

from types import MappingProxyType
from typing import Final

from adapters.onvif.events.notifications import Notification
from adapters.onvif.events.topics.occurrence import RULE, Means, State, Table
from adapters.onvif.events.topics.reading import item
from gateway.model import Kind

MOTION: Final = Means(Kind.MOTION, "motion")
COVERED: Final = Means(Kind.TAMPER, "covered", what="covered")
SCENE: Final = Means(Kind.TAMPER, "scene", what="scene changed")
DARK: Final = Means(Kind.TAMPER, "dark", what="too dark")
BRIGHT: Final = Means(Kind.TAMPER, "bright", what="too bright")
BLURRY: Final = Means(Kind.TAMPER, "blurry", what="too blurry")

_CLASSES: Final = MappingProxyType({"human": "person", "people": "person", "bus": "vehicle", "car": "vehicle"})
_IDENTIFYING: Final = frozenset(("face", "licenseplate"))


def seen(what: str, state: State = State.ALWAYS) -> Means:
    """An object of a class: never who it is."""
    detail = MappingProxyType({"class": what})
    return Means(Kind.MOTION, f"seen {what}", state, what=what, detail=detail)


def fault(name: str, state: State = State.ALWAYS, *, subject: tuple[str, ...] = ("Token",), family: str = "") -> Means:
    """Something of the device is broken. The contract has no kind of its own for that: ``other``, with what it is."""
    detail = MappingProxyType({"fault": name})
    return Means(Kind.OTHER, f"fault {family or name}", state, subject, what=name.replace("_", " "), detail=detail)


def _objects(notification: Notification) -> Means | None:
    """ObjectDetection/Object: ClassTypes lists what is there now; an empty list is the end of it."""
    listed = (item(notification, "classtypes") or "").replace(",", " ").split()
    named = {_CLASSES.get(name.lower(), name.lower()) for name in listed if name.lower() not in _IDENTIFYING}
    if listed and not named:
        return None
    what = ", ".join(sorted(named))
    return Means(
        Kind.MOTION,
        "seen objects",
        what=what,
        detail=MappingProxyType({"class": what}),
        read_state=lambda _: bool(named),
    )


TOPICS: Final[Table] = MappingProxyType(
    {
        "videosource/motionalarm": MOTION,
        "ruleengine/cellmotiondetector/motion": MOTION,
        "ruleengine/motionregiondetector/motion": MOTION,
        "ruleengine/objectdetection/object": _objects,
        "ruleengine/linedetector/crossed": Means(Kind.LINE_CROSSING, "line", State.PERHAPS, RULE),
        "ruleengine/fielddetector/objectsinside": Means(Kind.INTRUSION, "field", subject=RULE),
        "ruleengine/loiteringdetector/objectisloitering": Means(Kind.INTRUSION, "loitering", State.PERHAPS, RULE),
        "ruleengine/tamperdetector/tamper": COVERED,
        "videosource/globalscenechange/*": SCENE,
        "videosource/imagetoodark/*": DARK,
        "videosource/imagetoobright/*": BRIGHT,
        "videosource/imagetooblurry/*": BLURRY,
        "videosource/signalloss": Means(Kind.VIDEO_LOSS, "signal"),
        "device/trigger/digitalinput": Means(
            Kind.DIGITAL_INPUT, "input", subject=("InputToken", "Token", "Source"), numbered=True
        ),
        "device/hardwarefailure/storagefailure": fault("storage"),
        "device/hardwarefailure/fanfailure": fault("fan"),
        "device/hardwarefailure/powersupplyfailure": fault("power_supply"),
        "device/hardwarefailure/temperaturecritical": fault("temperature"),
        "device/operationmode/shutdowninitiated": fault("shutdown", State.PERHAPS),
        # What we set ourselves, what settings changed, how busy it is, what it records: nothing that somebody must see.
        "device/trigger/relay": None,
        "device/operationmode/*": None,
        "advancedsecurity/*": None,
        "audioanalytics/*": None,  # sounds are none of the contract's kinds
        "configuration/*": None,
        "media/*": None,
        "mediacontrol/*": None,
        "monitoring/*": None,
        "ptzcontroller/*": None,
        "recordingconfig/*": None,
        "recordinghistory/*": None,
        "ruleengine/countaggregation/*": None,
    }
)
