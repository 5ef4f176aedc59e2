"""What a device notices, in the words of its maker: pure tables from an event's name to topics and items (ONVIF Core §9).

Each notice becomes one message or, where makers tell the same twice, two.
"""

from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from gateway.errors import UsageError


@dataclass(frozen=True, slots=True)
class Topic:
    """One message of an event. ``source``: name and value with ``{source}`` for the video source's number, ``{input}`` for
    the input's; ``data``: the item that holds the state. ``property``: it has a state that can be asked for."""

    topic: str
    source: tuple[tuple[str, str], ...]
    data: str
    property: bool = True


_RULE = (("VideoSourceConfigurationToken", "VSC{source}"), ("VideoAnalyticsConfigurationToken", "VAC{source}"))
_GENERIC: dict[str, tuple[Topic, ...]] = {
    "input": (Topic("tns1:Device/Trigger/DigitalInput", (("InputToken", "INPUT{input}"),), "LogicalState"),),
    "tamper": (Topic("tns1:VideoSource/GlobalSceneChange/ImagingService", (("Source", "VS{source}"),), "State"),),
    "video_loss": (Topic("tns1:VideoSource/SignalLoss", (("Source", "VS{source}"),), "State"),),
    "line": (Topic("tns1:RuleEngine/LineDetector/Crossed", (*_RULE, ("Rule", "Line 1")), "ObjectId", False),),
    "intrusion": (Topic("tns1:RuleEngine/FieldDetector/ObjectsInside", (*_RULE, ("Rule", "Field 1")), "IsInside"),),
    "motion": (
        Topic("tns1:RuleEngine/CellMotionDetector/Motion", (*_RULE, ("Rule", "Motion 1")), "IsMotion"),
        Topic("tns1:VideoSource/MotionAlarm", (("Source", "VS{source}"),), "State"),
    ),
    "storage": (Topic("tns1:Device/HardwareFailure/StorageFailure", (("Token", "SD1"),), "Failed"),),
    "unheard_of": (Topic("tns1:Device/tnslab:Weather/Fog", (("Source", "VS{source}"),), "Dense"),),
}
DIALECTS: dict[str, dict[str, tuple[Topic, ...]]] = {
    "generic": _GENERIC,
    "hikvision": _GENERIC
    | {
        "input": (Topic("tns1:Device/Trigger/tnshik:AlarmIn", (("AlarmInToken", "AlarmIn_{input}"),), "State"),),
        "storage": (Topic("tns1:Device/HardwareFailure/tnshik:HardDiskError", (("Token", "1"),), "State"),),
    },
    "axis": _GENERIC
    | {
        "input": (Topic("tns1:Device/tnsaxis:IO/Port", (("port", "{input}"),), "state"),),
        "storage": (Topic("tns1:Device/tnsaxis:HardwareFailure/StorageFailure", (("disk_id", "SD"),), "disruption"),),
    },
    "tapo": _GENERIC
    | {
        "line": (
            Topic("tns1:RuleEngine/CellMotionDetector/LineCross", (*_RULE, ("Rule", "MyLineCrossRule")), "IsLineCross"),
        ),
        "intrusion": (
            Topic("tns1:RuleEngine/CellMotionDetector/Intrusion", (*_RULE, ("Rule", "MyIntrusion")), "IsIntrusion"),
        ),
    },
}
EVENTS = tuple(_GENERIC)


def topics_of(event: str, dialect: str) -> tuple[Topic, ...]:
    """Raises UsageError for an event that no device has."""
    if event not in _GENERIC:
        raise UsageError(f"there is no event {event!r}; the devices have {', '.join(EVENTS)}")
    return DIALECTS[dialect][event]


def message(topic: Topic, active: bool, *, at: str, operation: str, source: int, place: int, count: int) -> str:
    """One wsnt:NotificationMessage. ``place`` is the input's number, ``count`` names what merely happened."""
    items = "".join(
        f"<tt:SimpleItem Name={quoteattr(name)} Value={quoteattr(value.format(source=source, input=place))}/>"
        for name, value in topic.source
    )
    value = ("true" if active else "false") if topic.property else str(count)
    stated = f' PropertyOperation="{operation}"' if topic.property else ""
    return (
        '<wsnt:NotificationMessage><wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">'
        f'{topic.topic}</wsnt:Topic><wsnt:Message><tt:Message UtcTime="{at}"{stated}><tt:Source>{items}</tt:Source>'
        f'<tt:Data><tt:SimpleItem Name="{topic.data}" Value="{value}"/></tt:Data></tt:Message></wsnt:Message>'
        "</wsnt:NotificationMessage>"
    )


def topic_set(dialect: str) -> str:
    """What GetEventProperties says of them, as a tree below wstop:TopicSet."""
    tree: dict[str, dict[str, object]] = {}
    for topics in DIALECTS[dialect].values():
        for one in topics:
            level: dict[str, object] = tree  # type: ignore[assignment]
            for step in one.topic.split("/"):
                level = level.setdefault(step, {})  # type: ignore[assignment]
            level["*"] = one
    return _branch(tree)  # type: ignore[arg-type]


def _branch(level: dict[str, object]) -> str:
    told = ""
    for name, below in level.items():
        if isinstance(below, Topic):
            told += _description(below)
        elif isinstance(below, dict):
            leaf = ' wstop:topic="true"' if "*" in below else ""
            told += f"<{name}{leaf}>{_branch(below)}</{name}>"
    return told


def _description(topic: Topic) -> str:
    kind = "xs:boolean" if topic.property else "xs:integer"
    source = "".join(f'<tt:SimpleItemDescription Name="{name}" Type="tt:ReferenceToken"/>' for name, _ in topic.source)
    return (
        f'<tt:MessageDescription IsProperty="{str(topic.property).lower()}"><tt:Source>{source}</tt:Source>'
        f'<tt:Data><tt:SimpleItemDescription Name="{topic.data}" Type="{kind}"/></tt:Data></tt:MessageDescription>'
    )
