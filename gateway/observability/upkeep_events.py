"""What happens to the node itself over the years: one function an event, as in ``events``."""

from collections.abc import Mapping
from datetime import datetime

from gateway.observability import metrics
from gateway.observability.logs import logger

_console = logger("console")
_upkeep = logger("upkeep")


def audit_failed(action: str, reason: str) -> None:
    """The act is refused with it: nothing happens unwritten."""
    metrics.audit_write_failures.inc()
    _console.error(
        "a line of the audit could not be written; what it stands for was refused", action=action, reason=reason
    )


def heartbeat_heard(stage: str, seconds: float, at: datetime, *, again: bool) -> None:
    """``again``: it had been missed before."""
    metrics.heartbeat_last_success.labels(stage).set(at.timestamp())
    metrics.heartbeat_duration.labels(stage).observe(seconds)
    (_upkeep.warning if again else _upkeep.debug)(
        "the drill press is heard again" if again else "the drill press was heard", stage=stage, seconds=seconds
    )


def heartbeat_missed(stage: str, reason: str, *, first: bool) -> None:
    metrics.heartbeat_misses.labels(stage).inc()
    (_upkeep.error if first else _upkeep.debug)(
        "a drill press did not come through: would a household's?", stage=stage, reason=reason
    )


def certificate_ends(name: str, path: str, at: datetime) -> None:
    _upkeep.warning(
        "a certificate ends soon; gateway pki rotate makes the next", name=name, path=path, ends_at=at.isoformat()
    )


def certificate_unreadable(name: str, reason: str) -> None:
    _upkeep.warning("a certificate cannot be read", name=name, reason=reason)


def outage_began(alert_id: str, cause: str, group: str, cameras: int, total: int) -> None:
    _upkeep.warning(
        "cameras were lost together", alert=alert_id, cause=cause, group=group or None, cameras=cameras, total=total
    )


def outage_grew(alert_id: str, cameras: int) -> None:
    _upkeep.info("more cameras were lost with them", alert=alert_id, cameras=cameras)


def outage_over(alert_id: str, cause: str, left: int) -> None:
    """``left``: those that are still away, each by itself from now on."""
    _upkeep.info("cameras are back", alert=alert_id, cause=cause, left=left)


def camera_lost(alert_id: str, camera_id: str, *, flapping: bool) -> None:
    what = "a camera comes and goes" if flapping else "a camera is away"
    _upkeep.warning(what, alert=alert_id, camera=camera_id)


def retention_deleted(kind: str, count: int, size: int) -> None:
    """One step of deletion; ``size``: bytes of files."""
    metrics.retention_deleted.labels(kind).inc(count)
    metrics.retention_freed.inc(size)


def retention_ran(run: str, gone: Mapping[str, int], size: int) -> None:
    _upkeep.info("what was over was deleted", run=run, deleted=dict(gone), bytes=size)


def retention_failed(reason: str) -> None:
    _upkeep.warning("deletion stopped half way; the next run goes on", reason=reason)


def room_short(reason: str, *, first: bool) -> None:
    metrics.retention_short.set(1)
    (_upkeep.error if first else _upkeep.debug)("the disk runs short and nothing more may be deleted", reason=reason)


def room_enough(*, again: bool) -> None:
    metrics.retention_short.set(0)
    if again:
        _upkeep.info("the disk has room again")
