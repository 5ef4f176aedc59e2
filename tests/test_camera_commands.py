"""The command line's cameras, as a person types it, beside a node and without one."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.cells import cell_len
from rich.console import Console

from gateway.camera_commands import _table
from gateway.lock import hold, holder

NODE = 'node: {id: v1, area_code: "511724001"}\ndata_dir: var\n# end\n'


@pytest.fixture
def node(tmp_path: Path) -> Path:
    path = tmp_path / "node.yaml"
    path.write_text(NODE, encoding="utf-8")
    return path


def gateway(*arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=110, check=False)


def test_add_by_its_stream_keeps_the_password_apart(node: Path) -> None:
    stream = ("--rtsp", "rtsp://10.0.0.5/1", "--username", "admin", "--password-stdin", "--name", "村口")
    done = gateway("cameras", "add", *stream, "-c", node, stdin="pass word\n")
    assert (done.returncode, done.stdout) == (0, "camera 51172400001320000001 was added\n"), done.stderr
    [secret] = (node.parent / "secrets").iterdir()
    assert secret.read_text(encoding="utf-8") == "pass word\n"
    text = node.read_text(encoding="utf-8")
    assert "pass word" not in text
    assert text.startswith(NODE)


def test_a_person_is_asked_for_the_password_and_it_is_not_shown(node: Path) -> None:
    """On a terminal of its own, as somebody types it."""
    ours, its = pty.openpty()
    command = ("cameras", "add", "--rtsp", "rtsp://10.0.0.5/1", "--username", "admin", "-c", str(node))
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", *command], stdin=its, stdout=its, stderr=its, start_new_session=True
    ) as process:
        os.close(its)
        shown = b""
        while b"password of admin" not in shown and (more := os.read(ours, 1024)):
            shown += more
        os.write(ours, b"pass word\n")
        with contextlib.suppress(OSError):  # EIO: it has closed its end
            while more := os.read(ours, 1024):
                shown += more
        assert process.wait(110) == 0, shown
    os.close(ours)
    assert b"was added" in shown
    assert b"pass word" not in shown
    [secret] = (node.parent / "secrets").iterdir()
    assert secret.read_text(encoding="utf-8") == "pass word\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "say where the camera is"),
        (("--onvif", "h", "--rtsp", "rtsp://h/1"), "say where the camera is"),
        (("--onvif", "h:99999"), "HOST or HOST:PORT is accepted"),
        (("--onvif", ""), "HOST or HOST:PORT is accepted"),
        (("--onvif", ":80"), "HOST or HOST:PORT is accepted"),
        (("--onvif", "http://"), "HOST or HOST:PORT is accepted"),
        (("--onvif", "http://h:99999/"), "HOST or HOST:PORT is accepted"),
        (("--onvif", "http://u:p@h/"), "HOST or HOST:PORT is accepted"),
        (("--onvif", "h", "--password-stdin"), "--username NAME"),
        (("--onvif", "h", "--id", "door east"), "1 to 64 of the characters"),
        (("--onvif", "h", "--username", "u"), "--password-stdin"),
        (("--rtsp", "nonsense"), "a stream address is"),
        (("--rtsp", "rtsp://h/1", "--scene", "moon"), "street"),
        (("--rtsp", "rtsp://h/1", "--name", "女更衣室"), "Article 8"),
    ],
)
def test_a_users_mistake_is_a_sentence(node: Path, arguments: tuple[str, ...], why: str) -> None:
    done = gateway("cameras", "add", *arguments, "-c", node)
    assert done.returncode == 2
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert node.read_text(encoding="utf-8") == NODE


def test_a_table_in_and_out_again(node: Path, tmp_path: Path) -> None:
    table = tmp_path / "in.csv"
    table.write_text(
        "设备编码,设备名称,主码流,用户名,密码,IP地址\nc1,东,rtsp://10.0.0.4/1,,,\nc2,西,,admin,pw-of-west,10.0.0.5\nc3,南,,,,\n",
        "utf-8",
    )
    done = gateway("cameras", "import", table, "-c", node)
    assert (done.returncode, done.stdout) == (1, "2 added, 0 changed, 0 as they were, 1 rows refused\n")
    assert f"{table}:4: c3: it has no address" in done.stderr
    assert "pw-of-west" not in node.read_text(encoding="utf-8")
    table.write_text(
        "id,name\nc1,东门\n".replace("id,name", "id,name,rtsp.main").replace("门\n", "门,rtsp://10.0.0.4/1\n"), "utf-8"
    )
    assert (
        gateway("cameras", "import", table, "-c", node).stdout == "0 added, 1 changed, 0 as they were, 0 rows refused\n"
    )
    out = tmp_path / "out.xlsx"
    assert gateway("cameras", "export", out, "-c", node).stdout == f"2 cameras in {out}\n"
    assert (
        gateway("cameras", "import", out, "-c", node).stdout == "0 added, 0 changed, 2 as they were, 0 rows refused\n"
    )
    assert "东门" in node.read_text(encoding="utf-8")


def test_a_table_is_looked_at_first_and_its_refused_rows_are_handed_back(node: Path, tmp_path: Path) -> None:
    table, back = tmp_path / "in.csv", tmp_path / "back.csv"
    table.write_text(
        "国标编码,主码流,经度,纬度\nc1,rtsp://10.0.0.4/1,107.2068,30.7335\n99172400001310000001,,,\n", "utf-8"
    )
    done = gateway("cameras", "import", table, "--dry-run", "--refused", back, "--coordinates", "gcj-02", "-c", node)
    assert done.returncode == 1
    assert done.stdout == "+ c1\nwould be: 1 added, 0 changed, 0 as they were, 1 rows refused\n"
    assert "“99”, are no province" in done.stderr
    assert back.read_text("utf-8-sig").splitlines()[0] == "国标编码,主码流,经度,纬度,拒绝原因"
    done = gateway("cameras", "import", table, "--all-or-nothing", "--json", "-c", node)
    told = json.loads(done.stdout)
    assert "nothing is written" in told["withheld"]
    assert "no coordinate system is stated" in told["warnings"][0]["text"]
    assert node.read_text(encoding="utf-8") == NODE
    done = gateway("cameras", "import", table, "--coordinates", "mars", "-c", node)
    assert (done.returncode, "WGS84, CGCS2000, GCJ-02" in done.stderr) == (2, True)
    empty = tmp_path / "empty.xlsx"
    assert gateway("cameras", "export", empty, "--template", "--headers", "zh", "-c", node).returncode == 0
    assert empty.read_bytes().startswith(b"PK")


def test_discover_tells_machines_and_names_a_wrong_interface(node: Path) -> None:
    done = gateway("discover", "--timeout", "0.5", "--interface", "lo", "-c", node, "--json")
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout)["items"], list)
    done = gateway("discover", "--interface", "eth99")
    assert done.returncode == 2
    assert "there is no network interface eth99" in done.stderr
    assert gateway("discover", "--range", "10.0.0.0/4").returncode == 2


def test_a_table_of_found_devices_fits_a_terminal(node: Path) -> None:
    """What is typed or copied from it stays in one piece, whatever devices call themselves."""
    ids = ("51172400001320000001", "51172400001320000002")
    known = SimpleNamespace(
        host="192.168.120.164", port=8000, tls=True, name="[b]大门口" * 9, hardware="X" * 90, cameras=ids
    )
    other = SimpleNamespace(host="fe80::1%eth0", port=80, tls=False, name="", hardware="", cameras=())
    console = Console(width=80, record=True, file=StringIO())
    console.print(_table([known, other]))
    text = console.export_text()
    for whole in ("https://192.168.120.164:8000", "[fe80::1%eth0]:80", *ids):
        assert whole in text
    assert "[b]" in text, "a device's name is no markup"
    assert max(map(cell_len, text.splitlines())) <= 80


def test_a_running_node_is_told_and_nobody_else(node: Path) -> None:
    """The process that holds the lock gets SIGHUP; the number that once was written into the file does not count."""
    data_dir = node.parent / "var"
    told: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _: told.append(number))
    try:
        with hold(data_dir):
            assert holder(data_dir) == os.getpid()
            done = gateway("cameras", "add", "--rtsp", "rtsp://10.0.0.5/1", "-c", node)
        assert f"process {os.getpid()}" in done.stdout
        assert told == [signal.SIGHUP]
        assert holder(data_dir) is None
        done = gateway("cameras", "add", "--rtsp", "rtsp://10.0.0.6/1", "-c", node)
        assert "process" not in done.stdout
        assert told == [signal.SIGHUP]
    finally:
        signal.signal(signal.SIGHUP, before)
