"""What `heartbeat:` may say."""

from pathlib import Path

import pytest

from gateway.commands import read_config
from gateway.errors import ConfigError
from gateway.policies import intake_policy_of

BROKER = "sources: [{kind: mqtt, id: tv, url: 'mqtt://127.0.0.1:1883'}]\n"
HOUSE = "terminals: [{id: tv-1, household: {name: n}}]\n"


def read(tmp_path: Path, text: str):
    path = tmp_path / "n.yaml"
    path.write_text(f"node: {{id: n}}\ndata_dir: ./n\n{text}", encoding="utf-8")
    return read_config(path).settings


def test_it_is_off_unless_it_is_told_how_often(tmp_path: Path) -> None:
    assert read(tmp_path, BROKER).heartbeat.every is None
    assert intake_policy_of(read(tmp_path, BROKER)).heartbeat is None
    told = read(tmp_path, BROKER + "heartbeat: {every: 5m}")
    assert (told.heartbeat.every, told.heartbeat.terminal, intake_policy_of(told).heartbeat) == (
        300,
        "heartbeat",
        "heartbeat",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("heartbeat: {every: 5m}", r"n.yaml:3: heartbeat\.every: there is no mqtt source"),
        (
            BROKER + "heartbeat: {every: 5m, source: tv1}",
            r"heartbeat\.source: there is no mqtt source tv1; the nearest is tv",
        ),
        (BROKER + HOUSE + "heartbeat: {every: 5m, terminal: tv-1}", r"heartbeat\.terminal: tv-1 is a household's"),
        (BROKER + "heartbeat: {every: 5s}", r"heartbeat\.every"),
        (BROKER + "heartbeat: {every: 5m, within: 60s}", r"heartbeat\.within"),
    ],
)
def test_what_cannot_be_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read(tmp_path, text)
