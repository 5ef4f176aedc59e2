"""The units: systemd itself reads them, judges their sandboxes, and knows every setting in the files beside them."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "deploy/systemd"
SERVICES = ("gateway.service", "gateway-video@.service", "gateway-backup.service")
MOST_EXPOSED = 1.5


def _said(*command: str | Path) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units, with programs that are there."""
    program = shutil.which("true")
    for unit in UNITS.iterdir():
        if unit.suffix in (".service", ".timer", ".slice"):
            text = re.sub(r"/opt/gateway/current/\S+", str(program), unit.read_text(encoding="utf-8"))
            (tmp_path / unit.name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", [*SERVICES, "gateway-backup.timer", "gateway.slice"])
def test_systemd_finds_nothing_to_say_of_a_unit(name: str, installed: Path) -> None:
    unit = installed / name.replace("@.", "@0.")
    if "@" in name:
        unit.symlink_to(installed / name)
    told = _said("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit)
    assert [line for line in told.splitlines() if str(installed) in line or "gateway" in line] == []


def test_a_misspelt_setting_would_be_found(installed: Path) -> None:
    unit = installed / "gateway.service"
    unit.write_text(unit.read_text(encoding="utf-8").replace("PrivateDevices=", "PrivateDevice="), encoding="utf-8")
    told = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert "Unknown key 'PrivateDevice'" in told.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_sandbox_leaves_little_exposed(name: str) -> None:
    told = _said("systemd-analyze", "security", "--offline=true", "--no-pager", UNITS / name)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)
    assert found is not None, told
    assert float(found[1]) <= MOST_EXPOSED, told


def _settings(name: str) -> dict[str, str]:
    """The last value of each key of [Service] and [Unit]."""
    read = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read(UNITS / name, encoding="utf-8")
    return {**read["Unit"], **read["Service"]}


def test_a_core_that_stops_takes_no_worker_along() -> None:
    core, worker = _settings("gateway.service"), _settings("gateway-video@.service")
    for bond in ("PartOf", "BindsTo", "Requires", "Requisite", "StopPropagatedFrom"):
        assert bond not in worker, f"{bond}= would end the workers with the core, and empty their rings"
    assert "Wants" not in worker, "a worker that is started again would start a core that somebody has stopped"
    for bond in ("PropagatesStopTo", "Requires", "Upholds"):
        assert bond not in core


def test_the_core_is_watched_and_both_are_always_started_again() -> None:
    core, worker = _settings("gateway.service"), _settings("gateway-video@.service")
    assert core["Type"] == "notify"
    assert int(core["WatchdogSec"]) >= 30  # a disk in distress may take as long for one fsync
    assert float(core["TimeoutStopSec"]) > 10  # the contract's time to stop in order
    for unit in (core, worker):
        assert unit["Restart"] == "always"
        assert unit["StartLimitIntervalSec"] == "0"  # nobody comes by to reset a limit
        assert unit["OOMPolicy"] == "continue"  # a decoder's end is not its worker's
        assert unit["User"] == "gateway"


TIMESYNCD = {
    "NTP", "FallbackNTP", "RootDistanceMaxSec", "PollIntervalMinSec", "PollIntervalMaxSec", "ConnectionRetrySec", "SaveIntervalSec",
}  # fmt: skip
"""timesyncd.conf(5) of systemd 252; a machine whose clock another program keeps has no file that names them."""


def test_every_file_of_paths_and_users_is_read_by_its_program(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    _said("systemd-sysusers", "--dry-run", f"--root={tmp_path}", UNITS / "gateway.sysusers.conf")
    told = _said("systemd-analyze", "cat-config", "systemd/journald.conf")
    assert "[Journal]" in told
    for name, section in (("systemd/journald-gateway.conf", "Journal"), ("time/timesyncd-gateway.conf", "Time")):
        read = configparser.ConfigParser(strict=False, interpolation=None)
        read.optionxform = str  # type: ignore[assignment,method-assign]
        read.read(UNITS.parent / name, encoding="utf-8")
        accepted = TIMESYNCD
        if section == "Journal":
            accepted = set(
                re.findall(r"^#?(\w+)=", Path("/etc/systemd/journald.conf").read_text(encoding="utf-8"), re.M)
            )
        assert set(read[section]) <= accepted
