"""Looking at what has long been dealt with: not without a reason, which the audit keeps."""

from datetime import timedelta
from typing import Annotated

from fastapi import Query

from gateway.console.problems import Problem
from gateway.console.services import Services
from gateway.model import ENDED
from gateway.ports import StoredAlert

_HISTORY_AFTER = timedelta(hours=24)

Why = Annotated[
    str | None,
    Query(max_length=500, description="why you look; needed for closed alerts of more than 24 h ago, and audited"),
]


def required_reason(house: Services, stored: StoredAlert, reason: str | None) -> str | None:
    """What the audit is told. Raises Problem 422 (``needs``: reason) where it has to be told something and is not."""
    said = (reason or "").strip()
    alert = stored.alert
    if not said and alert.workflow in ENDED and house.clock.now() - alert.raised_at > _HISTORY_AFTER:
        raise Problem(
            422,
            "query.reason: this alert is closed and more than a day old: say why you look at it; it is audited",
            needs="reason",
        )
    return said or None
