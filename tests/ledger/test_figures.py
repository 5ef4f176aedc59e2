"""Figures in the ledger: added to and never doubled, found over indexes, forgotten in small steps."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.ledger.connection import open_reader
from gateway.ledger.reader import SqliteReader
from gateway.ports import AlertFigure, Outage, Tally, TerminalTest, WatchedCamera

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def camera(id_: str, **more: Any) -> WatchedCamera:
    fields = {"name": id_, "area": "5117", "scene": "street", "vendor": "v", "first_at": AT, "last_at": AT, **more}
    return WatchedCamera(id_, **fields)


async def test_tallies_are_added_up_and_the_longest_stands(ledger) -> None:
    await ledger.write(lambda tx: tx.keep_cameras([camera("c1"), camera("c2")]))
    await ledger.write(lambda tx: tx.add_tallies(20260301, {"c1": Tally(10, 9, 1, 5, 2, 1, 1, 5)}))
    await ledger.write(lambda tx: tx.add_tallies(20260301, {"c1": Tally(10, 9, 0, 3, 0, 0, 1, 3), "gone": Tally(1)}))
    await ledger.write(lambda tx: tx.add_tallies(20260302, {"c1": Tally(1), "c2": Tally(2)}))
    sums = await ledger.read(lambda reader: reader.camera_tallies(20260301, 20260302))
    assert sums == {"c1": Tally(21, 18, 1, 8, 2, 1, 2, 5), "c2": Tally(2)}
    assert await ledger.read(lambda reader: reader.camera_tallies(20260302, 20260302)) == {
        "c1": Tally(1),
        "c2": Tally(2),
    }
    days = await ledger.read(lambda reader: reader.camera_days("c1", 20260201, 20260331))
    assert days == {20260301: Tally(20, 18, 1, 8, 2, 1, 2, 5), 20260302: Tally(1)}


async def test_a_camera_is_as_it_was_told_last_and_as_old_as_it_was_first(ledger) -> None:
    await ledger.write(lambda tx: tx.keep_cameras([camera("c1")]))
    later = camera("c1", name="新", area="5118", vendor="", first_at=AT + HOUR, last_at=AT + HOUR)
    await ledger.write(lambda tx: tx.keep_cameras([later]))
    [found] = await ledger.read(lambda reader: reader.watched_cameras())
    assert found == camera("c1", name="新", area="5118", last_at=AT + HOUR)


async def test_an_outage_is_one_however_often_it_is_told(ledger) -> None:
    await ledger.write(lambda tx: tx.keep_cameras([camera("c1")]))
    for minutes in (1, 2):
        going_on = Outage("c1", AT, None, minutes * 60_000, 0, "no answer")
        await ledger.write(lambda tx, going_on=going_on: tx.keep_outages([going_on]))
    assert await ledger.read(lambda reader: reader.open_outages()) == [going_on]
    ended = Outage("c1", AT, AT + HOUR, 3_600_000, 0, "no answer")
    await ledger.write(lambda tx: tx.keep_outages([ended]))
    assert await ledger.read(lambda reader: reader.open_outages()) == []
    found = await ledger.read(lambda reader: reader.outages(AT, AT + HOUR, None, 10))
    assert [outage for _, outage in found] == [ended]


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
async def test_outages_of_a_span_come_once_each_newest_first(ledger, limit) -> None:
    every = [
        Outage("c1", AT - 30 * HOUR, None, 1, 0),  # goes on
        Outage("c1", AT - 20 * HOUR, AT - 19 * HOUR, 1, 0),  # over before
        Outage("c2", AT - 10 * HOUR, AT + HOUR, 1, 0),  # reaches into it
        Outage("c3", AT - 10 * HOUR, AT + HOUR, 1, 0),
        Outage("c1", AT + HOUR, AT + 2 * HOUR, 1, 0),
        Outage("c2", AT + HOUR, AT + 2 * HOUR, 1, 0),
        Outage("c3", AT + 48 * HOUR, None, 1, 0),  # begins after
    ]
    await ledger.write(lambda tx: (tx.keep_cameras([camera(f"c{n}") for n in (1, 2, 3)]), tx.keep_outages(every)))
    found: list[Outage] = []
    mark = None
    while True:
        page = await ledger.read(lambda reader: reader.outages(AT, AT + 24 * HOUR, mark, limit))  # noqa: B023
        found += [outage for _, outage in page]
        if len(page) < limit:
            break
        mark = page[-1][0]
    assert found == [every[5], every[4], every[3], every[2], every[0]]


async def test_alerts_figures_come_in_pages(ledger) -> None:
    figures = [
        AlertFigure(n, AT + timedelta(minutes=n // 2), "low", None, "sos", 1, False, None, {"close": 1.5}, {})
        for n in range(1, 8)
    ]
    await ledger.write(lambda tx: tx.keep_alert_figures(figures))
    await ledger.write(lambda tx: tx.keep_alert_figures(figures[:3]))
    found, mark = [], None
    while True:
        page, mark = await ledger.read(lambda reader: reader.alert_figures(AT, AT + HOUR, mark, 2))  # noqa: B023
        found += page
        if mark is None:
            break
    assert found == figures


async def test_what_is_old_is_forgotten_in_steps(ledger) -> None:
    def write(tx: Any) -> None:
        tx.keep_cameras([camera(f"c{n}") for n in range(5)])
        for day in (20251231, 20260301):
            tx.add_tallies(day, {f"c{n}": Tally(1) for n in range(5)})
        tx.keep_outages([Outage("c1", AT - 99 * HOUR, AT - 98 * HOUR, 1, 0), Outage("c2", AT - 99 * HOUR, None, 1, 0)])
        old, new = (AlertFigure(n, AT - n * HOUR, "low", None, "sos", 1, True, None, {}, {}) for n in (99, 1))
        tx.keep_alert_figures([old, new])
        tx.keep_terminal_tests(20254, [TerminalTest("tv-1", None, None)], ())
        tx.keep_terminal_tests(20261, [TerminalTest("tv-1", None, None)], ())

    await ledger.write(write)
    gone = []
    while not gone or gone[-1]:
        gone.append(await ledger.write(lambda tx: tx.forget_figures(20260101, AT - 50 * HOUR, 3)))
    assert gone == [3 + 1 + 1 + 1, 2, 0]
    assert len(await ledger.read(lambda reader: reader.camera_tallies(20250101, 20261231))) == 5
    assert await ledger.read(lambda reader: reader.camera_tallies(20250101, 20251231)) == {}
    assert [each.camera_id for each in await ledger.read(lambda reader: reader.open_outages())] == ["c2"]
    figures, _ = await ledger.read(lambda reader: reader.alert_figures(AT - 200 * HOUR, AT, None, 9))
    assert [figure.first for figure in figures] == [1]
    assert await ledger.read(lambda reader: reader.terminal_tests(20254)) == []
    assert len(await ledger.read(lambda reader: reader.terminal_tests(20261))) == 1


LOOKS = {
    "tallies": lambda reader: reader.camera_tallies(20260301, 20260331),
    "days of a camera": lambda reader: reader.camera_days("c1", 20260301, 20260331),
    "open outages": lambda reader: reader.open_outages(),
    "outages": lambda reader: reader.outages(AT, AT + HOUR, None, 5),
    "further outages": lambda reader: reader.outages(AT, AT + HOUR, (1, "c"), 5),
    "alerts touched": lambda reader: reader.alerts_touched(1, 5),
    "alerts": lambda reader: reader.alert_figures(AT, AT + HOUR, (1, 1), 5),
    "terminals": lambda reader: reader.terminal_tests(20261),
}


SORTED = {"tallies", "outages", "further outages"}
"""What lies in the span is sorted, however much stands in the ledger."""


@pytest.mark.parametrize("name", LOOKS)
async def test_every_look_walks_an_index(ledger, clock, tmp_path: Path, name) -> None:
    await ledger.write(lambda tx: tx.keep_cameras([camera("c1")]))
    await ledger.write(lambda tx: tx.add_tallies(20260301, {"c1": Tally(1)}))
    connection = open_reader(tmp_path / "ledger.db")
    asked: list[tuple[str, Any]] = []

    def note(_: Any, query: str, values: Any) -> bool:
        asked.append((query, values))
        return True

    connection.exec_trace = note
    LOOKS[name](SqliteReader(connection, clock))
    connection.exec_trace = None
    assert asked
    for query, values in asked:
        for *_, line in connection.execute(f"EXPLAIN QUERY PLAN {query}", values):
            sums = name == "tallies" and line in ("CO-ROUTINE s", "SCAN s")  # one line for each camera
            sorts = name in SORTED and line.startswith("USE TEMP B-TREE")
            assert line.startswith("SEARCH") or sums or sorts, (query, line)
    connection.close()


async def test_a_camera_is_forgotten_when_nothing_of_it_is_left(ledger) -> None:
    def write(tx: Any) -> None:
        old = AT - 400 * 24 * HOUR
        tx.keep_cameras([camera(id_, first_at=old, last_at=old) for id_ in ("gone", "day", "outage")])
        tx.keep_cameras([camera("here", first_at=old)])
        tx.add_tallies(20250125, {"gone": Tally(1)})
        tx.add_tallies(20260301, {"day": Tally(1)})
        tx.keep_outages([Outage("outage", old, None, 1, 0)])

    await ledger.write(write)
    gone = []
    while not gone or gone[-1]:
        gone.append(await ledger.write(lambda tx: tx.forget_figures(20260301, AT, 3)))
    assert gone == [1, 1, 0]
    left = await ledger.read(lambda reader: reader.watched_cameras())
    assert [each.id for each in left] == ["day", "here", "outage"]
