"""Times as callers give them: RFC 3339 with an offset, and within what can be reckoned with."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_EARLIEST = datetime.min.replace(tzinfo=UTC) + timedelta(days=1000)
_LATEST = datetime.max.replace(tzinfo=UTC) - timedelta(days=1000)
_PLUS_LOST = re.compile(r"(:[0-9.]+) ([0-9]{2}:[0-9]{2})$")


def with_plus(given: object) -> object:
    """A plus sign of a query that was not percent-encoded (``…T08:00:00+08:00``) arrives as a blank."""
    return _PLUS_LOST.sub(r"\1+\2", given) if isinstance(given, str) else given


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
Asked = Annotated[datetime, BeforeValidator(with_plus)]
"""A time in a query; ``alerts.aware`` judges it."""
AskedMoment = Annotated[Moment, BeforeValidator(with_plus)]
