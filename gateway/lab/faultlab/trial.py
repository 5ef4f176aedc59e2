"""One scene, played: a town is built, presses go on, faults fall on it by a seeded schedule, all heals, and the book speaks."""

import asyncio
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.errors import DeviceError, RunningError
from gateway.lab.book import Verdict
from gateway.lab.faultlab.disks import Disk, PlainDisk
from gateway.lab.faultlab.network import Street
from gateway.lab.faultlab.town import PROGRAM, Town, TownPlan
from gateway.lab.report import complain

_LOOK_EVERY = 1.0
_LONGEST_PLAY = 900.0  # seconds, and so many times what the presses alone take: it ends a hang and measures nothing
_PATIENCE = 3.0
_DIARY_AT_MOST = 400


@dataclass(frozen=True, slots=True)
class Scene:
    """``play`` brings the faults while presses go on. ``tools``: programs that it needs. ``levels`` and what follows say
    where: see TownPlan. ``disk``: what the home node's data_dir is on. ``namespace``: nodes stand on a network of their own."""

    name: str
    what: str
    play: Callable[["Trial"], Coroutine[Any, Any, None]]
    needs_root: bool = False
    tools: tuple[str, ...] = ()
    levels: tuple[str, ...] = ("township", "county")
    camera: bool = False
    persistent_broker: bool = True
    disk: type[Disk] = PlainDisk
    namespace: bool = False

    def missing(self) -> str | None:
        """What this machine lacks for it, as a sentence; None where it can be played."""
        if self.needs_root and os.geteuid() != 0:
            return f"scene {self.name} needs root ({self.what})"
        absent = [tool for tool in self.tools if shutil.which(tool, path=_PATH) is None and not Path(tool).exists()]
        if absent:
            return f"scene {self.name} needs {', '.join(absent)}; install what .ci/packages names for tests"
        return None


