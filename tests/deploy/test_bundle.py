"""The offline bundle, built once, installed where there is no network: below a directory, and on a machine that systemd
has booted. As root."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(1800)
"""The first test waits for the bundle, and so for the console's compiler and every wheel."""
NEWER = "999.0"
DEBIAN = "/usr/bin/python3.11"
"""The machine's own Python, as Debian 12 has it; the gateway is for any 3.11."""
_PYTHON = DEBIAN if Path(DEBIAN).exists() else sys.executable

CONFIG, CORE, WORKER = "/etc/gateway/gateway.yaml", "gateway.service", "gateway-video@0.service"
_CONFIG = """
node: {id: zhuyang, name: 竹阳}
data_dir: /var/lib/gateway
http: {listen: "127.0.0.1:8080"}
video: {apart: true, workers: 1}
sources:
  - kind: mqtt
    id: tv
    url: "mqtt://127.0.0.1:1883"
    username: gateway
    password: {credential: mqtt.password}
cameras:
  - {id: c1, name: 十字口, rtsp: {main: "rtsp://127.0.0.1:8554/cam/1/main", sub: "rtsp://127.0.0.1:8554/cam/1/sub"}}
terminals:
  - {id: tv-0001, household: {name: 张桂芳, phone: "1", address: 1 号}, cameras: [c1]}
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As ``make bundle`` builds it; or one that was built before, which GATEWAY_BUNDLE names."""
    if (ready := os.environ.get("GATEWAY_BUNDLE")) is not None:
        return Path(ready)
    out = tmp_path_factory.mktemp("bundle")
    environment = os.environ | {"PYTHON": sys.executable}
    subprocess.run([ROOT / "deploy/bundle/build.sh", out], check=True, env=environment, timeout=1200)
    (found,) = out.glob("*.run")
    return found


