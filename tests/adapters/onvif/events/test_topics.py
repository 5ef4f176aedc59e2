import re
from collections.abc import Mapping

import pytest

from adapters.onvif import soap
from adapters.onvif.events.notifications import Notification, parse_pull
from adapters.onvif.events.topics import Occurrence, Unknown, impersonal, occurrence, path_of
from gateway.model import Kind

IGNORED, UNKNOWN = "ignored", "unknown"
# What each topic of TOPICS.md comes to. Those that are but branches of a device's tree are no messages: unknown.
_DECIDED: Mapping[str, tuple[str, ...]] = {
    "digital_input": (
        "device/trigger/digitalinput", "device/trigger/alarmin", "device/io/virtualinput", "device/io/virtualport",
    ),
    "tamper": (
        "device/casing/open", "ruleengine/camerasabotage/triggered", "ruleengine/cellmotiondetector/tamper",
        "ruleengine/tamperdetector/tamper", "videosource/globalscenechange/analyticsservice",
        "videosource/globalscenechange/imagingservice", "videosource/globalscenechange/recordingservice",
        "videosource/imagetooblurry/analyticsservice", "videosource/imagetooblurry/imagingservice",
        "videosource/imagetooblurry/recordingservice", "videosource/imagetoobright/analyticsservice",
        "videosource/imagetoobright/imagingservice", "videosource/imagetoobright/recordingservice",
        "videosource/imagetoodark/analyticsservice", "videosource/imagetoodark/imagingservice",
        "videosource/imagetoodark/recordingservice",
    ),
    "video_loss": ("videosource/signalloss",),
    "image_fault": ("videosource/signalstandardmismatch",),
    "line_crossing": (
        "ruleengine/cellmotiondetector/linecross", "ruleengine/linedetector/crossed", "ruleengine/linedetector/crossing",
    ),
    "intrusion": (
        "ruleengine/cellmotiondetector/intrusion", "ruleengine/fielddetector/objectsinside",
        "ruleengine/loiteringdetection/triggered",
    ),
    "motion": (
        "ruleengine/adaptivemotion/triggered", "ruleengine/cellmotiondetector/motion",
        "ruleengine/cellmotiondetector/people", "ruleengine/cellmotiondetector/tpsmartevent",
        "ruleengine/directionalmotion/triggered", "ruleengine/motionregiondetector/motion",
        "ruleengine/myruledetector/dogcatdetect", "ruleengine/myruledetector/package",
        "ruleengine/myruledetector/peopledetect", "ruleengine/myruledetector/vehicledetect",
        "ruleengine/objectdetection/object", "ruleengine/peopledetector/people", "ruleengine/stoppedvehicle/triggered",
        "ruleengine/tpsmarteventdetector/tpsmartevent", "ruleengine/motiondetector/detection",
        "useralarm/iva/humanshapedetect", "videoanalytics/motiondetection", "videosource/motionalarm",
    ),
    "other": (
        "device/hardwarefailure/storagefailure", "device/hardwarefailure/harddiskerror",
        "device/hardwarefailure/harddiskfull", "device/hardwarefailure/harddiskunformat",
        "device/hardwarefailure/fanfailure", "device/operationmode/shutdowninitiated", "device/network/lost",
        "device/network/ethernetbroken", "device/network/ipaddrconflict", "device/status/temperature/above",
        "device/status/temperature/above_or_below", "device/status/temperature/below",
        "ruleengine/abandonedobject/triggered", "ruleengine/objectremoval/triggered",
        "ruleengine/myruledetector/visitor", "storage/disruption", "useralarm/illegalaccess",
    ),
    IGNORED: (
        "advancedsecurity/keystore", "advancedsecurity/keystore/keystatus", "audioanalytics/audio/detectedsound",
        "configuration/audioencoderconfiguration", "configuration/audiooutputconfiguration",
        "configuration/audiooutputconfiguration/mediaservice", "configuration/audiosourceconfiguration",
        "configuration/audiosourceconfiguration/mediaservice", "configuration/metadataconfiguration",
        "configuration/ptzconfiguration", "configuration/profile", "configuration/videoanalyticsconfiguration",
        "configuration/videoencoderconfiguration", "configuration/videosourceconfiguration",
        "configuration/videosourceconfiguration/mediaservice", "device/trigger/relay", "device/status/systemready",
        "device/status/temperature/inside", "device/systemmessage/actionfailed", "events/eventregistrationschanged",
        "media/configurationchanged", "media/profilechanged", "mediacontrol/videoencoderconfiguration",
        "mediacontrol/videosourceconfiguration", "monitoring/backup", "monitoring/backup/last", "monitoring/linkstatus",
        "monitoring/operatingtime", "monitoring/operatingtime/lastclocksynchronization",
        "monitoring/operatingtime/lastreboot", "monitoring/operatingtime/lastreset", "monitoring/processorusage",
        "monitoring/uploadstatus", "ptzcontroller/autotracking", "ptzcontroller/controlqueue",
        "ptzcontroller/move/channel_1", "ptzcontroller/ptzerror", "ptzcontroller/ptzpresets/channel_1",
        "ptzcontroller/ptzready", "recordingconfig/deletetrackdata", "recordingconfig/jobstate",
        "recordingconfig/recordingconfiguration", "recordingconfig/recordingjobconfiguration",
        "recordingconfig/trackconfiguration", "recordinghistory/recording/state", "recordinghistory/track/state",
        "ruleengine/autotracker/moved", "ruleengine/countaggregation/counter", "ruleengine/objectcounting/countexceeded",
        "ruleengine/myruledetector/facedetect", "storage/recording", "useralarm/recurring/interval",
        "videosource/livestreamaccessed", "videosource/ptz/enterexit",
    ),
    UNKNOWN: (
        "advancedsecurity", "configuration", "device", "device/hardwarefailure", "device/network", "device/trigger",
        "mediacontrol", "monitoring", "recordingconfig", "ruleengine", "ruleengine/cellmotiondetector",
        "ruleengine/fielddetector", "ruleengine/linedetector", "ruleengine/tamperdetector", "useralarm", "videosource",
    ),
}  # fmt: skip
_BY_TOPIC = {topic: decision for decision, topics in _DECIDED.items() for topic in topics}
_DATA = {"ruleengine/objectdetection/object": {"ClassTypes": "Human"}}
_SMART = {"IsVehicle": "true"}


