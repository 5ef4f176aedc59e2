"""The limit on open files, in processes of their own: it cannot be raised again once it was lowered."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import Unreachable
from gateway.open_files import RESERVE, shortage
from gateway.video.cameras.connect import Connector
from gateway.video.wire import CameraOrder

ROOT = Path(__file__).parents[1]
CAMERAS = "node: {id: a, level: township, area_code: '511724'}\ndata_dir: ./data\nvideo: {workers: 1}\ncameras:\n"


def python(program: str, soft: int, hard: int) -> str:
    done = subprocess.run(
        ["prlimit", f"--nofile={soft}:{hard}", sys.executable, "-c", program],
        capture_output=True, text=True, check=True, timeout=60, cwd=ROOT,
    )  # fmt: skip
    return done.stdout.strip()


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    program = (
        "import resource; from gateway.open_files import raise_limit; "
        "print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    assert python(program, 256, 700) == "700 700 700"


def test_a_part_is_kept_back() -> None:
    program = (
        "import os; from gateway.open_files import running_out; held = []\n"
        "while not running_out(): held.append(os.open('/', 0))\n"
        "print(held[-1]); held += [os.open('/', 0) for _ in range(100)]; print(running_out())\n"
        "os.closerange(held[0], held[0] + 120); print(running_out())"
    )
    # The lowest free number counts: what is closed may be opened again.
    assert python(program, 500, 500).split() == [str(500 - 500 // 4 - 1), "True", "False"]


@pytest.fixture
def few_files() -> Iterator[None]:
    """So few that the ones open now are too many; the next calls of the test must not need another."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (4, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_camera_is_not_connected_where_no_file_is_left(few_files: None) -> None:
    with pytest.raises(Unreachable, match="LimitNOFILE"):
        Connector()(CameraOrder("c1", sub="rtsp://10.0.0.1/1"), "rtsp://10.0.0.1/1", 30.0)


@pytest.mark.parametrize(
    ("cameras", "workers", "short"), [(700, 1, False), (800, 1, True), (1400, 3, False), (1600, 3, True)]
)
def test_a_shortage_counts_what_comes_from_a_worker_that_died(
    cameras: int, workers: int, short: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    said = shortage(cameras, workers)
    assert (said is not None) is short
    if said is not None:
        assert f"{800 + RESERVE} open files, but 1024 are allowed" in said


def test_no_limit_is_no_shortage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, resource.RLIM_INFINITY))
    assert shortage(100_000, 1) is None


def test_check_says_it(tmp_path: Path) -> None:
    config = tmp_path / "node.yaml"
    lines = (f"  - {{id: c{n}, rtsp: {{main: 'rtsp://10.0.0.1/{n}'}}}}\n" for n in range(300))
    config.write_text(CAMERAS + "".join(lines), encoding="utf-8")
    done = subprocess.run(
        ["prlimit", "--nofile=512:512", sys.executable, "-m", "gateway", "check", "-c", str(config)],
        capture_output=True, text=True, timeout=60, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "300 cameras of one video worker need 556 open files, but 512 are allowed here" in done.stderr
