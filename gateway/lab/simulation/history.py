"""One seeded history: presses, operators and faults for a minute or two of virtual time, then everything heals, and the
checker's book is held against what both nodes have."""

import asyncio
import gc
import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.alerts import lifecycle
from gateway.lab.book import Book, Told, Verdict
from gateway.lab.simulation.broker import Broker
from gateway.lab.simulation.faults import FAULTS, Scene
from gateway.lab.simulation.households import Terminal
from gateway.lab.simulation.life import life_of_this_task
from gateway.lab.simulation.network import Uplink, Way
from gateway.lab.simulation.nodes import County, Node, Township, county_settings, township_settings
from gateway.lab.simulation.sabotage import NOTHING, Sabotage
from gateway.lab.simulation.store import install
from gateway.lab.simulation.time import VirtualLoop
from gateway.ledger import audit, rows
from gateway.ledger.migrate import schema_steps
from gateway.model import Draft
from gateway.ports import AlertFilter, Reader, Transaction

_SHORT = 250  # presses of a history that lasts so long; a longer one has more of everything, and denser
_LASTS = 40.0  # s of presses and faults
_LASTS_MORE = 0.08  # s for each press beyond
_LONGEST_FAULT = 60.0  # s in which the last fault is over
_QUIET_WITHIN = 900.0  # s after healing; an alarm's own waits are seconds, a put-off answer's minutes
_LOOK = 2.0
_HOUSEHOLDS_PER_PRESS = 0.08
_UPGRADED = 0.2  # the share of nodes that begin with an older ledger
_UPGRADE = "killed_while_upgrading"
_ACTIONS = ("acknowledge", "dispatch", "arrive", "close", "cancel", "reopen", "note", "urge")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a history. ``trace``: of everything that was seen from outside, equal whenever the seed is."""

    seed: int
    presses: int
    received: int
    faults: tuple[str, ...]
    sentences: tuple[str, ...]
    trace: str
    virtual_s: float
    starts: int
    acts: int

    @property
    def clean(self) -> bool:
        return not self.sentences


@dataclass(slots=True)
class _Diary:
    digest: Any = field(default_factory=hashlib.sha256)
    faults: list[str] = field(default_factory=list)
    acts: int = 0

    def note(self, at: float, *words: object) -> None:
        self.digest.update(f"{at:.6f} {' '.join(map(str, words))}\n".encode())


def run_history(seed: int, presses: int = 200, sabotage: Sabotage = NOTHING, only: str | None = None) -> Outcome:
    """``only``: this fault alone, over and over."""
    loop = VirtualLoop()
    loop.on_task = _adopt
    try:
        with _uncollected(), asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(History(seed, presses, sabotage, only).run())
    finally:
        loop.close()


@contextmanager
def _uncollected() -> Iterator[None]:
    """A history's cycles are collected when it is over: meanwhile nearly everything is in use, and looking costs a sixth."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _adopt(task: "asyncio.Task[Any]") -> None:
    life = life_of_this_task()
    if life is not None:
        life.adopt(task)