_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: ``presses`` at ``rate`` a second. ``program`` stands for the gateway at the home node. ``patience``:
    seconds that the nodes have, once all has healed, to answer everybody and to agree."""

    seed: int
    presses: int
    rate: float
    program: Sequence[str] = PROGRAM
    patience: float = 120.0


@dataclass(slots=True)
class Trial:
    """What a scene's play is given. Faults are drawn from ``rng`` alone, in order, so a seed brings the same schedule."""

    scene: Scene
    order: Order
    town: Town
    disk: Disk
    rng: random.Random
    street: Street | None = None
    diary: list[tuple[float, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # promises of the scene itself that were broken
    began: float = field(default_factory=time.monotonic)
    pressed: asyncio.Event = field(default_factory=asyncio.Event)  # the last press has been made

    @property
    def pressing(self) -> bool:
        return not self.pressed.is_set()

    async def pressed_or(self, seconds: float) -> None:
        """Wait so long; once the presses are over, one more is made, so that the nodes have something to do."""
        await asyncio.sleep(seconds)
        if not self.pressing and self.town.households is not None:
            self.town.households.press()

    def write(self, what: str) -> None:
        """Into the diary: what was done, and when."""
        if len(self.diary) < _DIARY_AT_MOST:
            self.diary.append((round(time.monotonic() - self.began, 2), what))

    def dice(self) -> random.Random:
        """A generator of its own for what draws as often as things happen: one draw of ours, however many of its own."""
        return random.Random(self.rng.random())

    async def pause(self, shortest: float, longest: float) -> None:
        await asyncio.sleep(self.rng.uniform(shortest, longest))

    def broken(self, sentence: str) -> None:
        """The scene saw something that must not be."""
        self.write(f"BROKEN: {sentence}")
        self.notes.append(sentence)

    async def until(self, what: str, look: Callable[[], Awaitable[Any]], within: float = 60.0) -> bool:
        """Look until it is true; a sentence among the broken promises where it never is."""
        deadline = time.monotonic() + within
        while not await look():
            if time.monotonic() > deadline:
                self.broken(f"{what}: not within {within:.0f} s")
                return False
            await asyncio.sleep(0.1)
        return True

    async def promise_holds(self) -> None:
        """Right now, at the home node: whatever was told received is there. For the moment after a restart."""
        received = set(self.town.book.received())
        alerts = await self.town.home.alerts()
        verdict = self.town.book.verdict(alerts, everything=False)
        lost = [press for press, _ in verdict.lost if press in received]
        if lost:
            self.broken(
                f"{len(lost)} presses were told received and are not at the home node after it came back: {lost[:3]}"
            )


@dataclass(frozen=True, slots=True)
class Outcome:
    scene: str
    seed: int
    verdict: Verdict | None
    seconds: float
    published: int = 0
    starts: dict[str, int] = field(default_factory=dict)
    diary: tuple[tuple[float, str], ...] = ()
    broken: tuple[str, ...] = ()
    not_played: str | None = None

    @property
    def well(self) -> bool:
        return self.verdict is not None and self.verdict.clean and not self.broken

    def as_json(self) -> dict[str, Any]:
        return {
            "scene": self.scene,
            "seed": self.seed,
            "well": self.well,
            "not_played": self.not_played,
            "counts": {} if self.verdict is None else self.verdict.counts(),
            "published": self.published,
            "seconds": round(self.seconds, 1),
            "starts": self.starts,
            "wrong": [] if self.verdict is None else self.verdict.sentences(),
            "broken": list(self.broken),
            "diary": [list(line) for line in self.diary],
        }


async def play(scene: Scene, order: Order, *, keep: bool = False) -> Outcome:
    """The whole of it. ``keep``: leave the directory where something went wrong, and say where it is."""
    began = time.monotonic()
    lacks = scene.missing()
    if lacks is not None:
        return Outcome(scene.name, order.seed, None, 0.0, not_played=lacks)
    directory = Path(tempfile.mkdtemp(prefix=f"gateway-faults-{scene.name}-", dir=_place()))
    outcome = await _played(scene, order, directory)
    if outcome.well or not keep:
        shutil.rmtree(directory, ignore_errors=True)
    else:
        (directory / "outcome.json").write_text(json.dumps(outcome.as_json(), indent=1), encoding="utf-8")
        complain(f"scene {scene.name}: its directory is kept: {directory}")
    return replace(outcome, seconds=time.monotonic() - began)


async def _played(scene: Scene, order: Order, directory: Path) -> Outcome:
    """Mounts and networks are given back, and processes ended, whatever happens."""
    async with AsyncExitStack() as stack:
        street = await stack.enter_async_context(Street(os.getpid())) if scene.namespace else None
        home = directory / scene.levels[0]
        home.mkdir(mode=0o700)
        disk = await stack.enter_async_context(scene.disk(home, directory))
        plan = TownPlan(
            directory,
            scene.levels,
            terminals=max(5, order.presses // 4),
            persistent_broker=scene.persistent_broker,
            camera=scene.camera,
            program=order.program,
            hosts={} if street is None else street.hosts(scene.levels),
            ports={} if street is None else {scene.levels[0]: street.port},
            broker_host="127.0.0.1" if street is None else street.here,
        )
        town = Town(plan, random.Random(f"{order.seed}/{scene.name}/presses"))
        trial = Trial(scene, order, town, disk, random.Random(f"{order.seed}/{scene.name}/faults"), street)
        stack.push_async_callback(town.stop)
        verdict: Verdict | None = None
        try:
            await town.prepare()
            if street is not None:
                town.home.standing = street.wrap()
            await town.start()
            trial.began = time.monotonic()
            await _press_under_faults(trial)
            verdict = await _judged(trial)
        except (RunningError, DeviceError, OSError, TimeoutError) as error:
            trial.broken(f"{type(error).__name__}: {error}")
        return Outcome(
            scene.name,
            order.seed,
            verdict,
            0.0,
            published=town.households.sent if town.households else 0,
            starts={process.name: process.starts for process in (*town.nodes, town.broker)},
            diary=tuple(trial.diary),
            broken=tuple(trial.notes),
        )


async def _press_under_faults(trial: Trial) -> None:
    async def press() -> None:
        assert trial.town.households is not None
        await trial.town.households.press_all(trial.order.presses, trial.order.rate)
        trial.pressed.set()

    tasks = [asyncio.create_task(press()), asyncio.create_task(trial.scene.play(trial))]
    try:
        async with asyncio.timeout(_LONGEST_PLAY + _PATIENCE * trial.order.presses / trial.order.rate):
            await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _judged(trial: Trial) -> Verdict:
    """All heals; then everybody has to be answered, and every level has to have the same."""
    town = trial.town
    assert town.households is not None
    trial.write("all heals")
    await town.heal()
    await town.households.answered(trial.order.patience)
    deadline = time.monotonic() + trial.order.patience
    while True:
        verdict = town.book.verdict(*[await node.alerts() for node in town.nodes])
        if verdict.clean or time.monotonic() > deadline:
            trial.write(f"the book is closed: {verdict.counts()}")
            return verdict
        await asyncio.sleep(_LOOK_EVERY)


def _place() -> str | None:
    """On a disk: /tmp often is memory, whose fsync promises nothing."""
    return "/var/tmp" if sys.platform == "linux" and os.access("/var/tmp", os.W_OK) else None  # noqa: S108
