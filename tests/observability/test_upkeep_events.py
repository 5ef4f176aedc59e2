"""An act whose line of the audit cannot be written is refused, and counted."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from gateway.errors import StoreFailed
from gateway.observability import metrics
from gateway.own_acts import OwnActs


class FullDisk:
    async def write(self, work: Callable[[Any], Any], *, urgent: bool = False) -> Any:
        raise StoreFailed("the disk is full")


class Still:
    def now(self) -> datetime:
        return datetime(2026, 5, 1, tzinfo=UTC)


async def test_a_line_that_cannot_be_written_is_counted_and_refused() -> None:
    before = metrics.REGISTRY.get_sample_value("gateway_audit_write_failures_total")
    assert before is not None
    with structlog.testing.capture_logs() as lines, pytest.raises(StoreFailed):
        await OwnActs(FullDisk(), Still()).note("move_camera", "cameras/1", None)  # type: ignore[arg-type]
    assert metrics.REGISTRY.get_sample_value("gateway_audit_write_failures_total") == before + 1
    assert [(line["log_level"], line["action"], line["reason"]) for line in lines] == [
        ("error", "move_camera", "the disk is full")
    ]
