"""A long file is read beside a running node, which hears presses meanwhile."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config import load, yaml_list
from gateway.config.collector import paused
from gateway.errors import ConfigError

NODE = "node: {id: town}\ndata_dir: ./var\ncameras:\n"
CAMERAS = "".join(f"  - {{id: c{number}, rtsp: {{main: 'rtsp://10.0.0.{number}/1'}}}}\n" for number in range(1, 100))


@pytest.fixture
def collections() -> Iterator[list[int]]:
    seen: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        seen.append(info["generation"])

    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)


def test_the_collector_stands_still_while_a_configuration_is_read(tmp_path: Path, collections: list[int]) -> None:
    (tmp_path / "node.yaml").write_text(NODE + CAMERAS)
    collections.clear()
    assert len(load(tmp_path / "node.yaml", sources={}, sinks={}).settings.cameras) == 99
    yaml_list.ids(NODE + CAMERAS, whole=False)
    assert len(collections) <= 4, "a young one before or after"
    assert gc.isenabled()


def test_it_goes_on_after_a_fault(tmp_path: Path) -> None:
    (tmp_path / "node.yaml").write_text("node: [")
    with pytest.raises(ConfigError):
        load(tmp_path / "node.yaml", sources={}, sinks={})
    assert gc.isenabled()


def test_who_comes_second_leaves_it_to_the_first() -> None:
    with paused():
        with paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
