"""Reloading: the plan first, then only what differs; what is refused or faulty changes nothing."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.kinds import SINKS, SOURCES
from gateway.check import run_check
from gateway.config import Loaded, Settings, load
from gateway.config.in_force import read_record
from gateway.config.plan import PlanRefused
from gateway.errors import ConfigError, UsageError
from gateway.observability import metrics
from gateway.reload import Reloader

ROOT = Path(__file__).parents[1]


class Stage:
    """A configuration file and a Reloader over it, with a hand-written node behind."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "node.yaml"
        self.data_dir = directory / "var"
        self.data_dir.mkdir()
        self.taken: list[list[str]] = []
        self.retries = 0
        self.write(*range(10))
        self.reloader = Reloader(self.read().settings, self.read, self._take_over, self._retry)

    def write(self, *cameras: int, rest: str = "") -> None:
        listed = "".join(f"  - {{id: c{n}, rtsp: {{sub: 'rtsp://10.0.0.{n}/s'}}}}\n" for n in cameras)
        self.path.write_text(f"node: {{id: zhuyang}}\ndata_dir: var\n{rest}cameras:\n{listed or '  []'}\n")

    def read(self) -> Loaded:
        return load(self.path, sources=SOURCES, sinks=SINKS)

    async def _take_over(self, settings: Settings) -> None:
        self.taken.append([camera.id for camera in settings.cameras])

    async def _retry(self) -> int:
        self.retries += 1
        return 0

    @property
    def successful(self) -> float:
        value: float = metrics.config_last_reload_successful._value.get()
        return value


@pytest.fixture
async def stage(tmp_path: Path) -> Stage:
    stage = Stage(tmp_path)
    await stage.reloader.note_start()
    return stage


async def test_a_reload_takes_over_and_tries_no_refused_password(stage: Stage) -> None:
    stage.write(*range(1, 12))
    plan = await stage.reloader.reload()
    assert (plan.cameras.added, plan.cameras.removed, plan.cameras.kept) == (("c10", "c11"), ("c0",), 9)
    assert stage.taken == [[f"c{n}" for n in range(1, 12)]] and stage.retries == 0
    assert stage.successful == 1
    assert (await stage.reloader.reload(retry=True)).changes_nothing
    assert stage.retries == 1


async def test_a_faulty_file_changes_nothing(stage: Stage) -> None:
    stage.path.write_text("node: {}\n")
    with pytest.raises(ConfigError):
        await stage.reloader.reload()
    assert stage.taken == [] and stage.retries == 0 and stage.successful == 0
    stage.write(*range(10))
    await stage.reloader.reload()
    assert stage.successful == 1


async def test_a_plan_that_removes_much_is_refused_until_it_is_approved(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.write(0, 1, 2)
    with pytest.raises(PlanRefused, match="removes 7 of 10 cameras"):
        await stage.reloader.reload()
    assert stage.taken == [] and stage.successful == 0
    with pytest.raises(PlanRefused):
        run_check(stage.path, plan=True, yes=False, as_json=False)
    assert "- camera c9" in capsys.readouterr().out
    with pytest.raises(PlanRefused):  # looking is not approving
        await stage.reloader.reload()
    run_check(stage.path, plan=True, yes=True, as_json=False)
    assert "approved: the next reload takes this plan" in capsys.readouterr().out
    await stage.reloader.reload()
    assert stage.taken == [["c0", "c1", "c2"]]


async def test_an_approval_is_for_the_plan_that_was_shown(stage: Stage) -> None:
    stage.write(0, 1, 2)
    run_check(stage.path, plan=True, yes=True, as_json=False)
    stage.write(0, 1)
    with pytest.raises(PlanRefused):
        await stage.reloader.reload()
    assert stage.taken == []


async def test_yes_takes_it_at_once(stage: Stage) -> None:
    stage.write()
    assert len((await stage.reloader.reload(yes=True)).cameras.removed) == 10
    assert stage.taken == [[]]


async def test_what_needs_a_restart_stays_named_until_there_is_one(stage: Stage) -> None:
    stage.write(*range(10), rest="alerts: {merge_window: 30}\n")
    assert (await stage.reloader.reload()).restart == ("alerts.merge_window",)
    assert (await stage.reloader.reload()).restart == ("alerts.merge_window",)
    again = Reloader(stage.read().settings, stage.read, stage._take_over, stage._retry)
    await again.note_start()
    assert (await again.reload()).restart == ()


async def test_the_key_of_the_record_is_kept_over_restarts(stage: Stage) -> None:
    before = read_record(stage.data_dir)
    again = Reloader(stage.read().settings, stage.read, stage._take_over, stage._retry)
    await again.note_start()
    assert before is not None and read_record(stage.data_dir) == before


async def test_a_disk_that_takes_no_note_does_not_stop_a_reload(stage: Stage) -> None:
    (stage.data_dir / "in-force.json").unlink()
    stage.data_dir.rmdir()
    stage.write(*range(11))
    assert (await stage.reloader.reload()).cameras.added == ("c10",)
    assert stage.taken and stage.successful == 1


def test_yes_without_a_plan_is_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--plan --yes"):
        run_check(tmp_path / "none.yaml", plan=False, yes=True, as_json=False)


async def test_check_for_machines(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.write(*range(11))
    run_check(stage.path, plan=True, yes=False, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["node"] == "zhuyang" and told["plan"]["cameras"]["added"] == ["c10"]


async def test_a_running_node_reloads_on_sighup_and_refuses_an_emptied_file(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    path = tmp_path / "node.yaml"

    def write(count: int) -> None:
        listed = "".join(f"  - {{id: c{n}, enabled: false}}\n" for n in range(count))
        path.write_text(
            f'node: {{id: z}}\ndata_dir: var\nhttp: {{listen: "127.0.0.1:{free_port()}"}}\ncameras:\n{listed}'
        )

    def check(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gateway", "check", "-c", str(path), "--plan", *options]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    write(10)
    log = tmp_path / "log"
    with log.open("w") as stderr:
        node = subprocess.Popen([sys.executable, "-m", "gateway", "run", "-c", str(path)], cwd=ROOT, stderr=stderr)

    async def logged(text: str) -> None:
        async with asyncio.timeout(60):
            while text not in log.read_text():
                assert node.poll() is None, log.read_text()
                await asyncio.sleep(0.05)

    try:
        await logged("the node runs")
        async with asyncio.timeout(60):
            while read_record(tmp_path / "var") is None:
                await asyncio.sleep(0.05)
        write(2)
        node.send_signal(signal.SIGHUP)
        await logged("it removes 8 of 10 cameras")
        refused = check()
        assert refused.returncode == 2 and "removes 8 of 10" in refused.stderr and "Traceback" not in refused.stderr
        assert check("--yes").returncode == 0
        node.send_signal(signal.SIGHUP)
        await logged("the configuration is reloaded")
        assert "= 2 cameras kept" in check().stdout
        assert os.stat(tmp_path / "var" / "in-force.json").st_mode & 0o777 == 0o600
    finally:
        node.terminate()
        assert await asyncio.to_thread(node.wait, 60) == 0
