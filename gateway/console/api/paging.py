"""Lists: ``{"items": […], "next": …}`` with opaque cursors."""

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Annotated, Any, TypeVar

from fastapi import Query

from gateway.console.problems import Problem

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=500, description="how many items at most")]
Cursor = Annotated[str | None, Query(max_length=512, description="`next` of the page before")]


def page(items: Sequence[Any], following: str | None) -> dict[str, Any]:
    return {"items": list(items), "next": following}


def page_by_id(
    found: Sequence[T], id_of: Callable[[T], str], cursor: str | None, limit: int
) -> tuple[list[T], str | None]:
    """A page of a list held in memory, in the order of ids. Raises Problem 422 for a cursor not of this making."""
    after = after_cursor(cursor)
    rest = sorted((item for item in found if id_of(item) > after), key=id_of)
    shown = rest[:limit]
    return shown, _encoded(id_of(shown[-1])) if len(rest) > limit else None


def page_of_rows(rows: Iterable[T], id_of: Callable[[T], str], limit: int) -> tuple[list[T], str | None]:
    """A page of rows that come in the order of ids, from the one after the cursor on; no more of them are looked at."""
    shown = list(islice(rows, limit + 1))
    return shown[:limit], _encoded(id_of(shown[limit - 1])) if len(shown) > limit else None


def after_cursor(cursor: str | None) -> str:
    """The id that a page begins behind. Raises Problem 422 for a cursor not of this making."""
    return "" if cursor is None else _decoded(cursor)


def unknown_cursor() -> Problem:
    return Problem(422, "query.cursor: only the `next` of a page of this list is accepted")


def _encoded(id_: str) -> str:
    return base64.urlsafe_b64encode(id_.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> str:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise unknown_cursor() from None
