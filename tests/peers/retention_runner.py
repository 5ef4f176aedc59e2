"""A process that deletes what is over in a ledger and its media, run after run, as a node does at night.

    python retention_runner.py DATA

One line to stdout, ``ready``, when the first run begins, and ``done`` once there was one with nothing left to delete.
"""

import asyncio
import sys
import time
from datetime import datetime
from pathlib import Path

from gateway.config.sections.upkeep import RetentionSettings
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import utc_now
from gateway.upkeep.retention import RetentionDesk
from gateway.video.media import FileMediaStore


class WallClock:
    """That does not wait between two steps."""

    def now(self) -> datetime:
        return utc_now()

    def mono(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


async def main(data: Path) -> None:
    clock = WallClock()
    ledger = await SqliteLedger.open(data / "ledger.db", "low", clock)
    media = FileMediaStore(data / "media")
    desk = RetentionDesk(ledger, media, RetentionSettings(), clock, uppers=["county"])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    run = await desk.sweep()
    while run.gone and run.fault is None:
        run = await desk.sweep()
    sys.stdout.write("done\n" if run.fault is None else f"{run.fault}\n")
    await media.close()
    await ledger.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
