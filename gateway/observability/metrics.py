"""Every metric of the gateway, in one file. Per-camera series are gauges and counters only; never a label per terminal,
alert or remote address (cardinality)."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

_STAGE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
_FAST_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)

build_info = Gauge("gateway_build_info", "Always 1; the version is a label.", ["version"], registry=REGISTRY)
config_last_reload_successful = Gauge(
    "gateway_config_last_reload_successful",
    "1 if the configuration in force is the one last asked for.",
    registry=REGISTRY,
)

cameras = Gauge("gateway_cameras", "Cameras by state.", ["state"], registry=REGISTRY)
camera_up = Gauge(
    "gateway_camera_up", "1 while the camera's last keyframe is young enough.", ["camera"], registry=REGISTRY
)
camera_last_keyframe = Gauge(
    "gateway_camera_last_keyframe_timestamp_seconds",
    "When the camera's last keyframe came.",
    ["camera"],
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
worker_restarts = Counter(
    "gateway_worker_restarts_total", "Video workers started again after they died.", registry=REGISTRY
)

mqtt_connected = Gauge("gateway_mqtt_connected", "1 while connected to the broker.", ["broker"], registry=REGISTRY)
mqtt_messages = Counter(
    "gateway_mqtt_messages_received_total", "MQTT messages by topic template.", ["topic_template"], registry=REGISTRY
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
alerts_open = Gauge("gateway_alerts_open", "Open alerts.", ["workflow", "severity"], registry=REGISTRY)
alert_oldest_unacknowledged = Gauge(
    "gateway_alert_oldest_unacknowledged_timestamp_seconds",
    "When the oldest unacknowledged alert was raised; 0 where there is none.",
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

ledger_commit = Histogram(
    "gateway_ledger_commit_seconds", "One group commit with its fsync.", buckets=_FAST_BUCKETS, registry=REGISTRY
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
