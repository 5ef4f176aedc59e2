"""The JSON of the API against the contract's examples, key by key and in their order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.alerts.register import Presence
from gateway.console.api import schemas
from gateway.console.views import (
    alert_json,
    camera_json,
    full_alert_json,
    terminal_json,
    without_callers_phone,
    without_phone,
)
from gateway.model import (
    Alert,
    Camera,
    CameraHealth,
    CameraState,
    Clip,
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
    rfc3339,
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
    accepted_by="zhou",
    accepted_node="dazhu",
    accepted_level="county",
)
CLIP = Clip("k/1", PictureState.READY, None, -30_250, 30_000, "cd" * 32, "h264")
STORED = StoredAlert(ALERT, 3, (Forwarding("county", AT, 17),), 9, AT + timedelta(milliseconds=4))
ENTRY = Entry("e1", "0197-1", "zhuyang", 1, (), AT, "terminal/tv-0001", "raised", None, {"base": {}, "level": "county"})


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
            "data": {"level": "county"},  # what is for nodes stays with nodes
        }
    ]
    schemas.Alert.model_validate(shown)


def test_what_people_were_told_is_shown_to_those_who_may_call() -> None:
    said = {"to": "wang", "role": "grid_worker", "by": "wecombot", "at": rfc3339(AT), "text": "王家 13800000001"}
    told = Entry("e-3", "0197-1", "zhuyang", 3, ("e-1",), AT, "gateway", "notified", None, said)
    alert = replace(ALERT, detail={"household": {"name": "王", "phone": "13800000001"}})
    shown = full_alert_json(StoredAlert(alert, 3, (), 1), [told])
    assert shown["entries"][0]["data"]["text"] == said["text"]
    looked_at = without_callers_phone(shown)
    assert "13800000001" not in str(looked_at)
    assert looked_at["entries"][0]["data"]["to"] == "wang"


def test_receipts_tell_this_nodes_commit_the_upper_nodes_and_the_operators() -> None:
    assert alert_json(STORED)["receipts"] == {
        "received_at": "2026-01-31T08:00:00.124Z",
        "forwarded": [{"sink": "county", "at": "2026-01-31T08:00:00.120Z", "seq": 17}],
        "accepted_at": "2026-01-31T08:00:07.120Z",
        "accepted_by": "zhou",
        "accepted_node": "dazhu",
        "accepted_level": "county",
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


def with_clip(clip: Clip) -> dict[str, Any]:
    (camera,) = ALERT.cameras
    shown = alert_json(replace(STORED, alert=replace(ALERT, cameras=(replace(camera, clip=clip),))))
    found: dict[str, Any] = shown["cameras"][0]["clip"]
    return found


def test_a_clip_has_an_address_once_it_is_ready() -> None:
    assert with_clip(CLIP) == {
        "state": "ready",
        "reason": None,
        "url": "/api/v1/alerts/0197-1/clips/k%2F1.mp4",
        "from_ms": -30_250,
        "to_ms": 30_000,
        "sha256": "cd" * 32,
        "codec": "h264",
    }
    pending = with_clip(Clip("k"))
    assert (pending["state"], pending["url"], pending["from_ms"]) == ("pending", None, None)
    failed = with_clip(Clip("k", PictureState.FAILED, "the press came late"))
    assert (failed["state"], failed["reason"], failed["url"]) == ("failed", "the press came late", None)


def test_a_camera_without_a_clip_says_none() -> None:
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
            "masks", "consent", "clip", "signage",
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
    assert list(shown) == [
        "id", "household", "place", "state", "last_seen", "last_press", "last_test", "model", "cameras", "neighbours", "presets",
    ]  # fmt: skip
    assert (shown["state"], shown["last_seen"], shown["last_press"]) == ("online", "2026-01-31T08:00:00.120Z", None)
    assert terminal_json(terminal, Presence(online=False))["state"] == "offline"
    assert terminal_json(terminal, Presence())["state"] == "unknown"
    schemas.Terminal.model_validate(shown)


def test_what_has_to_be_known_in_a_household_is_told_to_whoever_looks() -> None:
    household = Household("王家", "138", "三组7号", "听力不好，请大声敲门")
    terminal = terminal_json(Terminal("tv-0001", household), Presence())
    assert without_phone(terminal)["household"] == {
        "name": "王家",
        "phone": None,
        "address": "三组7号",
        "instructions": "听力不好，请大声敲门",
    }
    schemas.Terminal.model_validate(terminal)
    pressed = alert_json(replace(STORED, alert=replace(ALERT, detail={"household": household.as_detail()})))
    shown = without_callers_phone(pressed)["detail"]["household"]
    assert (shown["phone"], shown["instructions"]) == (None, "听力不好，请大声敲门")


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
