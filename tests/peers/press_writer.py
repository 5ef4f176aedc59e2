"""A process that writes presses into a ledger as fast as it can and says which ones were acknowledged.

    python press_writer.py LEDGER SEED

One line to stdout for each alert whose write has returned, straight away. It ends only by being killed.
"""

import asyncio
import random
import sys
import time
from datetime import datetime
from pathlib import Path

from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft, Lane, ParcelDraft, PictureTask, Stage, utc_now, uuid7
from gateway.ports import AuditRecord, FeedEntry, PressRecord, StoredAlert, Transaction


class WallClock:
    def now(self) -> datetime:
        return utc_now()

    def mono(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def react(tx: Transaction, fed: FeedEntry, stored: StoredAlert | None, via: str | None) -> None:
    for sink in ("county", "hub"):
        tx.post(ParcelDraft(sink, Lane.ALARM, entry_id=fed.entry.id))


async def press(ledger: SqliteLedger, rng: random.Random) -> None:
    alert_id, now = uuid7(), utc_now()

    def work(tx: Transaction) -> None:
        tx.append(Draft(alert_id, "raised", "terminal/tv-1", now, None, {"base": {"title": "x" * rng.randrange(5000)}}))
        tx.remember_press(PressRecord("tv-1", alert_id, alert_id, Stage.RECEIVED, now, "tv"), alert_id)
        tx.ask_picture(PictureTask(alert_id, "s1", "c1", 0, now, 1.0, "boot"))
        tx.record(AuditRecord(now, "gateway", "raised", alert_id))
        if rng.random() < 0.1:
            raise LookupError("this one is taken back")

    try:
        await ledger.write(work)
    except LookupError:
        return
    sys.stdout.write(f"{alert_id}\n")
    sys.stdout.flush()


async def main(path: Path, seed: int) -> None:
    ledger = await SqliteLedger.open(path, "low", WallClock(), react)
    rng = random.Random(seed)

    async def writer() -> None:
        while True:
            await press(ledger, rng)

    await asyncio.gather(*(writer() for _ in range(rng.choice((1, 5, 40)))))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
