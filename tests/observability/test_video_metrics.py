"""The metrics of cameras and workers, as Prometheus itself reads them (promtool)."""

import gzip
import re
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import Metric

from gateway.model import (
    Camera,
    CameraHealth,
    CameraState,
    ClockReading,
    DeviceHealth,
    DeviceInformation,
    EventsState,
    Place,
)
from gateway.observability.exposition import metrics_app
from gateway.observability.video_metrics import VideoScene

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIGURES = {
    "rss_bytes": 70_000_000,
    "cpu_s": 12.5,
    "ring": {"bytes": 1000, "dropped_over_budget": 3},
    "recorder": {"bytes": 2000},
    "decoder": {"deaths": 1, "pid": None},
    "devices": {"sessions": 4, "requests": {"PullMessages/ok": 90, "PullMessages/unreachable": 2}},
    "signals": {"waiting": 2, "dropped": 1},
}


def scene(per_camera: str) -> VideoScene:
    online = CameraHealth("c1", CameraState.ONLINE, NOW, None, NOW, "h264", 704, 576, 12345, 2, 7)
    offline = CameraHealth("c2", CameraState.OFFLINE, NOW, 'no route to "10.0.0.5"')
    cameras = [
        (Camera("c1", "one", place=Place(area_code="511724001001")), online),
        (Camera("c2", "two"), offline),
    ]
    own = DeviceInformation("HIKVISION", "DS-2CD2043", "V5", "S1", "H")
    device = DeviceHealth("c1", EventsState.LISTENING, None, own, ClockReading(-1800.5, 0.6, NOW))
    return VideoScene(cameras, {"video-0": FIGURES, "video-1": {}}, per_camera, {"c1": device})


def samples(families: Iterable[Metric]) -> dict[str, float]:
    return {
        f"{sample.name}{{{','.join(f'{k}={v}' for k, v in sample.labels.items())}}}": sample.value
        for family in families
        for sample in family.samples
    }


def test_off_shows_no_camera_by_name() -> None:
    found = samples(scene("off").collect())
    assert found["gateway_cameras{state=online}"] == found["gateway_cameras{state=offline}"] == 1
    assert found["gateway_cameras{state=auth_failed}"] == 0
    assert found["gateway_camera_events{state=listening}"] == 1 and found["gateway_camera_events{state=refused}"] == 0
    assert not any("c1" in name for name in found)


def test_state_shows_who_is_up_and_since_when() -> None:
    found = samples(scene("state").collect())
    assert found["gateway_camera_up{camera=c1}"] == 1 and found["gateway_camera_up{camera=c2}"] == 0
    assert found["gateway_camera_last_keyframe_timestamp_seconds{camera=c1}"] == NOW.timestamp()
    assert "gateway_camera_last_keyframe_timestamp_seconds{camera=c2}" not in found
    assert found["gateway_camera_clock_offset_seconds{camera=c1}"] == -1800.5
    assert "gateway_camera_clock_offset_seconds{camera=c2}" not in found
    assert not any("received" in name for name in found)


def test_full_shows_all_that_is_known() -> None:
    found = samples(scene("full").collect())
    assert found["gateway_camera_reconnects_total{camera=c1}"] == 2
    assert found["gateway_camera_received_bytes_total{camera=c1}"] == 12345
    assert found["gateway_camera_dropped_units_total{camera=c1}"] == 7
    assert found["gateway_camera_info{camera=c1,area=511724001001,vendor=HIKVISION,model=DS-2CD2043,codec=h264}"] == 1
    assert found["gateway_camera_info{camera=c2,area=,vendor=,model=,codec=}"] == 1


def test_a_worker_that_has_not_told_yet_has_no_figures() -> None:
    found = samples(scene("off").collect())
    assert found["gateway_video_worker_resident_memory_bytes{worker=video-0}"] == 70_000_000
    assert found["gateway_video_worker_cpu_seconds_total{worker=video-0}"] == 12.5
    assert found["gateway_video_worker_clip_bytes{worker=video-0}"] == 2000
    assert found["gateway_video_worker_onvif_devices{worker=video-0}"] == 4
    assert found["gateway_video_worker_signals_waiting{worker=video-0}"] == 2
    assert found["gateway_video_worker_signals_dropped_total{worker=video-0}"] == 1
    assert found["gateway_onvif_requests_total{operation=PullMessages,result=ok,worker=video-0}"] == 90
    assert found["gateway_onvif_requests_total{operation=PullMessages,result=unreachable,worker=video-0}"] == 2
    assert not any("video-1" in name for name in found)


async def get(path: str, *headers: tuple[bytes, bytes]) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await metrics_app(lambda: scene("full"))({"type": "http", "path": path, "headers": headers}, None, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


async def test_prometheus_finds_nothing_to_complain_of() -> None:
    status, headers, body = await get("/metrics")
    assert status == 200 and headers[b"content-type"].startswith(b"text/plain")
    done = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("path", ["/metrics", "/"])
async def test_it_is_packed_for_those_who_take_that(path: str) -> None:
    _, headers, body = await get(path, (b"Accept-Encoding", b"gzip"))
    assert headers[b"content-encoding"] == b"gzip"
    assert re.search(rb'^gateway_camera_up\{camera="c1"\} 1\.0$', gzip.decompress(body), re.M)


async def test_openmetrics_for_those_who_ask() -> None:
    _, headers, body = await get("/metrics", (b"accept", b"application/openmetrics-text"))
    assert headers[b"content-type"].startswith(b"application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


async def test_there_is_nothing_else() -> None:
    status, _, body = await get("/elsewhere")
    assert status == 404 and b"/metrics" in body
