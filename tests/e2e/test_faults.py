"""The short form of the fault lab: some scenes with few presses, and the checker against gateways that break the promise.

``make faults`` plays all scenes, with thousands. Scenes that need mounts are played where this machine lets us mount; where it
does not, the simulation's disks (tests/lab/simulation) are what loses power.
"""

import asyncio
import fcntl
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.lab.faultlab.run import play_all
from gateway.lab.faultlab.scenes import SCENES
from gateway.lab.faultlab.trial import Order, Outcome, Scene, play

# the first test waits for all scenes: this ends a hang on a slow machine, and measures nothing
pytestmark = pytest.mark.timeout(1800)


def mountable() -> bool:
    """Whether a loop device and a small tmpfs can be mounted here: not in every container."""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        image, place = Path(folder, "image"), Path(folder, "place")
        place.mkdir()
        image.write_bytes(bytes(4 * 2**20))
        steps = (["mkfs.ext4", "-q", str(image)], ["mount", "-o", "loop", str(image), str(place)])
        mounted = all(subprocess.run(step, capture_output=True).returncode == 0 for step in steps)
        if mounted:
            subprocess.run(["umount", str(place)], check=True)
        return mounted


def once_a_run(look: Callable[[], bool]) -> bool:
    """The first process of pytest-xdist looks and the others are told: which tests there are must be the same in each, and
    two that look at the same moment may be in each other's way."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        return look()
    with Path(tempfile.gettempdir(), f"gateway-tests-{run}").open("a+", encoding="ascii") as verdict:
        fcntl.flock(verdict, fcntl.LOCK_EX)
        verdict.seek(0)
        said = verdict.read()
        if not said:
            said = "yes" if look() else "no"
            verdict.write(said)
    return said == "yes"


MOUNTABLE = once_a_run(mountable)
MUTANT = Path(__file__).parents[1] / "peers" / "mutated_gateway.py"
SEED = 5
PRESSES = 20
RATE = 20.0
# one of each kind: sudden deaths, bad disks, bad links, bad receivers, wrong clocks, another version
SHORT = (
    "kill_everything",
    "calls_home",
    "fsync_eio",
    *(("enospc_disk", "power") if MOUNTABLE else ()),
    "broker",
    "links",
    "receiver_refuses",
    "clock_set",
    "upgrade",
)
MUTANTS = {
    "ack-before-commit": "kill_home",
    **({"synchronous-off": "power"} if MOUNTABLE else {}),
}
BESIDE = 3  # most of a scene is waiting
FINDS_WITHIN = 12  # seeds: a kill has to fall between the answer and the commit
NOT_AT_HOME = "told received and are not at the home node"


@pytest.fixture(scope="module")
def played() -> dict[str, Outcome]:
    """Every scene once and every mutant until it is found, several beside each other."""
    return asyncio.run(_all_played())


async def _all_played() -> dict[str, Outcome]:
    scenes = [SCENES[name] for name in SHORT]
    honest, mutants = await asyncio.gather(
        play_all(scenes, seed=SEED, presses=PRESSES * len(scenes), rate=RATE, beside=BESIDE, keep=True),
        _mutants(),
    )
    return {outcome.scene: outcome for outcome in honest} | mutants


async def _mutants() -> dict[str, Outcome]:
    return {mutation: await _mutated(SCENES[scene], mutation) for mutation, scene in MUTANTS.items()}


async def _mutated(scene: Scene, mutation: str) -> Outcome:
    for seed in range(1, FINDS_WITHIN + 1):
        # what is lost stays lost: there is no use in waiting for it
        order = Order(seed, 30, RATE, program=(str(MUTANT), mutation), patience=5.0)
        outcome = await play(scene, order)
        if outcome.not_played is not None or _found(mutation, outcome):
            break
    return outcome


def _found(mutation: str, outcome: Outcome) -> bool:
    """What the tests below ask for; a slow machine alone makes a verdict unclean within so little patience."""
    if outcome.verdict is None:
        return False
    if mutation == "synchronous-off":
        return any(NOT_AT_HOME in sentence for sentence in outcome.broken)
    return bool(outcome.verdict.lost)


@pytest.mark.parametrize("name", SHORT)
def test_no_acknowledged_press_is_lost_or_doubled(name: str, played: dict[str, Outcome]) -> None:
    outcome = played[name]
    assert outcome.not_played is None, outcome.not_played
    assert outcome.well, (outcome.broken, outcome.verdict and outcome.verdict.sentences(), outcome.diary)
    assert outcome.verdict is not None
    assert outcome.verdict.received >= PRESSES


def test_the_checker_finds_a_gateway_that_acknowledges_before_it_commits(played: dict[str, Outcome]) -> None:
    outcome = played["ack-before-commit"]
    assert outcome.verdict is not None, outcome.broken
    assert outcome.verdict.lost
    assert not outcome.well


@pytest.mark.parametrize("mutation", [mutation for mutation in MUTANTS if mutation == "synchronous-off"])
def test_the_checker_finds_a_gateway_that_does_not_wait_for_the_disk(mutation: str, played: dict[str, Outcome]) -> None:
    outcome = played[mutation]
    assert outcome.not_played is None, outcome.not_played
    assert not outcome.well
    assert any(NOT_AT_HOME in sentence for sentence in outcome.broken), outcome
