"""Times as callers give them: RFC 3339 with an offset, and within what can be reckoned with."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

_EARLIEST = datetime.min.replace(tzinfo=UTC) + timedelta(days=1000)
_LATEST = datetime.max.replace(tzinfo=UTC) - timedelta(days=1000)


def in_reach(at: datetime) -> datetime:
    """``at`` in UTC. Raises ValueError where sums of days would leave the years 1 to 9999."""
    try:
        found = at.astimezone(UTC)
    except OverflowError:
        found = _LATEST + timedelta(days=1)
    if not _EARLIEST <= found <= _LATEST:
        raise ValueError(f"a time between the years {_EARLIEST.year} and {_LATEST.year} is accepted")
    return found


Moment = Annotated[AwareDatetime, AfterValidator(in_reach)]
