"""The command line as a user has it: a process, its exit code and what it prints."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NODE = 'node: {id: zhuyang}\ndata_dir: var\nhttp: {listen: "127.0.0.1:0"}\n'


def gateway(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=ROOT,
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "node.yaml"
    path.write_text(NODE, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Usage"),
        (["frobnicate"], "frobnicate"),
        (["run"], "--config"),
        (["run", "-c"], "-c"),
        (["user", "add"], "name"),
        (["demo", "--port", "abc"], "--port"),
        (["demo", "--cameras", "0"], "--cameras"),
        (["check", "-c", "none.yaml"], "none.yaml: there is no such file"),
    ],
)
def test_a_wrong_command_line_is_usage_and_no_traceback(arguments: list[str], said: str) -> None:
    done = gateway(*arguments)
    assert done.returncode == 2
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_help_and_version_are_well() -> None:
    assert gateway("--help").returncode == 0
    assert gateway("--version").stdout.startswith("gateway ")


def test_check_is_well_or_says_every_fault_with_its_line(config: str) -> None:
    assert gateway("check", "-c", config).returncode == 0
    with Path(config).open("a", encoding="utf-8") as file:
        file.write("metrics: {lisen: 1}\nsink: []\n")
    done = gateway("check", "-c", config)
    assert done.returncode == 2
    said = done.stderr.splitlines()
    assert any(line.startswith(f"{config}:4: metrics.lisen: unknown key") for line in said)
    assert all(line.startswith(f"{config}:") for line in said)


def test_a_command_hands_its_exit_code_on(config: str, tmp_path: Path) -> None:
    """1 is "it failed while running": nothing listens where the broker should be."""
    path = Path(config)
    path.write_text(NODE + 'sources: [{kind: mqtt, id: tv, url: "mqtt://127.0.0.1:1"}]\n', encoding="utf-8")
    done = gateway("press", "tv-0001", "--wait", "1", "-c", config)
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("terminal", ["a/b", "tv#", "+", ""])
def test_a_press_of_what_can_be_no_terminal_is_usage(config: str, terminal: str) -> None:
    done = gateway("press", terminal, "-c", config)
    assert done.returncode == 2
    assert "can be no terminal" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_token_stands_alone_on_the_last_line(config: str) -> None:
    done = gateway("token", "add", "prog", "--role", "viewer", "-c", config)
    assert done.returncode == 0
    token = done.stdout.splitlines()[-1]
    assert len(token) >= 32 and token == token.strip() and " " not in token
    listed = gateway("token", "list", "-c", config).stdout
    assert "prog" in listed and token not in listed


def test_a_user_is_added_with_a_password_from_standard_input(config: str) -> None:
    added = ["user", "add", "wang", "--role", "operator", "--password-stdin", "-c", config]
    assert gateway(*added, typed="a good long password\n").returncode == 0
    assert gateway(*added, typed="a good long password\n").returncode == 2
    assert "wang\toperator\tall areas\tactive" in gateway("user", "list", "-c", config).stdout


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_node_told_to_stop_while_it_starts_ends_well(tmp_path: Path, ending: signal.Signals) -> None:
    config = tmp_path / "node.yaml"
    os.mkfifo(config)  # whoever opens it for writing waits for the node to read it: then it is in mid-start
    node = subprocess.Popen(
        [sys.executable, "-m", "gateway", "run", "-c", str(config)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        with config.open("w", encoding="utf-8"):
            node.send_signal(signal.SIGHUP)
            node.send_signal(signal.SIGUSR1)
            node.send_signal(ending)
            _, said = node.communicate(timeout=60)
    finally:
        node.kill()
    assert (node.returncode, said) == (0, "")
