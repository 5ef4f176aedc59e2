"""Many histories, one seed after the other, on several processes; what was found, and how to see it again."""

import gc
import json
import logging
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import structlog

from gateway.errors import UsageError
from gateway.lab.simulation.faults import FAULTS
from gateway.lab.simulation.history import Outcome, run_history
from gateway.lab.simulation.sabotage import NOTHING, SABOTAGES

HISTORY = 1000  # presses in one history
_AHEAD = 4  # histories handed out for each process, so that none waits and stopping is quick
_SAY_EVERY = 10.0  # s
_FAILURES_KEPT = 100


@dataclass(slots=True)
class Figures:
    """What a campaign has come to so far."""

    first_seed: int
    history: int
    histories: int = 0
    presses: int = 0
    received: int = 0
    acts: int = 0
    starts: int = 0
    virtual_s: float = 0.0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)
    failed: int = 0

    def add(self, outcome: Outcome) -> None:
        self.histories += 1
        self.presses += outcome.presses
        self.received += outcome.received
        self.acts += outcome.acts
        self.starts += outcome.starts
        self.virtual_s += outcome.virtual_s
        self.faults.update(outcome.faults)
        if not outcome.clean:
            self.failed += 1
            if len(self.failures) < _FAILURES_KEPT:
                self.failures.append(asdict(outcome))

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "faults": dict(sorted(self.faults.items())), "faults_in_all": self.faults.total()}


def run_campaign(
    presses: int,
    seed: int,
    *,
    jobs: int = 1,
    history: int = HISTORY,
    only: str | None = None,
    sabotage: str | None = None,
    as_json: bool = False,
) -> int:
    """Print what comes of it; the exit code. Raises UsageError for a fault or a sabotage of no known name."""
    _require_known(only, FAULTS, "fault")
    _require_known(sabotage, SABOTAGES, "sabotage")
    work = partial(_one, history=min(history, presses), sabotage=sabotage, only=only)
    seeds = range(seed, seed + -(-presses // history))
    figures = Figures(seed, history)
    began = said = time.monotonic()
    for outcome in _outcomes(work, seeds, jobs):
        figures.add(outcome)
        now = time.monotonic()
        figures.seconds = round(now - began, 1)
        if not outcome.clean:
            _say(_failure(outcome, history, only, sabotage))
        if now - said >= _SAY_EVERY:
            said = now
            _say(_progress(figures, presses))
    if as_json:
        sys.stdout.write(json.dumps(figures.as_json(), ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("\n".join(_report(figures)) + "\n")
    return 1 if figures.failed else 0


def _outcomes(work: Any, seeds: Iterable[int], jobs: int) -> Iterator[Outcome]:
    if jobs <= 1:
        with _hush():
            yield from map(work, seeds)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=quiet) as pool:
        left = iter(seeds)
        going = [pool.submit(work, seed) for seed in islice(left, jobs * _AHEAD)]
        while going:
            yield going.pop(0).result()
            going += [pool.submit(work, seed) for seed in islice(left, 1)]


def _one(seed: int, *, history: int, sabotage: str | None, only: str | None) -> Outcome:
    return run_history(seed, history, NOTHING if sabotage is None else SABOTAGES[sabotage], only)


@contextmanager
def _hush() -> Iterator[None]:
    """``quiet`` for a process that does other things afterwards."""
    configured, disabled = structlog.get_config(), logging.root.manager.disable
    quiet()
    try:
        yield
    finally:
        structlog.configure(**configured)
        logging.disable(disabled)
        gc.unfreeze()


def quiet() -> None:
    """A simulated disk that fails a thousand times is nothing to log, and the modules are nothing to collect."""
    gc.freeze()
    logging.disable(logging.CRITICAL)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.ReturnLoggerFactory(),
    )


def _require_known(name: str | None, names: Iterable[str], what: str) -> None:
    if name is not None and name not in names:
        raise UsageError(f"there is no {what} {name}; accepted are {', '.join(sorted(names))}")


def _failure(outcome: Outcome, history: int, only: str | None, sabotage: str | None) -> str:
    again = f"gateway lab simulate --seed {outcome.seed} --presses {history} --history {history}"
    again += f" --only {only}" if only else ""
    again += f" --sabotage {sabotage}" if sabotage else ""
    found = "\n  ".join(outcome.sentences)
    return f"seed {outcome.seed} failed ({', '.join(outcome.faults)}):\n  {found}\n  again: {again}"


def _progress(figures: Figures, wanted: int) -> str:
    rate = figures.presses / max(figures.seconds, 0.1)
    return (
        f"{figures.presses}/{wanted} presses, {figures.histories} histories, {figures.faults.total()} faults, "
        f"{figures.failed} failed, {rate:.0f} presses/s"
    )


def _report(figures: Figures) -> Iterator[str]:
    last = figures.first_seed + figures.histories - 1
    yield f"seeds {figures.first_seed} to {last}, {figures.history} presses each"
    yield f"{figures.presses} presses, {figures.received} told received, {figures.acts} acts of operators"
    yield (
        f"{figures.faults.total()} faults, {figures.starts} starts of nodes, {figures.virtual_s / 3600:.1f} h of virtual "
        f"time in {figures.seconds:.0f} s"
    )
    for name, count in sorted(figures.faults.items()):
        yield f"  {name}: {count}"
    yield f"{figures.failed} histories failed" if figures.failed else "no press was lost, none was doubled"


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
