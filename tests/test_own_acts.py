"""What the gateway did by itself stands in the audit, once."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.ledger.sqlite import SqliteLedger
from gateway.model import DeviceRemark
from gateway.own_acts import OwnActs
from gateway.supervision.clock import SystemClock

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    made = await SqliteLedger.open(tmp_path / "ledger.db", "zhuyang", SystemClock())
    yield made
    await made.close()


async def lines(ledger: SqliteLedger) -> list[tuple[str, str, str, str | None, object]]:
    """Oldest first."""
    found, _ = await ledger.read(lambda reader: reader.audit(None, 100))
    return [(each.actor, each.action, each.object, each.reason, dict(each.detail)) for each in reversed(found)]


async def test_what_is_done_is_written_before(ledger: SqliteLedger) -> None:
    own = OwnActs(ledger, SystemClock())
    await own.note("move_camera", "cameras/cam-1", "10.0.0.8")
    await own.note("look_for_cameras", "cameras", None)
    assert await lines(ledger) == [
        ("gateway", "move_camera", "cameras/cam-1", None, {"detail": "10.0.0.8"}),
        ("gateway", "look_for_cameras", "cameras", None, {}),
    ]


async def test_a_remark_that_is_told_again_is_one_line(ledger: SqliteLedger) -> None:
    own = OwnActs(ledger, SystemClock())
    clock = DeviceRemark("r1", "cam-1", AT, "its clock was set")
    await own.remark([clock])
    await own.remark([clock, DeviceRemark("r2", "cam-2", AT, "it was asked for a keyframe")])
    assert await lines(ledger) == [
        ("gateway", "set_camera", "cameras/cam-1", "its clock was set", {}),
        ("gateway", "set_camera", "cameras/cam-2", "it was asked for a keyframe", {}),
    ]
