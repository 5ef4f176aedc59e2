"""Silence becomes one alert in a real ledger, is taken back, and survives restarts of the county."""

import asyncio
from typing import Any

import pytest

from gateway.alerts.policy import IntakePolicy
from gateway.alerts.silence import SilenceAlerts
from gateway.errors import StoreFailed
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Condition, Kind
from gateway.ports import AlertFilter, Report
from gateway.reporting.attendance import NodeState
from gateway.reporting.subtree import Subtree
from gateway.reporting.watch import Watch


class County:
    """A county's watch over a ledger that outlives it."""

    def __init__(self, ledger: SqliteLedger, clock: Any) -> None:
        self.ledger = ledger
        self.clock = clock
        self.nodes: list[str] | None = None
        self.start()

    def start(self) -> None:
        self.below = Subtree("county", self.clock, nodes=lambda: self.nodes)
        alarm = SilenceAlerts(self.ledger, IntakePolicy("county"), self.clock)
        self.watch = Watch(self.below, self.ledger, alarm, self.clock)

    def hear(self, node: str = "zhuyang", kind: str = "gateway.health.v1", **data: Any) -> None:
        self.below.take(Report("r", kind, node, "0" * 64, 1, data), node)

    async def wait(self, seconds: int, *heard: str) -> None:
        for _ in range(seconds):
            await self.clock.turn(1)
            for node in heard:
                self.hear(node)
            await self.watch.look()

    async def alerts(self) -> list[Any]:
        found, _ = await self.ledger.read(lambda reader: reader.alerts(AlertFilter(), None, 50))
        return [stored.alert for stored in found]


@pytest.fixture
async def county(tmp_path, clock):
    ledger = await SqliteLedger.open(tmp_path / "county.db", "county", clock, lambda *_: None)
    yield County(ledger, clock)
    await ledger.close()


async def test_a_silent_node_is_one_alert_within_twenty_seconds_and_is_taken_back(county):
    county.hear(kind="gateway.inventory.v1", name="竹阳", level="township", area_code="511724001")
    await county.wait(5, "zhuyang", "longmen")
    assert await county.alerts() == []
    await county.wait(20, "longmen")
    [alert] = await county.alerts()
    assert (alert.kind, alert.source.type, alert.source.id, alert.source.name) == (
        Kind.DEVICE_OFFLINE,
        "node",
        "zhuyang",
        "竹阳",
    )
    assert (alert.severity, alert.place.area_code, alert.condition) == (3, "511724001", Condition.ACTIVE)
    await county.wait(60, "longmen")
    assert len(await county.alerts()) == 1
    await county.wait(2, "zhuyang", "longmen")
    [alert] = await county.alerts()
    assert alert.condition is Condition.CLEARED
    await county.wait(20, "longmen")
    assert [each.condition for each in await county.alerts()] == [Condition.ACTIVE, Condition.CLEARED]


async def test_a_restart_of_the_county_neither_doubles_nor_forgets_an_alert(county):
    await county.wait(2, "zhuyang", "longmen")
    await county.wait(20, "longmen")
    county.start()
    await county.watch.restore()
    assert {view.card.id for view in county.below.views()} == {"zhuyang", "longmen"}
    assert county.below.state("longmen") is NodeState.UNKNOWN
    await county.wait(40, "longmen")
    [alert] = await county.alerts()
    assert alert.condition is Condition.ACTIVE
    county.start()
    await county.watch.restore()
    await county.wait(2, "zhuyang", "longmen")
    [alert] = await county.alerts()
    assert alert.condition is Condition.CLEARED


async def test_a_node_that_went_away_while_the_county_was_down_is_missed(county):
    await county.wait(2, "zhuyang")
    county.start()
    await county.watch.restore()
    await county.wait(20)
    [alert] = await county.alerts()
    assert alert.source.id == "zhuyang"


async def test_a_ledger_that_cannot_be_read_at_the_start_is_asked_again(county, monkeypatch):
    await county.wait(2, "zhuyang")
    county.start()
    read, refused = county.ledger.read, []

    async def slow(work: Any) -> Any:
        if len(refused) < 2:
            refused.append(work)
            raise StoreFailed("the ledger cannot be read: disk I/O error")
        return await read(work)

    monkeypatch.setattr(county.ledger, "read", slow)
    running = asyncio.create_task(county.watch.run())
    async with asyncio.timeout(60):
        while not county.below.views() and not running.done():
            await county.clock.turn(1)
    assert not running.done(), "the node ends with it"
    running.cancel()
    await asyncio.wait([running])
    await county.wait(20)
    [alert] = await county.alerts()
    assert alert.source.id == "zhuyang"


async def test_what_a_node_told_before_the_ledger_was_read_stays(county):
    await county.wait(2, "zhuyang", "longmen")
    county.start()
    county.hear(kind="gateway.inventory.v1", name="竹阳")
    await county.watch.restore()
    assert county.below.state("zhuyang") is NodeState.ONLINE
    assert county.below.view("zhuyang").card.name == "竹阳"
    assert county.below.state("longmen") is NodeState.UNKNOWN


async def test_a_stop_in_order_is_no_alert_unless_it_lasts(county):
    await county.wait(2, "zhuyang")
    county.hear(figures={"stopping": 1})
    await county.wait(280)
    assert await county.alerts() == []
    await county.wait(100)
    [alert] = await county.alerts()
    assert "five minutes" in alert.detail["reason"]
    county.start()
    await county.watch.restore()
    await county.wait(5)
    [alert] = await county.alerts()
    assert alert.condition is Condition.ACTIVE
    await county.wait(2, "zhuyang")
    [alert] = await county.alerts()
    assert alert.condition is Condition.CLEARED


async def test_nodes_never_heard_or_behind_others_are_no_alert_here(county):
    county.nodes = ["zhuyang", "longmen"]
    county.below.heard("longmen")
    county.below.take(Report("r", "gateway.inventory.v1", "village", "0" * 64, 1, {"node_state": "silent"}), "longmen")
    await county.wait(60)
    assert await county.alerts() == []


async def test_a_node_whose_token_was_revoked_is_let_go(county):
    county.nodes = ["zhuyang"]
    await county.wait(2, "zhuyang")
    await county.wait(20)
    county.nodes = []
    await county.wait(2)
    [alert] = await county.alerts()
    assert alert.condition is Condition.CLEARED
    assert county.below.views() == []
    county.start()
    await county.watch.restore()
    assert county.below.views() == []


async def test_accounts_that_cannot_be_read_let_nobody_go(county):
    county.nodes = ["zhuyang"]
    await county.wait(2, "zhuyang")
    county.nodes = None
    await county.wait(2, "zhuyang")
    assert [view.card.id for view in county.below.views()] == ["zhuyang"]


@pytest.mark.parametrize("written", ["{}", "[1, {}]", '[{"node": "a", "via": "a", "state": "from a newer version"}]'])
async def test_what_another_version_wrote_down_keeps_nobody_from_starting(county, written):
    await county.ledger.write(lambda tx: tx.set_bookmark("reporting/nodes", written))
    await county.watch.restore()
    await county.wait(2, "zhuyang")
    assert county.below.state("zhuyang") is NodeState.ONLINE
