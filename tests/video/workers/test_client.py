"""The client without a worker: what it raises when there is nobody to ask."""

from pathlib import Path

import pytest

from gateway.errors import Unreachable
from gateway.video.workers.client import WorkerClient


async def test_nobody_listens(tmp_path: Path) -> None:
    async with WorkerClient(tmp_path / "w.sock") as client:
        with pytest.raises(Unreachable, match="does not answer"):
            await client.keyframes("c1")


async def test_a_connection_that_was_given_up_is_no_fault_of_ours(tmp_path: Path) -> None:
    """Whoever still holds the client asks it while its worker is being buried."""
    async with WorkerClient(tmp_path / "w.sock") as client:
        pass
    for question in (client.keyframes("c1"), client.footage("c1", 0.0, 1.0), client.hold("c1", 0.0, 1.0)):
        with pytest.raises(Unreachable, match="given up"):
            await question
