"""The benches truly measure: run small, and their own figures are checked against what was asked for."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.lab.bench_alarms import _result
from gateway.lab.terminals import PressTimes
from gateway.model import Stage

INGEST = "from gateway.lab.bench_ingest import run_bench_ingest as r; raise SystemExit(r({json}, cameras=3, seconds=4, rounds=1, clip_seconds=4))"
ALARMS = "from gateway.lab.bench_alarms import run_bench_alarms as r; raise SystemExit(r({json}, presses=6, rate=5))"


def run(script: str, as_json: bool) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script.format(json=as_json)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


@pytest.mark.timeout(300)  # eight seconds of 1080p are encoded first, on a machine that may be busy
def test_ingest_measures_each_way_on_the_same_streams() -> None:
    done = run(INGEST, as_json=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    ways = {way["way"]: way for way in result["ways"]}
    assert list(ways) == ["gateway video worker", "ffmpeg -c copy", "cv2.VideoCapture"]
    for way in ways.values():
        assert way["cpu_percent_per_camera"] > 0
        assert way["keyframes"] >= way["cameras"], "four seconds hold a keyframe of every camera"
    assert ways["gateway video worker"]["pictures"] == ways["gateway video worker"]["keyframes"]
    assert ways["cv2.VideoCapture"]["pictures"] > ways["cv2.VideoCapture"]["keyframes"]
    assert result["stream"]["width"] == 1920
    assert 3e6 < result["stream"]["bits_per_second"] < 6e6, "as the worker counted it, not as it was asked for"
    assert result["machine"]["cores"] == os.cpu_count()


@pytest.mark.timeout(300)
def test_alarms_counts_every_press_at_the_county() -> None:
    done = run(ALARMS, as_json=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["broker"] == "mosquitto"
    assert (result["presses"], result["alerts"]) == (6, 6)
    assert (result["lost"], result["doubled"], result["unanswered"], result["without_r2"]) == (0, 0, 0, 0)
    for figure in ("r1_ms", "r2_ms", "screen_ms"):
        assert result[figure]["measured"] == 6
        assert 0 < result[figure]["p50"] <= result[figure]["p99"] <= result[figure]["max"]
    assert result["fsync_ms"]["measured"] > 10
    assert result["pictures"]["ready"] > 0
    assert result["pictures"]["pending"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_bench_that_is_stopped_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    home = Path(tempfile.mkdtemp(prefix="b-", dir="/tmp"))
    bench = subprocess.Popen(
        [sys.executable, "-c", INGEST.format(json=False)],
        env=os.environ | {"TMPDIR": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list(home.glob("gateway-bench-*/cameras.log")):
        assert time.monotonic() < deadline and bench.poll() is None
        time.sleep(0.05)
    bench.send_signal(number)
    _, complaint = bench.communicate(timeout=60)
    assert bench.returncode == 1
    assert "gateway: stopped; nothing was measured to its end" in complaint.decode()
    assert "Traceback" not in complaint.decode()
    assert list(home.iterdir()) == []
    mark = f"TMPDIR={home}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                assert mark not in (entry / "environ").read_bytes().split(b"\0"), (entry / "cmdline").read_bytes()
            except OSError:
                continue
    home.rmdir()


def heard(press_id: str, *stages: Stage) -> PressTimes:
    return PressTimes(press_id, 100.0, "a", {stage: 0.010 * (stage.rank + 1) for stage in stages}, 1)


def alert(*press_ids: str, states: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "detail": {"press_ids": list(press_ids)},
        "cameras": [{"snapshots": [{"state": state} for state in states]}],
    }


def test_what_was_lost_or_doubled_is_counted() -> None:
    times = [
        heard("good", Stage.RECEIVED, Stage.FORWARDED),
        heard("twice", Stage.RECEIVED, Stage.FORWARDED),
        heard("lost", Stage.RECEIVED),
        heard("never heard"),
    ]
    result = _result(
        times, {"good": 100.02}, [0.001], [alert("good", "twice", states=("ready", "failed")), alert("twice")]
    )
    assert (result["lost"], result["doubled"], result["unanswered"], result["without_r2"]) == (1, 1, 1, 2)
    assert result["r1_ms"] == {"measured": 3, "p50": 10.0, "p99": 10.0, "max": 10.0}
    assert result["screen_ms"]["p50"] == pytest.approx(20.0)
    assert result["pictures"] == {"ready": 1, "failed": 1, "pending": 0}