def said(topic: str, source: Mapping[str, str] | None = None, operation: str = "Changed", **data: str) -> Notification:
    return Notification(topic, operation=operation, source=source or {}, data=data or {"State": "true"})


def decision(notification: Notification) -> str:
    found = occurrence(notification)
    if isinstance(found, Unknown):
        return UNKNOWN
    return IGNORED if found is None else found.kind.value


@pytest.mark.parametrize("topic", sorted(_BY_TOPIC))
def test_every_topic_is_decided(topic: str) -> None:
    data = _SMART if topic.endswith("tpsmartevent") else _DATA.get(topic, {"State": "true"})
    assert decision(said(f"tns1:{topic}", **data)) == _BY_TOPIC[topic]


def test_no_topic_seen_anywhere_is_without_a_decision(recordings) -> None:
    listed = re.findall(r"^\| (tns\S+) \|", (recordings / "TOPICS.md").read_text(), re.MULTILINE)
    assert len(listed) > 120
    assert {path_of(topic) for topic in listed} - _BY_TOPIC.keys() == set()


def test_no_recorded_message_is_unknown(recordings) -> None:
    for path in sorted(recordings.glob("*/PullMessages*.xml")):
        if "Fault" not in path.name:
            for notification in parse_pull(soap.read(path.read_bytes(), "x", "PullMessages")):
                assert not isinstance(occurrence(notification), Unknown), (path, notification)


