"""``gateway ledger`` as a user has it, beside a node that runs and without one."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import apsw
import pytest

from gateway.ledger.connection import open_writer
from gateway.ledger.migrate import migrate, schema_steps

ROOT = Path(__file__).parents[1]


def ledger(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", "ledger", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def config(tmp_path: Path, free_port: Callable[[], int]) -> Path:
    path = tmp_path / "node.yaml"
    path.write_text(
        f'node: {{id: low, name: 村, level: village, area_code: "511724001"}}\ndata_dir: var\n'
        f'http: {{listen: "127.0.0.1:{free_port()}"}}\n',
        encoding="utf-8",
    )
    return path


@contextmanager
def running(config: Path) -> Iterator[None]:
    port = re.search(r"127\.0\.0\.1:(\d+)", config.read_text(encoding="utf-8"))
    assert port is not None
    command = [sys.executable, "-m", "gateway", "run", "-c", str(config)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as node:
        try:
            until = time.monotonic() + 120
            while True:
                assert node.poll() is None and time.monotonic() < until
                try:
                    with urlopen(f"http://127.0.0.1:{port[1]}/readyz", timeout=60):
                        break
                except (URLError, OSError):
                    time.sleep(0.05)
            yield
            node.send_signal(signal.SIGTERM)
            assert node.wait(60) == 0
        finally:
            node.kill()


def test_backed_up_while_it_runs_and_put_back_when_it_does_not(config: Path, tmp_path: Path) -> None:
    copy, kept = tmp_path / "copy.db", tmp_path / "kept"
    media = tmp_path / "var" / "media" / "ab"
    with running(config):
        media.mkdir(parents=True)
        (media / "abcd.jpg").write_bytes(b"picture")
        done = ledger("backup", copy, "-c", config, "--media", kept)
        assert (done.returncode, "whole" in done.stdout, "1 pictures" in done.stdout) == (0, True, True), done
        assert ledger("check", "-c", config).returncode == 0
        refused = ledger("restore", copy, "-c", config)
        assert refused.returncode == 1
        assert re.fullmatch(r"gateway: another gateway \(process \d+\) runs on .*\n", refused.stderr)
    (media / "abcd.jpg").unlink()
    done = ledger("restore", copy, "-c", config, "--media", kept)
    assert done.returncode == 0, done
    assert f"restored from {copy}" in done.stdout
    assert "ledger.db.before-" in done.stdout
    assert (media / "abcd.jpg").read_bytes() == b"picture"
    with running(config):
        assert ledger("check", "-c", config).stdout == f"{tmp_path / 'var' / 'ledger.db'}: whole\n"


def test_what_is_wrong_is_said_in_a_sentence(config: Path, tmp_path: Path) -> None:
    for arguments in (("backup", tmp_path / "copy.db"), ("check",), ("restore", tmp_path / "none.db")):
        done = ledger(*arguments, "-c", config)
        assert done.returncode == 2
        assert done.stderr.startswith("gateway: ")
        assert "there is no" in done.stderr
    (tmp_path / "var").mkdir(mode=0o700)
    connection = open_writer(tmp_path / "var" / "ledger.db")
    migrate(connection, schema_steps())
    connection.close()
    copy = tmp_path / "copy.db"
    assert ledger("backup", copy, "-c", config, "--json").returncode == 0
    connection = apsw.Connection(str(copy))
    connection.execute("INSERT INTO fold (first, body) VALUES (7, '{}')")
    connection.close()
    done = ledger("check", copy, "-c", config)
    assert (done.returncode, done.stderr) == (
        1,
        f"gateway: {copy}: the fold at position 7 is of no alert\n",
    )
    done = ledger("restore", copy, "-c", config)
    assert done.returncode == 1
    assert "nothing was restored" in done.stderr
