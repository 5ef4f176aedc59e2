"""A short, seeded run of what ``make fuzz`` does for minutes, and every input that ever broke a promise."""

import importlib.util
import random
import runpy
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NAMES = runpy.run_path(str(HERE / "names.py"))["NAMES"]
INPUTS = 2500


@pytest.fixture(scope="module")
def rooms():
    """The modules beside this one, which is no package."""
    found = {}
    for name in ("targets", "corpus", "mutation"):
        spec = importlib.util.spec_from_file_location(f"fuzz_{name}", HERE / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        found[name] = module
    return found


def test_every_target_is_run(rooms):
    assert tuple(rooms["targets"].TARGETS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_healthy_inputs_keep_every_promise(rooms, name):
    seeds = rooms["corpus"].seeds(name)
    assert seeds
    for data in seeds:
        rooms["targets"].TARGETS[name](data)


@pytest.mark.parametrize("name", NAMES)
def test_no_mutation_breaks_a_promise(rooms, name):
    mutator = rooms["mutation"].Mutator(rooms["corpus"].seeds(name), rooms["corpus"].WORDS, random.Random(20261122))
    for number in range(INPUTS):
        data = mutator.make()
        try:
            rooms["targets"].TARGETS[name](data)
        except Exception as error:
            raise AssertionError(f"input {number}: {data[:400]!r}") from error


@pytest.mark.parametrize("name", NAMES)
def test_what_was_found_once_is_mended(rooms, name):
    for path in sorted((HERE / "findings" / name).glob("*")):
        rooms["targets"].TARGETS[name](path.read_bytes())


def test_a_healthy_dialogue_reaches_playing_and_its_pictures(rooms, monkeypatch):
    """The corpus of the dialogue leads to media: else all behind SETUP would never be fuzzed."""
    made, states = [], []
    targets = rooms["targets"]

    def watched(media, emit):
        found = original(media, lambda *unit: made.append(unit))
        return found

    class WatchedSession(targets.Session):
        def teardown(self, now):
            states.append(self.state.name)
            return super().teardown(now)

    original = targets.depacketiser
    monkeypatch.setattr(targets, "depacketiser", watched)
    monkeypatch.setattr(targets, "Session", WatchedSession)
    for data in rooms["corpus"].seeds("dialogue"):
        targets.dialogue(data)
    assert "PLAYING" in states
    assert made
