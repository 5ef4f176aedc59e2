"""Histories: none loses a press, the same seed is the same history, and the checker finds gateways that are broken."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from gateway.errors import UsageError
from gateway.lab.simulation.campaign import run_campaign
from gateway.lab.simulation.faults import FAULTS
from gateway.lab.simulation.history import run_history
from gateway.lab.simulation.sabotage import SABOTAGES


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


def test_no_press_is_lost_or_doubled() -> None:
    outcomes = [run_history(seed, 60) for seed in range(1, 13)]
    assert [(outcome.seed, outcome.sentences) for outcome in outcomes if not outcome.clean] == []
    assert sum(outcome.received for outcome in outcomes) == 12 * 60
    assert sum(len(outcome.faults) for outcome in outcomes) > 30


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_under_each_fault_over_and_over(fault: str) -> None:
    outcome = run_history(7, 30, only=fault)
    assert outcome.sentences == ()
    assert set(outcome.faults) - {"killed_while_upgrading"} == {fault}


def test_the_same_seed_is_the_same_history() -> None:
    first, again, other = run_history(5, 40), run_history(5, 40), run_history(6, 40)
    assert first == again
    assert first.trace != other.trace


def test_also_in_another_process() -> None:
    """Where text hashes otherwise."""
    code = "from gateway.lab.simulation.history import run_history as run; print(); print(run(5, 40).trace)"
    traces = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.split()[-1]
        for seed in ("1", "2")
    }
    assert traces == {run_history(5, 40).trace}


@pytest.mark.parametrize("name", sorted(SABOTAGES))
def test_a_broken_gateway_is_found(name: str) -> None:
    """A checker that does not find these proves nothing."""
    for seed in range(1, 31):
        outcome = run_history(seed, 40, SABOTAGES[name])
        if not outcome.clean:
            break
    else:
        pytest.fail(f"{name} was not found in 30 histories")
    found = " ".join(outcome.sentences)
    assert ("more than once" if name == "repeats_not_known" else "missing at a level") in found


class TestCampaign:
    def test_it_reports_what_it_did(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run_campaign(50, 3, history=25, as_json=True) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["presses"], told["received"], told["histories"], told["failed"]) == (50, 50, 2, 0)
        assert told["faults_in_all"] == sum(told["faults"].values())

    def test_a_failure_says_how_to_see_it_again(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run_campaign(30, 1, history=30, only="power_cut", sabotage="lying_disk") == 1
        heard = capsys.readouterr()
        assert (
            "gateway lab simulate --seed 1 --presses 30 --history 30 --only power_cut --sabotage lying_disk"
            in heard.err
        )
        assert "1 histories failed" in heard.out

    def test_in_one_process_logging_is_afterwards_as_it_was(self, capsys: pytest.CaptureFixture[str]) -> None:
        run_campaign(10, 1, history=10, as_json=True)
        with structlog.testing.capture_logs() as lines:
            structlog.get_logger().info("heard")
        assert [line["event"] for line in lines] == ["heard"]
        assert logging.root.manager.disable == logging.NOTSET

    def test_unknown_names(self) -> None:
        with pytest.raises(UsageError, match="there is no fault earthquake; accepted are boots_in_1970, "):
            run_campaign(1, 1, only="earthquake")
        with pytest.raises(UsageError, match="there is no sabotage gremlin"):
            run_campaign(1, 1, sabotage="gremlin")
