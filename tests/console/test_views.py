"""The JSON of the API against the contract's examples, key by key and in their order."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.alerts.register import Presence
from gateway.console.api import schemas
from gateway.console.views import alert_json, camera_json, full_alert_json, terminal_json
from gateway.model import (
    Alert,
    Camera,
    CameraHealth,
    CameraState,
    Credential,
    Entry,
    Forwarding,
    Household,
    Kind,
    LinkedCamera,
    PictureState,
    Place,
    Scene,
    Snapshot,
    SourceRef,
    Status,
    StreamAddress,
    Terminal,
    Workflow,
)
from gateway.ports import StoredAlert

AT = datetime(2026, 1, 31, 8, 0, 0, 120_000, tzinfo=UTC)
ALERT = Alert(
    id="0197-1",
    node="zhuyang",
    kind=Kind.SOS,
    severity=1,
    status=Status.ACTUAL,
    raised_at=AT,
    source=SourceRef("terminal", "tv-0001", "王家"),
    title="王家 SOS",
    place=Place(107.2, 30.7, "三组7号", "511724001"),
    detail={"press_ids": ["p1"]},
    cameras=(
        LinkedCamera(
            "cam/1",
            "十字口东",
            35,
            (
                Snapshot("s/1", -5000, 1, -4720, AT, PictureState.READY, None, "ab" * 32, 640, 360),
                Snapshot("s2", 3000, state=PictureState.FAILED, reason="the camera is offline"),
            ),
        ),
    ),
    accepted_at=AT + timedelta(seconds=7),
)
STORED = StoredAlert(ALERT, 3, (Forwarding("county", AT, 17),), 9, AT + timedelta(milliseconds=4))
ENTRY = Entry("e1", "0197-1", "zhuyang", 1, (), AT, "terminal/tv-0001", "raised", None, {"base": {}})


def test_alert_in_a_list_has_the_contracts_keys_without_entries() -> None:
    shown = alert_json(STORED)
    assert list(shown) == [
        "id", "node", "kind", "severity", "status", "workflow", "condition", "disposition", "assignee", "count",
        "raised_at", "device_time", "received_at", "source", "place", "title", "detail", "cameras", "receipts", "version",
    ]  # fmt: skip
    assert shown["severity"] == 1
    assert shown["raised_at"] == shown["received_at"] == "2026-01-31T08:00:00.120Z"
    assert shown["device_time"] is None
    assert shown["source"] == {"type": "terminal", "id": "tv-0001", "name": "王家", "known": True}
    assert shown["place"] == {"lon": 107.2, "lat": 30.7, "address": "三组7号", "area_code": "511724001"}
    assert shown["detail"] == {"press_ids": ["p1"]}
    assert shown["version"] == 3
    schemas.AlertInList.model_validate(shown)


def test_alert_with_its_history_ends_with_entries_and_version() -> None:
    shown = full_alert_json(STORED, [ENTRY])
    assert list(shown)[-3:] == ["receipts", "entries", "version"]
    assert shown["entries"] == [
        {
            "id": "e1",
            "at": "2026-01-31T08:00:00.120Z",
            "node": "zhuyang",
            "actor": "terminal/tv-0001",
            "action": "raised",
            "comment": None,
        }
    ]
    schemas.Alert.model_validate(shown)


def test_receipts_tell_this_nodes_commit_the_upper_nodes_and_the_operators() -> None:
    assert alert_json(STORED)["receipts"] == {
        "received_at": "2026-01-31T08:00:00.124Z",
        "forwarded": [{"sink": "county", "at": "2026-01-31T08:00:00.120Z", "seq": 17}],
        "accepted_at": "2026-01-31T08:00:07.120Z",
    }


def test_snapshots_have_an_address_only_where_there_is_a_picture() -> None:
    [camera] = alert_json(STORED)["cameras"]
    assert list(camera) == ["id", "name", "distance_m", "snapshots", "clip"]
    ready, failed = camera["snapshots"]
    assert ready == {
        "id": "s/1",
        "wanted_ms": -5000,
        "offset_ms": -4720,
        "taken_at": "2026-01-31T08:00:00.120Z",
        "state": "ready",
        "reason": None,
        "url": "/api/v1/alerts/0197-1/snapshots/s%2F1",
        "sha256": "ab" * 32,
        "width": 640,
        "height": 360,
        "press": 1,
    }
    assert (failed["state"], failed["reason"], failed["url"]) == ("failed", "the camera is offline", None)


def test_there_is_no_clip_yet() -> None:
    [camera] = alert_json(STORED)["cameras"]
    assert list(camera["clip"]) == ["state", "reason", "url", "from_ms", "to_ms", "sha256", "codec"]
    assert camera["clip"]["state"] == "none"


def test_camera_has_the_contracts_keys_and_never_its_stream() -> None:
    camera = Camera(
        "1",
        "十字口东",
        Scene.STREET,
        Place(area_code="511724001001"),
        StreamAddress("rtsp://10.0.0.5/main", "rtsp://10.0.0.5/sub", Credential("admin", "hunter2hunter2")),
    )
    health = CameraHealth("1", CameraState.ONLINE, AT, None, AT, "h264", 1920, 1080, faults=("blurred",))
    shown = camera_json(camera, health)
    assert list(shown) == [
        "id", "name", "scene", "place", "state", "reason", "since", "last_keyframe_at", "codec", "width", "height", "faults",
    ]  # fmt: skip
    assert (shown["state"], shown["since"], shown["faults"]) == ("online", "2026-01-31T08:00:00.120Z", ["blurred"])
    assert "10.0.0.5" not in str(shown)
    assert "hunter2" not in str(shown)
    schemas.Camera.model_validate(shown)


def test_camera_without_word_from_its_worker_is_connecting_and_a_switched_off_one_disabled() -> None:
    assert camera_json(Camera("1", "x"), None)["state"] == "connecting"
    assert camera_json(Camera("1", "x", enabled=False), None)["state"] == "disabled"
    schemas.Camera.model_validate(camera_json(Camera("1", "x"), None))


def test_terminal_has_the_contracts_keys() -> None:
    terminal = Terminal("tv-0001", Household("王家", "138", "三组7号"))
    shown = terminal_json(terminal, Presence(online=True, last_seen=AT))
    assert list(shown) == ["id", "household", "place", "state", "last_seen", "last_press"]
    assert (shown["state"], shown["last_seen"], shown["last_press"]) == ("online", "2026-01-31T08:00:00.120Z", None)
    assert terminal_json(terminal, Presence(online=False))["state"] == "offline"
    assert terminal_json(terminal, Presence())["state"] == "unknown"
    schemas.Terminal.model_validate(shown)


@given(
    workflow=st.sampled_from(Workflow),
    kind=st.sampled_from(Kind),
    count=st.integers(1, 10_000),
    at=st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)),
    text=st.text(max_size=40),
)
def test_every_alert_fits_the_published_schema(
    workflow: Workflow, kind: Kind, count: int, at: datetime, text: str
) -> None:
    alert = Alert(
        id="a", node="n", kind=kind, severity=4, status=Status.TEST, raised_at=at, source=SourceRef("report", text),
        title=text, workflow=workflow, count=count, device_time=at, detail={"text": text},
    )  # fmt: skip
    schemas.AlertInList.model_validate(alert_json(StoredAlert(alert, 1)))