class History:
    def __init__(self, seed: int, presses: int, sabotage: Sabotage, only: str | None) -> None:
        self._seed = seed
        self._presses = presses
        self._parts = max(1, round(presses / _SHORT))
        self._lasts = _LASTS + _LASTS_MORE * max(0, presses - _SHORT)
        self._sabotage = sabotage
        self._only = only
        self._rng = random.Random(seed)
        self._book = Book()
        self._diary = _Diary()

    async def run(self) -> Outcome:
        loop = asyncio.get_running_loop()
        with self._scene() as scene:
            for node in (scene.county, scene.township):
                if self._rng.random() < min(_UPGRADED * self._parts, 0.8):
                    self._upgrade(node)
                node.boot()
            watching = [asyncio.create_task(node.watch()) for node in (scene.county, scene.township)]
            pressing = asyncio.create_task(self._press_all(scene))
            operating = asyncio.create_task(self._operate(scene))
            await self._go_wrong(scene)
            await operating
            scene.heal()
            await asyncio.wait((pressing,), timeout=_QUIET_WITHIN)
            quiet = await self._quiet(scene)
            for task in (*watching, pressing):
                task.cancel()
            return await self._outcome(scene, loop.time(), quiet)

    def _upgrade(self, node: Node) -> None:
        """The program is newer than the node's ledger, and dies while it brings the schema up to date, or does not."""
        self._diary.faults.append(_UPGRADE)
        install(node.disk, self._rng.randint(1, max(schema_steps()) - 1))
        power, back_after = self._rng.random() < 0.5, self._rng.uniform(0.1, 2.0)
        node.crash_at_write(self._rng.randint(1, 120), power=power, back_after=back_after)

    @contextmanager
    def _scene(self) -> Iterator[Scene]:
        rng, sabotage = self._rng, self._sabotage
        broker = Broker(random.Random(rng.getrandbits(64)))
        uplink = Uplink("township", Way(random.Random(rng.getrandbits(64))))
        names = [f"tv-{number:04}" for number in range(max(2, round(self._presses * _HOUSEHOLDS_PER_PRESS)))]
        township = Township(township_settings(names), rng, sabotage, broker, uplink)
        county = County(county_settings(), rng, sabotage, uplink)
        terminals = [Terminal(name, broker, self._book, random.Random(rng.getrandbits(64))) for name in names]
        try:
            yield Scene(random.Random(rng.getrandbits(64)), township, county, broker, uplink, terminals)
        finally:
            township.close()
            county.close()

    # ------------------------------------------------------------------------------------------------ what happens

    async def _press_all(self, scene: Scene) -> None:
        rng = random.Random(self._rng.getrandbits(64))
        flaky = rng.choice((0.0, 0.1, 0.3))
        for terminal in scene.terminals:
            terminal.flaky = flaky
        storms = [rng.uniform(0.5, self._lasts) for _ in range(self._some(rng, 0, 3))]
        moments = sorted(
            rng.choice(storms) + rng.uniform(0.0, 2.0)
            if storms and rng.random() < 0.7
            else rng.uniform(0.2, self._lasts)
            for _ in range(self._presses)
        )
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            for moment in moments:
                await asyncio.sleep(max(0.0, moment - loop.time()))
                terminal = rng.choice(scene.terminals)
                group.create_task(terminal.press())
                if rng.random() < 0.02:
                    terminal.cancel()

    async def _go_wrong(self, scene: Scene) -> None:
        rng = random.Random(self._rng.getrandbits(64))
        loop = asyncio.get_running_loop()
        number = self._some(rng, 2, 7)
        chosen = [self._only] * 4 * self._parts if self._only else rng.choices(sorted(FAULTS), k=number)
        plan = sorted((rng.uniform(0.2, self._lasts), number, name) for number, name in enumerate(chosen))
        going: list[asyncio.Task[None]] = []
        for moment, _, name in plan:
            await asyncio.sleep(max(0.0, moment - loop.time()))
            self._diary.faults.append(name)
            self._diary.note(loop.time(), "fault", name)
            going.append(asyncio.ensure_future(FAULTS[name](scene)))
        if going:
            await asyncio.wait(going, timeout=_LONGEST_FAULT)
        for task in going:
            task.cancel()

    async def _operate(self, scene: Scene) -> None:
        """People who act at both levels on whatever is open, or closed already."""
        rng = random.Random(self._rng.getrandbits(64))
        longest_pause = 6.0 * self._lasts / _LASTS / self._parts
        for _ in range(self._some(rng, 0, 25)):
            await asyncio.sleep(rng.uniform(0.1, longest_pause))
            node: Node = rng.choice((scene.township, scene.county))
            choice, action = rng.random(), rng.choice(_ACTIONS)
            life, ledger = node.life, node.ledger
            if not node.up or life is None or ledger is None:
                continue

            async def act(node: Node = node, choice: float = choice, action: str = action) -> None:
                assert node.ledger is not None
                await node.ledger.write(lambda tx: _act(tx, node, choice, action))

            task = life.start(act())
            await asyncio.wait((task,), timeout=30.0)
            if not task.cancelled() and task.done() and task.exception() is None:
                self._diary.acts += 1

    def _some(self, rng: random.Random, least: int, most: int) -> int:
        """As many for each part of a longer history as a short one has."""
        return sum(rng.randint(least, most) for _ in range(self._parts))

    # ------------------------------------------------------------------------------------------------ the end

    async def _quiet(self, scene: Scene) -> bool:
        """Until nothing is owed any more and both nodes have the same."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _QUIET_WITHIN
        while loop.time() < until:
            await asyncio.sleep(_LOOK)
            if not self._book.waiting() and await self._nothing_owed(scene):
                return True
        return False

    async def _nothing_owed(self, scene: Scene) -> bool:
        if not (scene.township.up and scene.county.up):
            return False
        waits = [
            item for node in (scene.township, scene.county) for item in _read(node, lambda r: r.backlog()) if item[2]
        ]
        if waits:
            return False
        position = _read(scene.township, lambda r: int(r.bookmark("downlink/county") or 0))
        newest = _newest_own(scene.county)
        return bool(position >= newest)

    async def _outcome(self, scene: Scene, ended: float, quiet: bool) -> Outcome:
        sentences: list[str] = [] if quiet else [self._unquiet(scene)]
        levels = [_alerts(node) for node in (scene.township, scene.county)]
        verdict: Verdict = self._book.verdict(*levels)
        sentences += verdict.sentences()
        for node in (scene.township, scene.county):
            sentences += _ledger_faults(node)
        for press, page in sorted(self._book.pages.items()):
            self._diary.note(page.pressed_at, *press, *sorted(page.heard.items()), *page.alert_ids)
        for level in levels:
            self._diary.note(ended, json.dumps(sorted(level, key=lambda alert: str(alert["id"])), sort_keys=True))
        return Outcome(
            self._seed,
            verdict.presses,
            verdict.received,
            tuple(self._diary.faults),
            tuple(sentences),
            self._diary.digest.hexdigest(),
            ended,
            scene.township.starts + scene.county.starts,
            self._diary.acts,
        )

    def _unquiet(self, scene: Scene) -> str:
        waiting = len(self._book.waiting())
        backlog = Counter(
            {
                f"{node.id}: {sink}/{lane.name.lower()}": count
                for node in (scene.township, scene.county)
                if node.up
                for sink, lane, count, _, _ in _read(node, lambda r: r.backlog())
            }
        )
        return f"not quiet {_QUIET_WITHIN:g} s after everything was mended: {waiting} presses unanswered, waiting {dict(backlog)}"


def _act(tx: Transaction, node: Node, choice: float, action: str) -> None:
    alerts, _ = tx.alerts(AlertFilter(), None, 20)
    if not alerts:
        return
    chosen = alerts[int(choice * len(alerts))].alert
    if lifecycle.permitted(chosen, action) is None:
        tx.append(
            Draft(chosen.id, action, f"operator-{node.id}", node.clock.now(), data={"level": node.settings.node.level})
        )


def _read(node: Node, work: Any) -> Any:
    ledger = node.ledger
    assert ledger is not None
    return ledger._read(work)


def _newest_own(node: Node) -> int:
    assert node.connection is not None
    [(newest,)] = node.connection.execute("SELECT max(position) FROM entry WHERE node = ?", (node.id,))
    return newest or 0


def _alerts(node: Node) -> list[Told]:
    if not node.up:
        return []
    found: list[Told] = []

    def work(reader: Reader) -> None:
        cursor: str | None = None
        while True:
            page, cursor = reader.alerts(AlertFilter(), cursor, 500)
            found.extend(json.loads(rows.alert_body(stored.alert)) for stored in page)
            if cursor is None:
                return

    _read(node, work)
    return found


def _ledger_faults(node: Node) -> list[str]:
    """The audit chain is whole and nothing is parked."""
    if not node.up or node.connection is None:
        return [f"{node.id} does not run"]
    sentences = []
    broken = audit.verify(node.connection).broken
    if broken is not None:
        sentences.append(f"{node.id}: the chain is broken: {broken}")
    parked = sum(item[4] for item in _read(node, lambda r: r.backlog()))
    if parked:
        sentences.append(f"{node.id}: {parked} parcels are parked")
    return sentences
