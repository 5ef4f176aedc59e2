"""A ledger of each former schema, with content, opened by this program."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from gateway.ledger.audit import verify_file
from gateway.ledger.connection import open_writer
from gateway.ledger.migrate import migrate, schema_steps
from gateway.ledger.sqlite import SqliteLedger
from gateway.ledger.transaction import SqliteTransaction
from gateway.model import ClipTask, Draft, Lane, PictureState, PictureTask

Drafts = Callable[..., Draft]
Opener = Callable[..., Awaitable[SqliteLedger]]


def write_former(path: Path, draft: Drafts, clock: Any) -> None:
    """What a program that knew only 0001.sql has left: an alert, its parcel, its picture task."""
    connection = open_writer(path)
    migrate(connection, {1: schema_steps()[1]})
    connection.execute("BEGIN IMMEDIATE")
    tx = SqliteTransaction(connection, "low", clock, None)
    entry = tx.append(draft("a1"))
    position = tx._value("SELECT position FROM entry WHERE id = ?", entry.id)
    parcel = "INSERT INTO parcel (sink, lane, rank, entry, created_at, due) VALUES ('county', 0, 1, ?, 0, 0)"
    tx._rows(parcel, position)
    tx.ask_picture(PictureTask("a1", "s1", "c1", 0, clock.at, 1.0, "boot"))
    body = tx._value("SELECT body FROM fold")
    assert '"clip":null' in body
    tx._rows("UPDATE fold SET body = ?", body.replace(',"clip":null', ""))
    connection.execute("COMMIT")
    connection.close()


async def test_a_ledger_of_the_first_schema_keeps_everything_and_learns_clips(
    open_ledger: Opener, draft: Drafts, clock: Any, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.db"
    write_former(path, draft, clock)
    ledger = await open_ledger()
    stored = await ledger.read(lambda reader: reader.alert("a1"))
    assert stored is not None
    assert stored.alert.cameras[0].clip is None
    assert [task.snapshot_id for task in await ledger.read(lambda reader: reader.picture_tasks(9))] == ["s1"]
    assert len(await ledger.read(lambda reader: reader.parcels("county", Lane.ALARM, 9, clock.at))) == 1

    task = ClipTask("a1", "k1", "c1", -30_000, 30_000, clock.at, 1.0, "boot")
    data = {"camera": "c1", "clip": "k1", "state": "failed", "reason": "nothing was kept"}

    def work(tx: Any) -> None:
        tx.ask_clip(task)
        tx.append(draft("a1", "clip", **data))

    await ledger.write(work)
    assert await ledger.read(lambda reader: reader.clip_tasks(9)) == [task]
    stored = await ledger.read(lambda reader: reader.alert("a1"))
    assert stored is not None
    (camera,) = stored.alert.cameras
    assert camera.clip is not None
    assert (camera.clip.state, camera.clip.reason) == (PictureState.FAILED, "nothing was kept")
    await ledger.close()
    assert verify_file(path).broken is None
