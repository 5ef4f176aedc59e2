"""Fixtures that several rooms' tests share."""

import importlib.util
import itertools
import os
import random
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

# A deadline for each example and the check that examples are drawn quickly are timed assertions: they fail on a busy machine,
# not on a fault. Every run plays the same examples, so that what is red was red before it was merged; others are looked for
# with ``--hypothesis-profile=explore``.
_ANY_SPEED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("gateway", **_ANY_SPEED, derandomize=True, database=None)
settings.register_profile("explore", **_ANY_SPEED, derandomize=False, print_blob=True)
settings.load_profile("gateway")


def pytest_sessionstart() -> None:
    """Hypothesis also draws the constants of our modules that are loaded by then: which those are depends on the tests that
    the same process ran before. It has no setting for it."""
    if settings.default.derandomize:
        providers._get_local_constants = providers.Constants


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


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """A loopback port that nothing listens on now; each call gives another.

    They lie below the ports that connections and listeners on port 0 are given, so that none of those takes one before
    it is used, and every process of pytest-xdist has a thousand of its own.
    """
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 20
    first = 10_000 + 1_000 * process
    ports = itertools.cycle(range(first, first + 1_000))
    for _ in range(random.randrange(1_000)):  # another run of the suite may be on the same machine
        next(ports)

    def find() -> int:
        while True:
            port = next(ports)
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
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


LONGEST = (
    "deploy/test_bundle.py",
    "e2e/test_hostile_api.py",
    "e2e/test_pictures_of_readme.py",
    "e2e/test_duty_desk.py",
    "console/web/test_accessibility.py",
    "e2e/test_onvif.py",
    "lab/bench/test_benches.py",
    "e2e/test_stopping.py",
    "lab/test_outcomes.py",
    "e2e/test_clips.py",
    "e2e/test_diagnosis.py",
    "e2e/test_outages.py",
    "deploy/test_nginx.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: each is dealt to a process whole, and none may begin when all else is done."""
    order = {Path(__file__).parent / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))
