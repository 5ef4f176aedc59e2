"""Fixtures that several rooms' tests share."""

import importlib.util
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

# its default deadline of 200 ms for one example is a timed assertion: it fails on a busy machine, not on a fault
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")


def _peer(name: str) -> ModuleType:
    """Load tests/peers/NAME.py by its path: tests are not packages (import mode importlib)."""
    path = Path(__file__).parent / "peers" / f"{name}.py"
    known = sys.modules.get(f"peers.{name}")
    if known is not None:
        return known
    spec = importlib.util.spec_from_file_location(f"peers.{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def peer() -> Callable[[str], ModuleType]:
    """``peer("mosquitto")`` is the module tests/peers/mosquitto.py."""
    return _peer


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A loopback port that nothing listens on now; each call gives another."""
    given: set[int] = set()

    def find() -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port: int = probe.getsockname()[1]
            if port not in given:
                given.add(port)
                return port

    return find


@pytest.fixture
def mosquitto(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Any]:
    """A running Mosquitto (tests/peers/mosquitto.py): ``url``, ``port``, ``kill``, ``stop``, ``start``."""
    directory = tmp_path / "mosquitto"
    directory.mkdir()
    broker = _peer("mosquitto").Mosquitto(directory, free_port())
    broker.start()
    yield broker
    broker.stop()
