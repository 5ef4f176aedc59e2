"""Twenty times the alerts cost a press and a page of the list no more: pages and steps are counted, never seconds."""

from pathlib import Path
from typing import Any

import apsw
import pytest

from gateway.lab.bench.ledger import Cost, build, costs
from gateway.ledger import sqlite
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft

FEW, MANY = 1_000, 20_000
# These count what waits, which is not how many alerts there are; they run every five seconds, beside everything.
COUNTING = {"backlog"}


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("sizes")
    paths = {size: folder / f"{size}.db" for size in (FEW, MANY)}
    for size, path in paths.items():
        build(path, size)
    return paths


@pytest.fixture(scope="module")
def measured(ledgers: dict[int, Path]) -> dict[int, dict[str, Cost]]:
    return {size: costs(path, size) for size, path in ledgers.items()}


def test_a_press_and_every_look_take_as_many_steps_and_pages(measured: dict[int, dict[str, Cost]]) -> None:
    assert len(measured[FEW]) > 20
    for name, few in measured[FEW].items():
        if name in COUNTING:
            continue
        many = measured[MANY][name]
        assert many.scanned == few.scanned == 0, (name, few, many)
        assert many.sorted == few.sorted == 0, (name, few, many)
        assert many.steps <= few.steps * 1.1 + 50, (name, few, many)
        # one more level of each tree that is touched, and rows that lie less close together
        assert many.pages <= few.pages * 1.5 + 25, (name, few, many)


def test_what_is_counted_would_be_noticed(ledgers: dict[int, Path]) -> None:
    """The measure itself: a scan of all alerts is seen."""
    from gateway.lab.bench.ledger import _counted
    from gateway.ledger.connection import open_reader

    connection = open_reader(ledgers[MANY])
    with _counted(connection) as counted:
        connection.execute("SELECT count(*) FROM alert WHERE words LIKE '%x%'").fetchall()
    connection.close()
    assert counted().scanned >= MANY - 1
    assert counted().pages > 100


async def test_opening_reads_a_few_pages_whatever_there_is(
    ledgers: dict[int, Path], clock: Any, draft: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[apsw.Connection] = []

    def noted(path: Path) -> apsw.Connection:
        opened.append(open_writer(path))
        return opened[-1]

    open_writer = sqlite.open_writer
    monkeypatch.setattr(sqlite, "open_writer", noted)
    first_press: list[int] = []

    def work(tx: Any, made: Draft) -> None:
        tx.append(made)
        first_press.append(opened[-1].status(apsw.SQLITE_DBSTATUS_CACHE_MISS)[0])

    for path in ledgers.values():
        ledger = await SqliteLedger.open(path, "low", clock)
        at_start = opened[-1].status(apsw.SQLITE_DBSTATUS_CACHE_MISS)[0]
        assert at_start < 20
        made = draft()
        await ledger.write(lambda tx, made=made: work(tx, made))
        await ledger.close()
    assert first_press[1] <= first_press[0] * 1.5 + 15
