"""What is planned, in the node's own hours; what people made survives a restart."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alerts.rules import Scope
from gateway.alerts.spans import Span
from gateway.errors import NotAllowed, StoreFailed
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Camera, OnvifAddress, Place, PlannedWork, Scene, StreamAddress
from gateway.supervision.clock import SystemClock
from gateway.upkeep import maintenance as room
from gateway.upkeep.maintenance import MaintenanceBook, Window

SHANGHAI = ZoneInfo("Asia/Shanghai")
AT = datetime(2026, 5, 1, 15, 30, tzinfo=UTC)  # a Friday, half past eleven at night in Shanghai
STREET = Camera("street", "", Scene.STREET, Place(area_code="511724001"), StreamAddress(sub="rtsp://10.0.0.5/1"))
YARD = Camera("yard", "", Scene.VILLAGE, Place(area_code="511724002"), onvif=OnvifAddress("10.0.1.6"))
BARE = Camera("bare", "")


def work(**changes: Any) -> PlannedWork:
    made = PlannedWork(
        "w1", "换交换机", AT, AT + timedelta(hours=2), "li", AT, "端口坏", scenes=("street",), areas=("5117",)
    )
    return replace(made, **changes)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    opened = await SqliteLedger.open(tmp_path / "ledger.db", "town", SystemClock(), None)
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("window", "concerned"),
    [
        (Window("w", Scope(("s*",))), ["street"]),
        (Window("w", Scope(areas=("511724002",))), ["yard"]),
        (Window("w", Scope(scenes=(Scene.STREET,))), ["street", "bare"]),
        (Window("w", hosts=("10.0.0.*",)), ["street"]),
        (Window("w", hosts=("10.0.*", "nowhere")), ["street", "yard"]),
        (Window("w", Scope(areas=("5117",)), ("10.0.1.6",)), ["yard"]),
        (Window("w", Scope(("*",))), ["street", "yard", "bare"]),
    ],
)
def test_each_list_that_is_given_has_to_name_the_camera(window: Window, concerned: list[str]) -> None:
    assert [camera.id for camera in (STREET, YARD, BARE) if window.concerns(camera)] == concerned


def test_a_window_holds_from_its_beginning_to_before_its_end() -> None:
    window = Window.of(work())
    ends = AT + timedelta(hours=2)
    moments = (AT - timedelta(seconds=1), AT, ends - timedelta(seconds=1), ends)
    assert [window.holds(at, SHANGHAI) for at in moments] == [False, True, True, False]
    assert window.ends(AT, SHANGHAI) == ends


def test_hours_are_local_and_over_midnight() -> None:
    window = Window.of(work(until=AT + timedelta(days=30), start=22 * 60, end=6 * 60, days=(4,)))
    six = datetime(2026, 5, 1, 22, 0, tzinfo=UTC)  # six in the morning in Shanghai
    assert window.holds(AT, SHANGHAI)
    assert window.ends(AT, SHANGHAI) == six
    assert window.holds(six - timedelta(minutes=1), SHANGHAI)
    assert window.ends(six - timedelta(minutes=1), SHANGHAI) == six
    assert not window.holds(six, SHANGHAI)
    assert not window.holds(AT + timedelta(days=1), SHANGHAI)  # on Saturdays nothing is planned
    assert window.holds(AT + timedelta(days=7), SHANGHAI)
    whole = Window.of(work(until=AT + timedelta(days=30), days=(4,)))
    assert whole.ends(AT, SHANGHAI) == datetime(2026, 5, 1, 16, 0, tzinfo=UTC)


@given(st.integers(0, 1439), st.integers(0, 1439), st.frozensets(st.integers(0, 6), min_size=1), st.integers(0, 20_000))
def test_a_window_that_holds_is_over_when_it_says(start: int, end: int, days: frozenset[int], minutes: int) -> None:
    window = Window("w", span=Span(start, end, days))
    at = AT + timedelta(minutes=minutes)
    ends = window.ends(at, SHANGHAI)
    if not window.holds(at, SHANGHAI) or ends is None:
        return
    assert at < ends <= at + timedelta(days=1)
    assert window.holds(ends - timedelta(minutes=1), SHANGHAI)
    begins_again = start == 0 and end == 0
    assert begins_again or not window.holds(ends, SHANGHAI) or start == end


async def test_what_people_made_survives_a_restart(ledger: SqliteLedger) -> None:
    made = MaintenanceBook(ledger, (), SHANGHAI)
    assert made.covers(STREET, AT) is None
    await made.plan(work())
    again = MaintenanceBook(ledger, (), SHANGHAI)
    assert again.covers(STREET, AT) is None
    await again.load()
    for book in (made, again):
        assert book.covers(STREET, AT) == "换交换机: 端口坏"
        assert book.covers(YARD, AT) is None
        assert book.covers(STREET, AT + timedelta(hours=2)) is None
    assert again.made("w1") == work()


async def test_what_cannot_be_read_at_the_start_is_read_a_little_later(
    ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await MaintenanceBook(ledger, (), SHANGHAI).plan(work())
    read, refused = ledger.read, []

    async def slow(look: Any) -> Any:
        if len(refused) < 2:
            refused.append(look)
            raise StoreFailed("the ledger cannot be read: disk I/O error")
        return await read(look)

    monkeypatch.setattr(ledger, "read", slow)
    monkeypatch.setattr(room, "_LOAD_AGAIN_S", 0.01)
    book = MaintenanceBook(ledger, (), SHANGHAI)
    await book.remember(SystemClock())
    assert (len(refused), book.covers(STREET, AT)) == (2, "换交换机: 端口坏")


async def test_of_several_the_one_that_ends_last_speaks(ledger: SqliteLedger) -> None:
    nights = Window("夜间", span=Span(22 * 60, 6 * 60))
    book = MaintenanceBook(ledger, (nights,), SHANGHAI)
    assert book.covers(BARE, AT) == "夜间"
    await book.plan(work(until=AT + timedelta(hours=9)))
    assert book.covers(STREET, AT) == "换交换机: 端口坏"
    await book.change(work(until=AT + timedelta(hours=1)), "li", AT, "修好了")
    assert book.covers(STREET, AT) == "夜间"


async def test_an_ended_window_is_kept_and_one_that_never_began_is_not(ledger: SqliteLedger) -> None:
    book = MaintenanceBook(ledger, (), SHANGHAI)
    await book.plan(work())
    later = work(id="w2", since=AT + timedelta(hours=1))
    await book.plan(later)
    now = AT + timedelta(minutes=5)
    await book.end(later, "wang", now, "改期")
    await book.end(work(), "wang", now, "修好了")
    assert book.covers(STREET, now) is None
    assert [(each.work.id, each.until) for each in book.windows() if each.work] == [("w1", now)]
    with pytest.raises(NotAllowed):
        await book.end(work(until=now), "wang", now, "又")
    lines, _ = await ledger.read(lambda reader: reader.audit(None, 10))
    assert [(line.actor, line.action, line.object, line.reason) for line in lines] == [
        ("wang", "end_maintenance", "maintenance/w1", "修好了"),
        ("wang", "drop_maintenance", "maintenance/w2", "改期"),
        ("li", "plan_maintenance", "maintenance/w2", "端口坏"),
        ("li", "plan_maintenance", "maintenance/w1", "端口坏"),
    ]


async def test_too_many_are_refused_and_those_that_are_over_do_not_count(
    ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST", 2)
    book = MaintenanceBook(ledger, (), SHANGHAI)
    over = AT - timedelta(hours=1)
    await book.plan(work(id="old", since=over - timedelta(hours=1), until=over))
    await book.plan(work(id="a"))
    await book.plan(work(id="b"))
    with pytest.raises(NotAllowed):
        await book.plan(work(id="c"))
    assert book.made("c") is None


async def test_what_is_planned_again_under_its_key_has_the_first_answer(ledger: SqliteLedger) -> None:
    book = MaintenanceBook(ledger, (), SHANGHAI)
    assert await book.plan(work(id="a"), ("key", "first")) is None
    assert await book.plan(work(id="b"), ("key", "second")) == "first"
    assert [each.work.id for each in book.windows() if each.work] == ["a"]
    lines, _ = await ledger.read(lambda reader: reader.audit(None, 10))
    assert len(lines) == 1


async def test_what_ended_long_ago_is_forgotten(ledger: SqliteLedger) -> None:
    book = MaintenanceBook(ledger, (), SHANGHAI)
    await book.plan(work(id="old"))
    years = timedelta(days=800)
    await book.plan(work(id="new", since=AT + years, until=AT + years + timedelta(hours=1), at=AT + years))
    assert book.made("old") is None
    assert book.made("new") is not None
