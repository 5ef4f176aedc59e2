"""One function an operational event: it logs and counts, so that neither is forgotten.

First failure WARNING, repeats DEBUG, recovery once: callers pass ``first`` where an event can repeat.
"""

from collections.abc import Sequence

from gateway.model import Lane, Level, SourceRef
from gateway.observability import metrics
from gateway.observability.logs import logger

_alerts = logger("alerts")
_console = logger("console")
_delivery = logger("delivery")
_ledger = logger("ledger")
_supervision = logger("supervision")
_TOLD_ONE_BY_ONE, _THEN_EACH = 20, 100


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
    # A stuck button joins a thousand times a minute; its line must not cost what the press itself costs.
    log = _alerts.info if count <= _TOLD_ONE_BY_ONE or count % _THEN_EACH == 0 else _alerts.debug
    log("press joined its open alert", alert=alert_id, count=count, source=source_id, press=press_id)


def press_repeated(alert_id: str, kind: str, source_id: str, press_id: str) -> None:
    metrics.alerts_deduplicated.labels(kind).inc()
    _alerts.debug("the same press again", alert=alert_id, source=source_id, press=press_id)


def signal_rejected(reason: str, source_id: str, **fields: object) -> None:
    metrics.signals_rejected.labels(reason).inc()
    _alerts.warning("not a signal", reason=reason, source=source_id, **fields)


def terminal_back(alert_id: str, source_id: str) -> None:
    _alerts.info("what was offline is back", alert=alert_id, source=source_id)


def notice_unheard(kind: str, terminal: str) -> None:
    metrics.mqtt_notices_unheard.labels(kind).inc()
    _alerts.info("nobody listened to a notice", kind=kind, terminal=terminal)


def camera_signal(camera_id: str, kind: str, verdict: str) -> None:
    """A camera told of something. ``verdict``: what becomes of it (alerts.rules.Verdict, or another word)."""
    metrics.onvif_events.labels(kind).inc()
    metrics.camera_signals.labels(kind, verdict).inc()
    _alerts.debug("a camera's signal", camera=camera_id, kind=kind, verdict=verdict)


def signal_repeated(kind: str, camera_id: str) -> None:
    metrics.alerts_deduplicated.labels(kind).inc()
    _alerts.debug("the same signal again", camera=camera_id, kind=kind)


def signal_joined(alert_id: str, count: int, camera_id: str) -> None:
    _alerts.info("signal joined its open alert", alert=alert_id, count=count, camera=camera_id)


def signal_cleared(alert_id: str, kind: str, camera_id: str) -> None:
    metrics.onvif_events.labels(kind).inc()
    metrics.camera_signals.labels(kind, "cleared").inc()
    _alerts.info("the alert's condition went by itself", alert=alert_id, kind=kind, camera=camera_id)


def stage_reached(stage: str, severity: int, seconds: float) -> None:
    """``stage``: receive | forward | acknowledge | dispatch | close. ``seconds``: since the receipt."""
    metrics.alert_stage_duration.labels(stage, str(severity)).observe(max(0.0, seconds))


def service_level_missed(alert_id: str, stage: str, severity: int, limit: float) -> None:
    metrics.alert_sla_breaches.labels(stage, str(severity)).inc()
    _alerts.warning("a stage was not reached in time", alert=alert_id, stage=stage, severity=severity, limit_s=limit)


def alert_escalated(alert_id: str, to: Sequence[str], reason: str) -> None:
    level = to[0] if len(to) == 1 and to[0] in tuple(Level) else "people"
    metrics.alert_escalations.labels(level, reason).inc()
    _alerts.warning("nobody acted in time; the alert is told further up", alert=alert_id, to=list(to), reason=reason)


def alert_undelivered(alert_id: str, sink: str, after: float) -> None:
    metrics.alerts_undelivered.labels(sink).inc()
    _alerts.error(
        "an upper node has not confirmed an alert; the second way is taken", alert=alert_id, sink=sink, after_s=after
    )


def callback_overdue(alert_id: str, after: float) -> None:
    metrics.callbacks_overdue.inc()
    _alerts.warning("nobody has called the household back", alert=alert_id, after_s=after)


def dome_not_turned(camera_id: str, reason: str) -> None:
    _alerts.warning("a press could not turn its camera", camera=camera_id, reason=reason)


