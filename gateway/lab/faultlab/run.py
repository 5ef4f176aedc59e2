"""``gateway lab faults``: scenes one after the other (or several beside each other), and what came of them."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gateway.errors import UsageError
from gateway.lab.children import until_sigterm
from gateway.lab.faultlab.scenes import SCENES
from gateway.lab.faultlab.trial import Order, Outcome, Scene, play
from gateway.lab.report import complain, machine, machine_line, print_json, print_table, say

RATE = 50.0


def chosen(names: Sequence[str]) -> list[Scene]:
    """These scenes, or all. Raises UsageError for a name that there is not."""
    unknown = [name for name in names if name not in SCENES]
    if unknown:
        raise UsageError(f"--scene {unknown[0]}: there is no such scene; there are {', '.join(SCENES)}")
    return [SCENES[name] for name in names] if names else list(SCENES.values())


async def play_all(
    scenes: Sequence[Scene],
    *,
    seed: int,
    presses: int,
    rate: float = RATE,
    beside: int = 1,
    told: Callable[[Outcome], None] = lambda outcome: None,
    keep: bool = False,
) -> list[Outcome]:
    """Each scene with its share of ``presses``; ``beside``: so many at a time. In the order of ``scenes``."""
    places = asyncio.Semaphore(beside)
    share = -(-presses // len(scenes))

    async def one(scene: Scene) -> Outcome:
        async with places:
            outcome = await play(scene, Order(seed, share, rate), keep=keep)
        told(outcome)
        return outcome

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(scene)) for scene in scenes]
    return [task.result() for task in tasks]


def run_faults(
    *,
    seed: int | None,
    presses: int,
    names: Sequence[str] = (),
    minutes: float | None = None,
    rate: float = RATE,
    beside: int = 1,
    as_json: bool = False,
    to: Path | None = None,
    table: Path | None = None,
) -> int:
    """Play and report; the exit code: 0 nothing lost and nothing wrong, 1 something was, 2 a scene could not be played here.

    ``beside``: so many scenes at a time. ``minutes``: go on with further seeds until so much time has passed. ``to``: a file for the report as JSON, besides;
    ``table``: one for the table of deploy/RELIABILITY.md.
    """
    first = random.SystemRandom().randrange(1, 1_000_000) if seed is None else seed
    scenes = chosen(names)
    began = time.monotonic()
    outcomes: list[Outcome] = []

    def told(outcome: Outcome) -> None:
        outcomes.append(outcome)  # at once, so that a run that is stopped reports what it has played
        _tell(outcome)

    async def work() -> None:
        number = first
        while True:
            await play_all(scenes, seed=number, presses=presses, rate=rate, beside=beside, told=told, keep=True)
            number += 1
            if minutes is None or time.monotonic() - began > 60 * minutes:
                return

    try:
        asyncio.run(until_sigterm(work()))
    except (KeyboardInterrupt, asyncio.CancelledError):
        complain("stopped; what was played until now is reported")
    outcomes.sort(key=lambda outcome: (outcome.seed, [*SCENES].index(outcome.scene)))
    report = report_of(first, outcomes, time.monotonic() - began)
    if to is not None:
        to.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if table is not None:
        table.write_text(table_of(report), encoding="utf-8")
    if as_json:
        print_json(report)
    else:
        _print(report)
    if any(outcome.not_played is None and not outcome.well for outcome in outcomes):
        return 1
    return 2 if any(outcome.not_played for outcome in outcomes) or not outcomes else 0


def report_of(seed: int, outcomes: Sequence[Outcome], seconds: float) -> dict[str, Any]:
    """For machines; deploy/RELIABILITY.md's table is made of it."""
    played = [outcome.verdict for outcome in outcomes if outcome.verdict is not None]
    totals = {
        name: sum(verdict.counts()[name] for verdict in played) for name in (played[0].counts() if played else ())
    }
    return {
        "seed": seed,
        "machine": machine(),
        "seconds": round(seconds, 1),
        "totals": totals,
        "well": bool(outcomes) and all(outcome.well for outcome in outcomes),
        "scenes": [outcome.as_json() for outcome in outcomes],
    }


def table_of(report: dict[str, Any]) -> str:
    """In Markdown: a row for each scene that was played, over all its seeds, and the sum."""
    lines = ["| scene | what befalls | needs | seeds | presses | lost | doubled |", "|---|---|---|---|---|---|---|"]
    for name, scene in SCENES.items():
        played = [one for one in report["scenes"] if one["scene"] == name and one["counts"]]
        if not played:
            continue
        needs = "root" if scene.needs_root else ", ".join(Path(tool).name.partition(".")[0] for tool in scene.tools)
        seeds = ", ".join(str(one["seed"]) for one in played)
        figures = [str(sum(one["counts"][what] for one in played)) for what in ("presses", "lost", "doubled")]
        lines.append(f"| `{name}` | {scene.what} | {needs} | {seeds} | {' | '.join(figures)} |")
    totals = report["totals"] or {"presses": 0, "lost": 0, "doubled": 0}
    lines += ["", f"Together {totals['presses']:,} presses, {totals['lost']} lost, {totals['doubled']} doubled."]
    return "\n".join(lines) + "\n"


def _tell(outcome: Outcome) -> None:
    """One line while the others go on, on stderr: stdout is the report's."""
    if outcome.not_played is not None:
        complain(outcome.not_played)
        return
    counts = {} if outcome.verdict is None else outcome.verdict.counts()
    state = "well" if outcome.well else "NOT WELL"
    complain(
        f"{outcome.scene} (seed {outcome.seed}): {state}; {counts.get('presses', 0)} presses, lost {counts.get('lost', '?')}, "
        f"doubled {counts.get('doubled', '?')}; {outcome.seconds:.0f} s"
    )
    for sentence in (*outcome.broken, *([] if outcome.verdict is None else outcome.verdict.sentences())):
        complain(f"  {sentence}")


def _print(report: dict[str, Any]) -> None:
    rows = []
    for scene in report["scenes"]:
        counts = scene["counts"]
        figures = [str(counts.get(name, "-")) for name in ("presses", "received", "lost", "doubled", "unanswered")]
        state = "not played" if scene["not_played"] else "well" if scene["well"] else "NOT WELL"
        rows.append((scene["scene"], str(scene["seed"]), *figures, str(sum(scene["starts"].values())), state))
    columns = ("scene", "seed", "presses", "received", "lost", "doubled", "unanswered", "starts", "")
    print_table(f"fault lab, {report['seconds']:.0f} s\n{machine_line()}", columns, rows)
    totals = report["totals"]
    if totals:
        say(f"{totals['presses']} presses, {totals['lost']} lost, {totals['doubled']} doubled")
    for scene in report["scenes"]:
        for sentence in (*scene["wrong"], *scene["broken"], *filter(None, [scene["not_played"]])):
            say(f"{scene['scene']} (seed {scene['seed']}): {sentence}")
        if scene["wrong"] or scene["broken"]:
            say(
                f"  once more: gateway lab faults --scene {scene['scene']} --seed {scene['seed']} --presses {counts_of(scene)}"
            )


def counts_of(scene: dict[str, Any]) -> int:
    return int(scene["counts"].get("presses", 0))