@pytest.mark.parametrize(
    ("fixture", "number", "wanted"),
    [
        ("ajax/PullMessages.LineCrossing-ElementItem.xml", 0, (Kind.LINE_CROSSING, None, "00005e005301-0", "")),
        (
            "ajax/PullMessages.ObjectDetection-two-classes.xml",
            0,
            (Kind.MOTION, True, "00005e005301-0", "person, vehicle"),
        ),
        ("dahua/PullMessages.HumanShapeDetect.xml", 0, (Kind.MOTION, True, None, "person")),
        ("dahua/PullMessages.motion.xml", 0, (Kind.MOTION, True, None, "")),
        ("hikvision_2025/PullMessages.AlarmIn.xml", 0, (Kind.DIGITAL_INPUT, True, None, "AlarmIn_1")),
        ("hikvision_compatible/PullMessages.FieldDetector.xml", 0, (Kind.INTRUSION, True, None, "Vehicle")),
        ("hikvision_compatible/PullMessages.initialized-2.xml", 1, (Kind.DIGITAL_INPUT, False, None, "00000")),
        ("pelco/PullMessages.xml", 5, (Kind.MOTION, True, None, "")),
        ("reolink/PullMessages.Package.xml", 0, (Kind.MOTION, True, "000", "package")),
        ("reolink/PullMessages.PeopleDetect.xml", 0, (Kind.MOTION, True, "000", "person")),
        ("tapo/PullMessages.LineCross.xml", 0, (Kind.LINE_CROSSING, True, None, "MyLineCrossDetectorRule")),
        ("tapo/PullMessages.People.xml", 0, (Kind.MOTION, True, None, "person")),
        ("tapo/PullMessages.TPSmartEvent-vehicle.xml", 0, (Kind.MOTION, True, None, "vehicle")),
        ("tapo/PullMessages.TpSmartEvent-othercase.xml", 0, (Kind.MOTION, True, None, "vehicle")),
    ],
)
def test_recorded_messages_come_to_what_they_mean(recorded, fixture: str, number: int, wanted: tuple) -> None:
    found = occurrence(parse_pull(soap.read(recorded(fixture), "x", "PullMessages"))[number])
    assert isinstance(found, Occurrence)
    what = "" if fixture.startswith("ajax/PullMessages.Line") else found.what
    assert (found.kind, found.active, found.source, what) == wanted


def test_two_topics_of_one_tapo_event_are_one_family() -> None:
    one = occurrence(said("tns1:RuleEngine/TPSmartEventDetector/TPSmartEvent", IsPeople="true"))
    other = occurrence(said("tns1:RuleEngine/PeopleDetector/People", IsPeople="true"))
    assert isinstance(one, Occurrence) and isinstance(other, Occurrence)
    assert one.family == other.family
    assert one.member != other.member


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True),
        ("True", True),
        ("1", True),
        ("active", True),
        ("false", False),
        ("0", False),
        ("inactive", False),
    ],
)
def test_states_however_they_are_written(written: str, meant: bool) -> None:
    found = occurrence(said("tns1:Device/Trigger/DigitalInput", {"InputToken": "1"}, LogicalState=written))
    assert isinstance(found, Occurrence)
    assert found.active is meant


def test_a_state_that_cannot_be_read_is_unknown_and_not_guessed() -> None:
    found = occurrence(said("tns1:Device/Trigger/DigitalInput", {"InputToken": "1"}, LogicalState="perhaps"))
    assert found == Unknown("tns1:Device/Trigger/DigitalInput", "it tells a state, which cannot be read")


def test_a_deleted_property_is_over() -> None:
    source = {"Rule": "yard"}
    found = occurrence(said("tns1:RuleEngine/FieldDetector/ObjectsInside", source, "Deleted", ObjectId="4"))
    assert isinstance(found, Occurrence)
    assert found.active is False


