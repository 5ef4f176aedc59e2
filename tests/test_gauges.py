"""Figures that are looked up now and then, from a ledger on disk."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway import gauges
from gateway.alerts.register import Register
from gateway.errors import StoreFailed
from gateway.gauges import Gauges
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Terminal
from gateway.observability import metrics
from gateway.supervision.clock import SystemClock


def _unknown_terminals() -> float | None:
    return metrics.REGISTRY.get_sample_value("gateway_terminals", {"state": "unknown"})


async def test_a_look_that_fails_leaves_the_gauges_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "town", SystemClock())
    read, refused = ledger.read, []

    async def slow(work: Any) -> Any:
        if len(refused) < 2:
            refused.append(work)
            raise StoreFailed("a look into the ledger took longer than 30 s and was ended")
        return await read(work)

    monkeypatch.setattr(ledger, "read", slow)
    monkeypatch.setattr(gauges, "_EVERY_S", 0.01)
    metrics.terminals.labels("unknown").set(0)
    running = asyncio.create_task(Gauges(ledger, Register([], [Terminal("tv-1"), Terminal("tv-2")])).run())
    async with asyncio.timeout(60):
        while _unknown_terminals() != 2 and not running.done():
            await asyncio.sleep(0.01)
    assert not running.done(), "the node ends with it"
    running.cancel()
    await asyncio.wait([running])
    await ledger.close()
