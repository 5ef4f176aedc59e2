"""One function an operational event: it logs and counts, so that neither is forgotten.

First failure WARNING, repeats DEBUG, recovery once: callers pass ``first`` where an event can repeat.
"""

from gateway.model import Lane, SourceRef
from gateway.observability import metrics
from gateway.observability.logs import logger

_alerts = logger("alerts")
_console = logger("console")
_delivery = logger("delivery")
_ledger = logger("ledger")
_supervision = logger("supervision")


def alert_raised(alert_id: str, kind: str, severity: int, status: str, source: SourceRef) -> None:
    metrics.alerts_received.labels(kind, str(severity)).inc()
    _alerts.info(
        "alert raised",
        alert=alert_id,
        kind=kind,
        severity=severity,
        source=source.id,
        known=source.known,
        status=status,
    )


def press_joined(alert_id: str, count: int, source_id: str, press_id: str) -> None:
    _alerts.info("press joined its open alert", alert=alert_id, count=count, source=source_id, press=press_id)


def press_repeated(alert_id: str, kind: str, source_id: str, press_id: str) -> None:
    metrics.alerts_deduplicated.labels(kind).inc()
    _alerts.debug("the same press again", alert=alert_id, source=source_id, press=press_id)


def signal_rejected(reason: str, source_id: str, **fields: object) -> None:
    metrics.signals_rejected.labels(reason).inc()
    _alerts.warning("not a signal", reason=reason, source=source_id, **fields)


def source_broken(source_id: str, reason: str, retry_in: float, *, first: bool) -> None:
    (_supervision.warning if first else _supervision.debug)(
        "source is broken; trying again", source=source_id, reason=reason, retry_in=round(retry_in, 2)
    )


def source_online(source_id: str) -> None:
    _supervision.info("source is online", source=source_id)


def parcel_delivered(sink: str) -> None:
    metrics.forward_attempts.labels(sink, "delivered").inc()


def sink_unavailable(sink: str, lane: Lane, reason: str, retry_in: float, *, first: bool) -> None:
    metrics.forward_attempts.labels(sink, "later").inc()
    (_delivery.warning if first else _delivery.debug)(
        "sink cannot take it now; trying again",
        sink=sink,
        lane=lane.name.lower(),
        reason=reason,
        retry_in=round(retry_in, 2),
    )


def sink_recovered(sink: str, lane: Lane) -> None:
    _delivery.info("sink takes parcels again", sink=sink, lane=lane.name.lower())


def parcel_parked(sink: str, lane: Lane, reason: str) -> None:
    metrics.forward_attempts.labels(sink, "refused").inc()
    _delivery.error("the receiver refused a parcel; it is parked", sink=sink, lane=lane.name.lower(), reason=reason)


def ledger_failed(reason: str) -> None:
    metrics.ledger_failed.set(1)
    _ledger.critical(
        "the ledger could not commit; no press is acknowledged until the gateway is restarted on a working disk",
        reason=reason,
    )


def login_refused(reason: str) -> None:
    """``reason``: password | locked."""
    metrics.auth_failures.labels(reason).inc()
    _console.info("a login was refused", reason=reason)


def caller_refused(reason: str) -> None:
    """``reason``: token | session | none | cross_site."""
    metrics.auth_failures.labels(reason).inc()
    _console.debug("a request was refused", reason=reason)


def session_not_touched(reason: str) -> None:
    _console.warning("the use of a login could not be noted; it may end early", reason=reason)


def stream_cut(reason: str) -> None:
    metrics.event_streams_cut.inc()
    _console.info("an event stream was ended; its client may resume it", reason=reason)


def camera_broken(camera_id: str, reason: str, retry_in: float, *, first: bool) -> None:
    (_supervision.warning if first else _supervision.debug)(
        "camera is broken; trying again", camera=camera_id, reason=reason, retry_in=round(retry_in, 2)
    )


def camera_refused(camera_id: str, reason: str) -> None:
    _supervision.error(
        "camera refused the credential; not tried again until it changes", camera=camera_id, reason=reason
    )


def camera_online(camera_id: str) -> None:
    _supervision.info("camera is online", camera=camera_id)


def source_refused(source_id: str, reason: str) -> None:
    _supervision.error("source refused the credential", source=source_id, reason=reason)


def worker_broken(worker: str, reason: str, retry_in: float, *, first: bool) -> None:
    (_supervision.warning if first else _supervision.debug)(
        "video worker is broken; trying again", worker=worker, reason=reason, retry_in=round(retry_in, 2)
    )


def worker_started(worker: str, pid: int, *, again: bool) -> None:
    if again:
        metrics.worker_restarts.inc()
    _supervision.info("video worker started", worker=worker, pid=pid)


def worker_adopted(worker: str, pid: int) -> None:
    _supervision.info("found the running video worker, its ring full", worker=worker, pid=pid)


def stream_source_failed(reason: str) -> None:
    _console.error("the event stream cannot follow what changes; open streams end and resume", reason=reason)


def ledger_full(reason: str, *, first: bool) -> None:
    """A group could not be written, but the next may be: a full disk, or another program's lock."""
    metrics.ledger_failed.set(1)
    (_ledger.critical if first else _ledger.debug)(
        "the ledger cannot write now; presses are not acknowledged until it can", reason=reason
    )


def ledger_recovered() -> None:
    metrics.ledger_failed.set(0)
    _ledger.warning("the ledger writes again")