@pytest.fixture(scope="module")
def newer(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the same bundle as a later version, whose ledger has one more step."""
    directory = tmp_path_factory.mktemp("newer")
    _unpack(bundle, directory)
    (wheel,) = (directory / "wheels").glob("township_gateway-*.whl")
    _renew(wheel)
    (directory / "VERSION").write_text(f"{NEWER}\n")
    lines = [line for line in (directory / "wheels.txt").read_text().splitlines() if "township" not in line]
    (made,) = (directory / "wheels").glob(f"township_gateway-{NEWER}-*.whl")
    lines.append(f"township_gateway=={NEWER} --hash=sha256:{hashlib.sha256(made.read_bytes()).hexdigest()}")
    (directory / "wheels.txt").write_text("\n".join(lines) + "\n")
    _seal(directory)
    return directory


def _unpack(bundle: Path, directory: Path) -> None:
    with bundle.open("rb") as whole:
        begin = int(re.search(rb"^begin=(\d+)", whole.read(4096), re.M)[1])  # type: ignore[index]
        whole.seek(0)
        for _ in range(begin - 1):
            whole.readline()
        with tarfile.open(fileobj=whole, mode="r|") as payload:
            payload.extractall(directory, filter="data")


def _renew(wheel: Path) -> None:
    old = wheel.name.split("-")[1]
    step = "CREATE TABLE of_the_newer (what INTEGER);"
    with (
        zipfile.ZipFile(wheel) as before,
        zipfile.ZipFile(wheel.with_name(wheel.name.replace(old, NEWER)), "w") as after,
    ):
        record = f"township_gateway-{NEWER}.dist-info/RECORD"
        names = []
        for info in before.infolist():
            name, content = info.filename.replace(f"gateway-{old}", f"gateway-{NEWER}"), before.read(info)
            if name == "gateway/__init__.py" or name.endswith("dist-info/METADATA"):
                content = content.replace(old.encode(), NEWER.encode())
            if name != record:
                after.writestr(name, content)
                names.append(name)
        after.writestr("gateway/ledger/schema/9999.sql", step)
        names += ["gateway/ledger/schema/9999.sql", record]
        after.writestr(record, "".join(f"{name},,\n" for name in names))
    wheel.unlink()


def _seal(directory: Path) -> None:
    files = sorted(file for file in directory.rglob("*") if file.is_file() and file.name != "SHA256SUMS")
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  ./{file.relative_to(directory)}\n" for file in files]
    (directory / "SHA256SUMS").write_text("".join(sums))


_ALONE = (
    "unshare",
    "-n",
    "sh",
    "-euc",
    'ip link set lo up; test -z "$(ip -o link | grep -v LOOPBACK)"; exec "$@"',
    "-",
)
"""Before a command: in a network namespace whose only link is its own loopback."""
_ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHON": _PYTHON, "HOME": "/nonexistent"}
_SAID: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": _ENVIRONMENT}


def _offline(*command: str | Path, within: float = 900) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*_ALONE, *command], timeout=within, check=False, **_SAID)


def _plays_the_demo(gateway: Path) -> None:
    """Until a press has both receipts, then as if Ctrl-C were pressed."""
    with subprocess.Popen([*_ALONE, gateway, "demo", "--no-browser"], **_SAID) as demo:
        assert demo.stdout is not None
        late = threading.Timer(300, demo.kill)  # ends what is read below
        late.start()
        said, told = [], False
        for line in demo.stdout:
            said.append(line)
            if not told and re.search(r"R1 received after \d+ ms, R2 at the county", line):
                demo.send_signal(signal.SIGINT)
                told = True  # another press may be on its way
        late.cancel()
    assert demo.returncode == 0, "".join(said)


def test_it_installs_and_plays_the_demo_without_a_network(bundle: Path, tmp_path: Path) -> None:
    house = tmp_path / "house"
    done = _offline("sh", bundle, "--prefix", house, "--node", "zhuyang")
    assert done.returncode == 0, done.stdout
    gateway = house / "opt/gateway/current/bin/gateway"
    assert "id: zhuyang" in (house / "etc/gateway/gateway.yaml").read_text()
    _plays_the_demo(gateway)
    again = _offline("sh", bundle, "--prefix", house)
    assert "is in use already" in again.stdout
    gone = _offline("sh", house / "opt/gateway/current/share/install.sh", "uninstall", "--prefix", house)
    assert gone.returncode == 0, gone.stdout
    assert not (house / "opt/gateway").exists()
    assert (house / "etc/gateway/gateway.yaml").exists()
    assert (house / "var/lib/gateway").exists()


def test_what_is_damaged_or_for_another_machine_is_refused(bundle: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.run"
    shutil.copy(bundle, damaged)
    with damaged.open("r+b") as file:
        file.seek(-1_000_000, os.SEEK_END)
        file.write(b"not what was packed")
    done = _offline("sh", damaged, "--prefix", tmp_path / "house")
    assert done.returncode == 1
    assert "damaged or not whole" in done.stdout
    directory = tmp_path / "unpacked"
    directory.mkdir()
    _unpack(bundle, directory)
    (directory / "wheels.txt").write_text("")
    changed = _offline("sh", directory / "install.sh", "--prefix", tmp_path / "house")
    assert "not those that were packed" in changed.stdout
    (directory / "PYTHON").write_text("3.99\n")
    other = _offline("sh", directory / "install.sh", "--prefix", tmp_path / "house")
    assert other.returncode == 1
    assert "this bundle is for Python 3.99" in other.stdout
    assert not (tmp_path / "house/opt/gateway").exists()


@pytest.fixture(scope="module")
def machine(
    bundle: Path, newer: Path, tmp_path_factory: pytest.TempPathFactory, peers: Callable[[str], ModuleType]
) -> Iterator[Any]:
    """Booted, with the bundle installed, a broker, a camera and a secret; the services run."""
    with peers("booted_machine").booted(tmp_path_factory.mktemp("machine")) as machine:
        shutil.copy(bundle, machine.file("/root/gateway.run"))
        shutil.copytree(newer, machine.file("/root/newer"))
        machine.run("env", f"PYTHON={_PYTHON}", "sh", "/root/gateway.run", "--node", "zhuyang", within=900)
        machine.file(CONFIG).write_text(_CONFIG)
        secret = machine.file("/etc/credstore/gateway/mqtt.password")
        secret.write_text("secret")
        secret.chmod(0o600)
        machine.file("/root/broker.conf").write_text("listener 1883 127.0.0.1\nallow_anonymous true\n")
        machine.run("systemd-run", "--unit=broker", "mosquitto", "-c", "/root/broker.conf")
        camera = ("/opt/gateway/current/bin/gateway", "lab", "cameras", "--count", "1", "--port", "8554", "--clip")
        machine.run("systemd-run", "--unit=camera", *camera)
        machine.run("systemctl", "enable", "--now", CORE, WORKER, "gateway-backup.timer")
        yield machine


@pytest.fixture(scope="module")
def token(machine: Any) -> str:
    told: str = machine.run("gateway", "token", "add", "test", "--role", "operator", "-c", CONFIG)
    return told.strip().splitlines()[-1]


def _asked(token: str, path: str) -> tuple[str, ...]:
    return ("curl", "-sS", "-H", f"Authorization: Bearer {token}", f"http://127.0.0.1:8080/api/v1{path}")


def _another(machine: Any, unit: str, before: str) -> str:
    """Its process, once systemd has started it again."""
    machine.wait("ActiveState=active", "systemctl", "show", unit, "--property", "ActiveState,MainPID")
    until = time.monotonic() + 120
    while (pid := machine.property(unit, "MainPID")) in (before, "0"):
        assert time.monotonic() < until, f"{unit} was not started again"
        time.sleep(0.3)
    return str(pid)


def _press(machine: Any, kind: str = "sos") -> str:
    """The id of its alert. Within a minute presses of one kind are one alert."""
    for _ in range(8):  # a node that was just started may not hear the broker yet
        told = machine.run("gateway", "press", "tv-0001", "--kind", kind, "-c", CONFIG, "--wait", "15", check=False)
        if (found := re.search(r"alert (\S+)", told)) is not None:
            return found[1]
    raise AssertionError(told)


def test_a_press_has_pictures_from_before_it_though_the_core_was_restarted(machine: Any, token: str) -> None:
    worker, core = (machine.property(unit, "MainPID") for unit in (WORKER, CORE))
    machine.wait('"state":"online"', *_asked(token, "/cameras/c1"))
    time.sleep(8)  # the worker's memory fills by one picture each second, not faster
    machine.run("systemctl", "restart", CORE)
    assert machine.property(CORE, "MainPID") != core
    assert machine.property(WORKER, "MainPID") == worker
    alert = _press(machine)
    told = machine.wait('"wanted_ms":10000,"offset_ms":1', *_asked(token, f"/alerts/{alert}"))
    (camera,) = json.loads(told)["cameras"]
    offsets = [each["offset_ms"] for each in camera["snapshots"] if each["state"] == "ready"]
    assert len(offsets) == 4
    assert offsets[0] < -3000, "the worker's memory was lost with the core"


def test_the_sandbox_holds_for_core_worker_and_their_children(machine: Any, token: str) -> None:
    for unit in (CORE, WORKER):
        pids = machine.run("systemctl", "status", unit, "--no-pager", check=False)
        assert "└─" in pids
        living = ("cat", f"/sys/fs/cgroup{machine.property(unit, 'ControlGroup')}/cgroup.procs")
        found = machine.run(*living).split()
        assert machine.property(unit, "MainPID") in found
        for pid in found:
            status = machine.run("cat", f"/proc/{pid}/status", check=False)
            touching = ("sh", "-c", "touch /usr/x /opt/gateway/x 2>&1; true")
            seen = machine.run("nsenter", "-t", pid, "-m", *touching, check=False)
            if pid not in machine.run(*living).split():
                continue  # a child may end meanwhile
            assert re.search(r"CapBnd:\s+0{16}", status), status
            assert re.search(r"NoNewPrivs:\s+1", status)
            assert re.search(r"Seccomp:\s+2", status)
            assert seen.count("Read-only file system") == 2, seen
    inside = ("nsenter", "-t", machine.property(WORKER, "MainPID"), "-m")
    assert machine.run(*inside, "ls", "/var/lib/gateway").split() == ["run"]
    assert "Permission denied" in machine.run(
        *inside, "setpriv", "--reuid", "gateway", "ls", "/etc/gateway", check=False
    )


def test_a_core_that_hangs_is_started_anew_and_its_worker_is_not(machine: Any, token: str) -> None:
    dropin = machine.file("/run/systemd/system/gateway.service.d/quick.conf")
    dropin.parent.mkdir(parents=True)
    dropin.write_text("[Service]\nWatchdogSec=10\nTimeoutAbortSec=5\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", CORE)
    worker, core = (machine.property(unit, "MainPID") for unit in (WORKER, CORE))
    machine.run("kill", "-STOP", core)
    machine.wait("Watchdog timeout", "journalctl", "--unit", CORE, "--no-pager")
    assert _another(machine, CORE, core) != core
    assert machine.property(WORKER, "MainPID") == worker
    dropin.unlink()  # a busy machine may be as slow, and the others' core is to live
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", CORE)
    _press(machine)


def test_a_killed_worker_is_started_by_systemd(machine: Any, token: str) -> None:
    worker = machine.property(WORKER, "MainPID")
    machine.run("kill", "-KILL", worker)
    anew = _another(machine, WORKER, worker)
    journal = ("journalctl", "--unit", CORE, "--grep", "found the running video worker", "--no-pager")
    machine.wait(f'"pid": {anew}', *journal)
    machine.wait('"state":"online"', *_asked(token, "/cameras/c1"))


def test_the_backup_holds_what_a_node_is_made_anew_from(machine: Any, token: str) -> None:
    machine.run("systemctl", "start", "gateway-backup.service")
    newest = "ls -t /var/backups/gateway/{} | head -n 1"  # at night the timer makes one too
    held = machine.run("sh", "-c", f"tar -tzf $({newest.format('node-*.tar.gz')})")
    assert "./accounts.db" in held
    assert "./configuration/gateway.yaml" in held
    whole = machine.run("sh", "-c", f"gateway ledger check $({newest.format('ledger-*.db')}) -c {CONFIG}")
    assert "whole" in whole


def test_an_upgrade_keeps_the_workers_and_can_be_taken_back(machine: Any, token: str) -> None:
    """The last, for it leaves another version."""
    before = _press(machine)
    worker = machine.property(WORKER, "MainPID")
    setup = ("env", f"PYTHON={_PYTHON}", "sh")
    began = f"@{int(time.time())}"
    told = machine.run(*setup, "/root/newer/install.sh", "upgrade", within=900)
    assert f"version {NEWER} is in use" in told
    assert f"systemctl restart {WORKER}" in told
    assert NEWER in machine.run("journalctl", "--unit", CORE, "--since", began, "--no-pager")
    assert machine.property(WORKER, "MainPID") == worker
    between = _press(machine, "fire")
    assert between != before

    rollback = (*setup, "/opt/gateway/current/share/install.sh", "rollback")
    refused = machine.run(*rollback, check=False)
    assert "Nothing was done" in refused
    assert f"gateway {NEWER}" in machine.run("gateway", "--version")
    told = machine.run(*rollback, "--restore-ledger", within=900)
    assert "is in use again" in told
    assert NEWER not in machine.run("gateway", "--version")
    assert json.loads(machine.run(*_asked(token, f"/alerts/{before}")))["id"] == before
    assert json.loads(machine.run(*_asked(token, f"/alerts/{between}")))["status"] == 404
    _press(machine)


def test_a_version_that_does_not_come_up_is_taken_back_by_itself(machine: Any, token: str) -> None:
    broken = machine.file("/opt/gateway") / NEWER / "lib/python3.11/site-packages/gateway/app.py"
    broken.write_text("raise SystemExit('a fault of this version')\n")
    told = machine.run("env", f"PYTHON={_PYTHON}", "sh", "/root/newer/install.sh", "upgrade", within=900, check=False)
    assert f"version {NEWER} did not come up" in told
    assert "runs version" in told
    assert machine.property(CORE, "ActiveState") == "active"
    _press(machine)
