"""Village, township and county on real ledgers: each acts, also while it is cut off, and in the end all agree.

A machine of Hypothesis plays at random: presses, acts at any level, exchanges up and down in any order, answers that get
lost, restarts, time that passes, clocks that stand in 1970. When the links are back, every alert is the same at every level,
no way up is called silent any more, and the hash chains hold.
"""

import asyncio
import itertools
import tempfile
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from gateway.alerts.causality import order
from gateway.alerts.escalation import default_ladder
from gateway.alerts.exchange import LedgerExchange
from gateway.alerts.lifecycle import fold, permitted
from gateway.alerts.upper import LedgerUpper
from gateway.codec import entry_digest
from gateway.ledger.audit import verify_file
from gateway.model import Entry, Lane, Level, Receipt, Workflow
from gateway.ports import Arrival

NODES = ("village", "town", "county")
LEVELS = (Level.VILLAGE, Level.TOWNSHIP, Level.COUNTY)
ACTS = ("acknowledge", "dispatch", "arrive", "close", "cancel", "reopen", "return", "escalate", "note", "assign")
SAID = {"disposition": "real", "assignee": "li", "to": "county", "callback": "no_answer"}
FAR = datetime(9000, 1, 1, tzinfo=UTC)
_ROUNDS = 40


class Levels(RuleBasedStateMachine):
    """``town_type``: the node of conftest.py."""

    town_type: type[Any]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = tempfile.TemporaryDirectory(prefix="levels-")
        self.boxes: list[Any] = []
        self.alerts: list[str] = []
        self.numbers = itertools.count(1)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @initialize(years=st.tuples(*[st.sampled_from([0, 0, -56, 30])] * 3))
    def build(self, years: tuple[int, ...]) -> None:
        for node, level, off in zip(NODES, LEVELS, years, strict=True):
            box = self.town_type(Path(self.directory.name) / f"{node}.db", node, level)
            box.uppers = () if level is Level.COUNTY else ("up",)
            box.rungs = default_ladder(level)
            box.clock.at += timedelta(days=365 * off)
            self.run(box.open())
            self.boxes.append(box)

    # ------------------------------------------------------------------------------------------------ what people do

    @rule(at=st.integers(0, 1), kind=st.sampled_from(["sos", "fire", "intrusion"]), seconds=st.integers(0, 30))
    def press(self, at: int, kind: Any, seconds: int) -> None:
        box = self.boxes[at]
        box.clock.turn(seconds)
        pressed = box.press(f"p{next(self.numbers)}", kind=type(box.press().kind)(kind))
        accepted = self.run(box.intake.emit(pressed))
        if accepted.alert_id not in self.alerts:
            self.alerts.append(accepted.alert_id)

    @precondition(lambda self: self.alerts)
    @rule(at=st.integers(0, 2), which=st.integers(0, 20), action=st.sampled_from(ACTS))
    def act(self, at: int, which: int, action: str) -> None:
        box, alert_id = self.boxes[at], self.alerts[which % len(self.alerts)]
        stored = self.run(box.ledger.read(lambda reader: reader.alert(alert_id)))
        if stored is not None and permitted(stored.alert, action) is None:
            self.run(box.act(alert_id, action, f"{NODES[at]}-man", **SAID, level=LEVELS[at].value))

    @precondition(lambda self: self.alerts)
    @rule(at=st.integers(0, 1))
    def withdraw(self, at: int) -> None:
        self.run(self.boxes[at].intake.withdraw("tv-1", None))

    # ------------------------------------------------------------------------------------------------ what links do

    @rule(at=st.integers(0, 1), answered=st.booleans(), at_once=st.integers(1, 8))
    def up(self, at: int, answered: bool, at_once: int) -> None:
        """Some of what waits goes up, newest alert first; the answer may be lost."""
        self.run(self.send_up(at, answered, at_once))

    @rule(at=st.integers(0, 1), at_once=st.integers(1, 8))
    def down(self, at: int, at_once: int) -> None:
        self.run(self.send_down(at, at_once))

    async def send_up(self, at: int, answered: bool, at_once: int) -> int:
        lower, upper = self.boxes[at], self.boxes[at + 1]
        waiting = [
            parcel
            for lane in Lane
            for parcel in await lower.ledger.read(lambda reader, lane=lane: reader.parcels("up", lane, 1000, FAR))
        ][:at_once]
        arrivals = [Arrival(parcel.content, entry_digest(parcel.content)) for parcel in waiting]
        answers = await self.exchange(at + 1).admit(NODES[at], arrivals)
        assert all(isinstance(answer, Receipt) for answer in answers), answers

        def settle(tx: Any) -> None:
            for parcel, receipt in zip(waiting, answers, strict=True):
                tx.delivered(parcel.id)
                lower.duties.settle(tx, parcel, receipt)

        if answered:
            await lower.ledger.write(settle)
        assert upper.ledger.fault() is None
        return len(waiting)

    async def send_down(self, at: int, at_once: int) -> int:
        lower, upper = self.boxes[at], self.boxes[at + 1]
        door, exchange = LedgerUpper(lower.ledger, "up"), self.exchange(at + 1)
        after = await door.bookmark()
        end, wanted = await upper.ledger.read(
            lambda reader: exchange._bite_for_below(reader, node=NODES[at], after=after, owners={})
        )
        for item in wanted[:at_once]:
            await door.take(item.position, item.entry)
        if len(wanted) <= at_once:
            await lower.ledger.write(lambda tx: tx.set_bookmark("downlink/up", str(end)))
        return len(wanted)

    def exchange(self, at: int) -> LedgerExchange:
        tokens = NODES[at - 1]
        box = self.boxes[at]
        return LedgerExchange(box.ledger, NODES[at], has_token=lambda node: node == tokens, now=box.clock.now)

    # ------------------------------------------------------------------------------------------------ what happens

    @rule(seconds=st.sampled_from([5, 15, 61, 130]))
    def time_passes(self, seconds: int) -> None:
        for box in self.boxes:
            box.clock.turn(seconds)
            self.run(run_timers(box))

    @rule(at=st.integers(0, 2))
    def restart(self, at: int) -> None:
        self.run(self.boxes[at].restart())

    @rule(at=st.integers(0, 2), years=st.sampled_from([-50, 10]))
    def restart_with_another_clock(self, at: int, years: int) -> None:
        self.boxes[at].clock.at += timedelta(days=365 * years)
        self.run(self.boxes[at].restart())

    # ------------------------------------------------------------------------------------------------ in the end

    def teardown(self) -> None:
        try:
            if self.boxes:
                self.run(self.links_return())
                self.run(self.compare())
                for box in self.boxes:
                    self.run(box.ledger.close())
                    assert verify_file(box.path).broken is None
        finally:
            for box in self.boxes:
                self.run(box.ledger.close())
            self.run(self.loop.shutdown_default_executor())
            self.loop.close()
            self.directory.cleanup()

    async def links_return(self) -> None:
        for _ in range(_ROUNDS):
            moved = 0
            for at in (0, 1):
                moved += await self.send_up(at, answered=True, at_once=1000)
                before = await LedgerUpper(self.boxes[at].ledger, "up").bookmark()
                await self.send_down(at, at_once=1000)
                moved += await LedgerUpper(self.boxes[at].ledger, "up").bookmark() != before
            if not moved:
                return
        raise AssertionError("the levels never come to rest: they answer each other without end")

    async def compare(self) -> None:
        for alert_id in self.alerts:
            held = [found for box in self.boxes if (found := await holding(box, alert_id)) is not None]
            entries = held[-1][1]
            assert len(held) >= 2 and all(also == entries for _, also in held)
            assert all(alert == held[0][0] for alert, _ in held)
            alert = held[0][0]
            assert alert == fold(reversed(entries))
            assert "undelivered" not in alert.detail
        for box in self.boxes:
            await self.owed_where_it_is_due(box)

    async def owed_where_it_is_due(self, box: Any) -> None:
        timers = await box.ledger.read(lambda reader: reader.due_timers(FAR, 1000))
        escalating = {timer.data["alert"] for timer in timers if timer.name == "escalate"}
        for alert_id in self.alerts:
            found = await holding(box, alert_id)
            if found is None or not box.rungs:
                continue
            alert, entries = found
            if alert.workflow is not Workflow.NEW:
                assert alert_id not in escalating
            elif not any(entry.action == "escalate" and entry.node == box.node_id for entry in entries):
                assert alert_id in escalating
        assert not [timer for timer in timers if timer.name == "r2"]


async def run_timers(box: Any) -> None:
    while await box.desk.run_due():
        pass


async def holding(box: Any, alert_id: str) -> tuple[Any, list[Entry]] | None:
    """The alert as this node shows it, and its entries in the order of cause."""
    stored = await box.ledger.read(lambda reader: reader.alert(alert_id))
    if stored is None:
        return None
    lines = await box.ledger.read(lambda reader: reader.entries(alert_id))
    return stored.alert, order(line.entry for line in lines)


def test_levels_that_were_apart_agree_when_the_links_are_back(town_type: Callable[..., Any]) -> None:
    machine = type("LevelsOfTowns", (Levels,), {"town_type": town_type})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