def source_broken(source_id: str, reason: str, retry_in: float, *, first: bool) -> None:
    (_supervision.warning if first else _supervision.debug)(
        "source is broken; trying again", source=source_id, reason=reason, retry_in=round(retry_in, 2)
    )


def source_online(source_id: str) -> None:
    _supervision.info("source is online", source=source_id)


def parcel_delivered(sink: str) -> None:
    metrics.forward_attempts.labels(sink, "delivered").inc()


def reconciled(sink: str, compared: int, missing: int, fault: str | None) -> None:
    """Our receipts have been held against an upper node's own book."""
    metrics.reconciliation_gaps.labels(sink).inc(missing)
    if missing:
        _delivery.error("the upper node had lost entries; they were given to it again", sink=sink, missing=missing)
    if fault is not None:
        _delivery.warning("the books could not be compared to the end", sink=sink, reason=fault)
        return
    metrics.reconciliation_last.labels(sink).set_to_current_time()
    _delivery.info("the books agree" if not missing else "the books agree again", sink=sink, compared=compared)


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


def accounts_unreadable(reason: str) -> None:
    _console.error("users and tokens cannot be read: nobody is let in who is not in already", reason=reason)


def accounts_readable(_: str = "") -> None:
    _console.info("users and tokens can be read again")


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


def signals_not_stored(worker: str, count: int, reason: str) -> None:
    _supervision.error(
        "what cameras noticed could not be stored; asking for it again", worker=worker, signals=count, reason=reason
    )


def signal_let_go(worker: str, signal_id: str, camera_id: str, kind: str) -> None:
    metrics.camera_signals.labels(kind, "fault").inc()
    _supervision.critical(
        "what a camera noticed was let go: the gateway's own code failed at it again and again; please report it",
        worker=worker,
        signal=signal_id,
        camera=camera_id,
        kind=kind,
    )


def device_broken(device: str, reason: str, retry_in: float, *, first: bool) -> None:
    (_supervision.warning if first else _supervision.debug)(
        "ONVIF device is broken; trying again", device=device, reason=reason, retry_in=round(retry_in, 2)
    )


def device_refused(device: str, reason: str) -> None:
    _supervision.error(
        "ONVIF device refused the credential; not tried again until it changes", device=device, reason=reason
    )


def device_online(device: str) -> None:
    _supervision.info("ONVIF device is online", device=device)


def camera_online(camera_id: str) -> None:
    _supervision.info("camera is online", camera=camera_id)


def camera_frozen(camera_id: str) -> None:
    _supervision.warning("camera sends the same picture again and again", camera=camera_id)


def camera_moves_again(camera_id: str) -> None:
    _supervision.info("camera shows a moving picture again", camera=camera_id)


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


def cameras_moved(worker: str, count: int, to: list[str]) -> None:
    metrics.cameras_moved.inc(count)
    _supervision.warning("a video worker died; the others take its cameras", worker=worker, cameras=count, to=to)


def stream_source_failed(reason: str) -> None:
    _console.error("the event stream cannot follow what changes; open streams end and resume", reason=reason)


def ledger_full(reason: str, *, first: bool) -> None:
    """A group could not be written, but the next may be: a full disk, or another program's lock."""
    metrics.ledger_failed.set(1)
    (_ledger.critical if first else _ledger.debug)(
        "the ledger cannot write now; presses are not acknowledged until it can", reason=reason
    )


def ballast_held(size: int, *, again: bool) -> None:
    metrics.ledger_ballast.set(size)
    (_ledger.warning if again else _ledger.debug)("room for presses is kept on the disk", bytes=size)


def ballast_given_up(free: int) -> None:
    metrics.ledger_ballast.set(0)
    _ledger.critical(
        "the disk is nearly full; presses are taken into the room kept for them until that is full too: free some space",
        free_bytes=free,
    )


def ledger_recovered() -> None:
    metrics.ledger_failed.set(0)
    _ledger.warning("the ledger writes again")


def topic_unknown(device: str, vendor: str, topic: str, reason: str, xml: str) -> None:
    """``xml``: the whole notification in base64, for a test to replay."""
    _supervision.info(
        "a camera told of something that is not understood",
        device=device,
        vendor=vendor,
        topic=topic,
        reason=reason,
        xml=xml,
    )
