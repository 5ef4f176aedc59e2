"""Every metric that is counted as it happens, in one file; those of cameras and workers are in ``video_metrics``.
Per-camera series are gauges and counters only; never a label per terminal,
alert or remote address (cardinality)."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)  # process_*, of the core: their names are the same everywhere

_STAGE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_FAST_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)

build_info = Gauge("gateway_build_info", "Always 1; the version is a label.", ["version"], registry=REGISTRY)
config_last_reload_successful = Gauge(
    "gateway_config_last_reload_successful",
    "1 if the configuration in force is the one last asked for.",
    registry=REGISTRY,
)

snapshots = Counter(
    "gateway_snapshots_total", "Pictures asked for, by result.", ["source", "result"], registry=REGISTRY
)
snapshot_duration = Histogram(
    "gateway_snapshot_duration_seconds",
    "From the wanted moment (or the press, if later) to the stored picture.",
    ["source"],
    buckets=_STAGE_BUCKETS,
    registry=REGISTRY,
)
clips = Counter("gateway_clips_total", "Alarm clips made, by result.", ["result"], registry=REGISTRY)
worker_restarts = Counter(
    "gateway_worker_restarts_total", "Video workers started again after they died.", registry=REGISTRY
)
cameras_moved = Counter(
    "gateway_cameras_moved_total", "Cameras that another video worker took when theirs died.", registry=REGISTRY
)

mqtt_connected = Gauge("gateway_mqtt_connected", "1 while connected to the broker.", ["broker"], registry=REGISTRY)
mqtt_messages = Counter(
    "gateway_mqtt_messages_received_total", "MQTT messages by topic template.", ["topic_template"], registry=REGISTRY
)
mqtt_notices_unheard = Counter(
    "gateway_mqtt_notices_unheard_total", "Notices that no terminal listened to, by kind.", ["kind"], registry=REGISTRY
)
terminals = Gauge("gateway_terminals", "Terminals by state.", ["state"], registry=REGISTRY)

alerts_received = Counter(
    "gateway_alerts_received_total", "Alerts raised here.", ["kind", "severity"], registry=REGISTRY
)
alerts_deduplicated = Counter(
    "gateway_alerts_deduplicated_total", "Presses that were the same press again.", ["kind"], registry=REGISTRY
)
signals_rejected = Counter(
    "gateway_signals_rejected_total", "Messages that are no signal.", ["reason"], registry=REGISTRY
)
onvif_events = Counter(
    "gateway_onvif_events_total", "What cameras told of over ONVIF, by kind.", ["event_type"], registry=REGISTRY
)
camera_signals = Counter(
    "gateway_camera_signals_total",
    "What became of cameras' signals: alert, disarmed, not_wanted, cleared, ended, initial, unknown_camera, fault.",
    ["kind", "verdict"],
    registry=REGISTRY,
)
alerts_open = Gauge(
    "gateway_alerts_open", "Open alerts, without tests and drills.", ["workflow", "severity"], registry=REGISTRY
)
alert_oldest_unacknowledged = Gauge(
    "gateway_alert_oldest_unacknowledged_timestamp_seconds",
    "When the oldest unacknowledged alert was raised; 0 where there is none. Without tests and drills.",
    ["severity"],
    registry=REGISTRY,
)
alert_stage_duration = Histogram(
    "gateway_alert_stage_duration_seconds",
    "From the receipt of a press to each stage.",
    ["stage", "severity"],
    buckets=_STAGE_BUCKETS,
    registry=REGISTRY,
)
alert_sla_breaches = Counter(
    "gateway_alert_sla_breaches_total",
    "Alerts that had not reached a stage when it was due.",
    ["stage", "severity"],
    registry=REGISTRY,
)
alert_escalations = Counter(
    "gateway_alert_escalations_total",
    "Alerts told further up because nobody had acted; level: township, county, city or people.",
    ["level", "reason"],
    registry=REGISTRY,
)
alerts_undelivered = Counter(
    "gateway_alerts_undelivered_total",
    "Alerts that an upper node did not confirm in time.",
    ["sink"],
    registry=REGISTRY,
)
callbacks_overdue = Counter(
    "gateway_callbacks_overdue_total", "Households that nobody had called back in time.", registry=REGISTRY
)

forward_queue = Gauge("gateway_forward_queue_messages", "Parcels waiting.", ["sink", "lane"], registry=REGISTRY)
forward_queue_oldest = Gauge(
    "gateway_forward_queue_oldest_timestamp_seconds",
    "When the oldest waiting parcel was made.",
    ["sink", "lane"],
    registry=REGISTRY,
)
forward_attempts = Counter(
    "gateway_forward_attempts_total", "Attempts by result.", ["sink", "result"], registry=REGISTRY
)
forward_parked = Gauge("gateway_forward_parked", "Parcels the receiver refused.", ["sink"], registry=REGISTRY)

reconciliation_gaps = Counter(
    "gateway_reconciliation_gaps_total",
    "Entries that an upper node had receipted and lost.",
    ["sink"],
    registry=REGISTRY,
)
reconciliation_last = Gauge(
    "gateway_reconciliation_last_success_timestamp_seconds",
    "When the books were last compared to the end.",
    ["sink"],
    registry=REGISTRY,
)

live_sessions = Gauge("gateway_live_sessions", "Live views now.", ["protocol"], registry=REGISTRY)
live_first_frame = Histogram(
    "gateway_live_first_frame_seconds",
    "From the request for a live view to the first keyframe on its way.",
    buckets=_STAGE_BUCKETS,
    registry=REGISTRY,
)

ledger_commit = Histogram(
    "gateway_ledger_commit_seconds", "One group commit with its fsync.", buckets=_FAST_BUCKETS, registry=REGISTRY
)
ledger_ballast = Gauge(
    "gateway_ledger_ballast_bytes", "Room on the disk kept for presses; 0 once it was given up.", registry=REGISTRY
)
ledger_failed = Gauge("gateway_ledger_failed", "1 after a failed commit, until restarted.", registry=REGISTRY)
media_bytes = Gauge("gateway_media_bytes", "Bytes of pictures and clips on disk.", registry=REGISTRY)
media_failures = Counter("gateway_media_write_failures_total", "Pictures that could not be stored.", registry=REGISTRY)
event_loop_lag = Histogram(
    "gateway_event_loop_lag_seconds", "How late the core's loop ran a timer.", buckets=_FAST_BUCKETS, registry=REGISTRY
)
auth_failures = Counter("gateway_auth_failures_total", "Refused logins and tokens.", ["reason"], registry=REGISTRY)
http_duration = Histogram(
    "gateway_http_server_request_duration_seconds",
    "HTTP requests by route template.",
    ["method", "route", "status"],
    buckets=_FAST_BUCKETS,
    registry=REGISTRY,
)
event_streams = Gauge("gateway_event_streams", "Event streams open.", registry=REGISTRY)
event_streams_cut = Counter(
    "gateway_event_streams_cut_total", "Event streams ended because the client took nothing.", registry=REGISTRY
)

audit_write_failures = Counter(
    "gateway_audit_write_failures_total",
    "Acts and looks that were refused because their line of the audit could not be written.",
    registry=REGISTRY,
)
disk_free = Gauge("gateway_disk_free_bytes", "Free bytes where data_dir lies.", registry=REGISTRY)
disk_size = Gauge("gateway_disk_size_bytes", "Bytes of the file system where data_dir lies.", registry=REGISTRY)
ledger_bytes = Gauge("gateway_ledger_bytes", "Bytes of the ledger with its log.", registry=REGISTRY)
node_time = Gauge(
    "gateway_time_seconds", "This machine's clock when it was asked, to be held against the asker's.", registry=REGISTRY
)
node_time.set_function(time.time)
certificate_expiry = Gauge(
    "gateway_certificate_expiry_timestamp_seconds",
    "When a certificate that this node uses ends; 0 where its file cannot be read.",
    ["name"],
    registry=REGISTRY,
)

heartbeat_interval = Gauge(
    "gateway_heartbeat_interval_seconds", "How often the drill press is sent; 0 where it is off.", registry=REGISTRY
)
heartbeat_last_success = Gauge(
    "gateway_heartbeat_last_success_timestamp_seconds",
    "When the drill press last reached a stage; 0 until it has.",
    ["stage"],
    registry=REGISTRY,
)
heartbeat_duration = Histogram(
    "gateway_heartbeat_duration_seconds",
    "From the drill press until its terminal was told of a stage.",
    ["stage"],
    buckets=_STAGE_BUCKETS,
    registry=REGISTRY,
)
heartbeat_misses = Counter(
    "gateway_heartbeat_misses_total", "Drill presses that did not reach a stage in time.", ["stage"], registry=REGISTRY
)
camera_incidents = Gauge(
    "gateway_camera_incidents", "Outages of cameras that stand, by their probable cause.", ["cause"], registry=REGISTRY
)
cameras_in_maintenance = Gauge(
    "gateway_cameras_in_maintenance", "Cameras that may be down just now by plan.", registry=REGISTRY
)

retention_deleted = Counter(
    "gateway_retention_deleted_total",
    "Alerts, lines and files deleted because their time was over, by kind.",
    ["kind"],
    registry=REGISTRY,
)
retention_freed = Counter(
    "gateway_retention_freed_bytes_total", "Bytes of pictures and clips that were deleted.", registry=REGISTRY
)
retention_short = Gauge(
    "gateway_retention_short",
    "1 while the disk runs short and the law or a hold keeps all there is.",
    registry=REGISTRY,
)
