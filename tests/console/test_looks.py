"""What is one look, and so one line of the audit."""

import asyncio

import pytest

from gateway.console.looks import Looks
from gateway.errors import StoreFailed


class Book:
    """Counts the lines that were written; ``fault`` is raised instead."""

    def __init__(self) -> None:
        self.looks = Looks()
        self.lines = 0
        self.fault: Exception | None = None

    async def look(self, now: float, login: str = "wang/1", camera: str = "cam-1", reason: str = "alert a1") -> None:
        await self.looks.note(login, camera, reason, now, self._write)

    async def _write(self) -> None:
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        self.lines += 1


@pytest.fixture
def book() -> Book:
    return Book()


async def test_pictures_that_follow_each_other_are_one_look(book: Book) -> None:
    for now in (0.0, 1.0, 11.0, 21.0):
        await book.look(now)
    assert book.lines == 1
    await book.look(31.1)
    assert book.lines == 2


async def test_requests_at_the_same_time_are_one_look(book: Book) -> None:
    await asyncio.gather(*(book.look(0.0) for _ in range(5)))
    assert book.lines == 1


async def test_another_login_camera_or_reason_is_another_look(book: Book) -> None:
    await book.look(0.0)
    await book.look(0.0, login="wang/2")
    await book.look(0.0, camera="cam-2")
    await book.look(0.0, reason="patrol")
    assert book.lines == 4


async def test_a_look_that_goes_on_is_written_again_after_ten_minutes(book: Book) -> None:
    for second in range(0, 1205, 5):
        await book.look(float(second))
    assert book.lines == 2


async def test_what_cannot_be_written_is_raised_and_tried_again_with_the_next(book: Book) -> None:
    book.fault = StoreFailed("the disk is full")
    with pytest.raises(StoreFailed, match="the disk is full"):
        await book.look(0.0)
    book.fault = None
    await book.look(1.0)
    assert book.lines == 1


async def test_who_goes_away_takes_the_line_from_nobody(book: Book) -> None:
    first = asyncio.create_task(book.look(0.0))
    second = asyncio.create_task(book.look(0.0))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert book.lines == 1


async def test_logins_without_end_are_not_kept(book: Book) -> None:
    for number in range(1100):
        await book.look(0.0, login=f"user/{number}")
    assert len(book.looks._looks) == 1000