def test_a_number_is_no_state() -> None:
    found = occurrence(said("tns1:RuleEngine/LineDetector/Crossed", {"Rule": "gate"}, ObjectId="1"))
    assert isinstance(found, Occurrence)
    assert found.active is None


def test_the_twins_of_an_input_are_one_by_their_number() -> None:
    one = occurrence(said("tns1:Device/Trigger/tnshik:AlarmIn", {"AlarmInToken": "AlarmIn_1"}))
    other = occurrence(said("tns1:Device/Trigger/DigitalInput", {"InputToken": "DigitalInput_1"}))
    third = occurrence(said("tns1:Device/Trigger/DigitalInput", {"InputToken": "DigitalInput_2"}))
    assert isinstance(one, Occurrence) and isinstance(other, Occurrence) and isinstance(third, Occurrence)
    assert one.family == other.family != third.family


@pytest.mark.parametrize(
    "topic",
    [
        "tns1:RuleEngine/MyRuleDetector/FaceDetect",
        "tns1:RuleEngine/Recognition/Face",
        "tnsx:Smart/FaceRecognition/Matched",
        "tns1:RuleEngine/Recognition/LicensePlate",
    ],
)
def test_who_somebody_is_is_nobodys_business_here(topic: str) -> None:
    assert occurrence(said(topic, PersonName="x")) is None


def test_classes_that_identify_are_left_out() -> None:
    assert occurrence(said("tns1:RuleEngine/ObjectDetection/Object", ClassTypes="Face")) is None
    found = occurrence(said("tns1:RuleEngine/ObjectDetection/Object", ClassTypes="Face Human"))
    assert isinstance(found, Occurrence)
    assert found.what == "person"


def test_what_a_taken_topic_says_of_persons_is_not_kept() -> None:
    told = said(
        "tns1:RuleEngine/LineDetector/Crossed", ObjectId="3", FaceId="7", Object="Human.PersonName=Li, Human.x=1"
    )
    kept = impersonal(told)
    assert dict(kept.data) == {"ObjectId": "3"}
    assert impersonal(kept) is kept


def test_no_more_classes_is_the_end_of_it() -> None:
    found = occurrence(said("tns1:RuleEngine/ObjectDetection/Object", ClassTypes=""))
    assert isinstance(found, Occurrence)
    assert found.active is False


def test_an_interface_is_no_face() -> None:
    assert isinstance(occurrence(said("tns1:Device/Network/Interface")), Unknown)


@pytest.mark.parametrize(
    "topic", ["tns1:VideoSource/MotionAlarm//.", "VideoSource/MotionAlarm", "x:VIDEOSOURCE/motionalarm/"]
)
def test_prefixes_case_and_what_trails_do_not_count(topic: str) -> None:
    assert decision(said(topic)) == "motion"


def test_configurations_are_told_by_their_source() -> None:
    channels = {"conf1": "src1", "conf2": "src2"}
    topic = "tns1:RuleEngine/CellMotionDetector/Motion"

    def source(item: dict[str, str], known: dict[str, str]) -> str | None:
        found = occurrence(said(topic, item), "", known)
        assert isinstance(found, Occurrence)
        return found.source

    assert source({"VideoSourceConfigurationToken": "conf2"}, channels) == "src2"
    assert source({"VideoSourceConfigurationToken": "other"}, channels) is None
    assert source({"VideoSourceConfigurationToken": "other"}, {"conf1": "src1"}) == "src1"
    assert source({"Source": "src2"}, channels) == "src2"
    assert source({"Source": "conf2"}, channels) == "src2"
    assert source({"Source": "new"}, {}) == "new"


def test_faults_name_what_is_broken() -> None:
    found = occurrence(said("tns1:Device/HardwareFailure/tnshik:HardDiskError", {"HardDiskNo": "2"}), "HIKVISION")
    assert isinstance(found, Occurrence)
    assert (found.kind, found.active, found.what, dict(found.detail)) == (
        Kind.OTHER,
        True,
        "storage 2",
        {"fault": "storage"},
    )
