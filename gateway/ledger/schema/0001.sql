-- Times are whole milliseconds since 1970 (UTC). What a hash covers is kept as the very bytes that were hashed.

CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE entry (
    position     INTEGER PRIMARY KEY AUTOINCREMENT,  -- commit order here: no gaps, never reused
    id           TEXT NOT NULL UNIQUE,
    alert_id     TEXT NOT NULL,
    node         TEXT NOT NULL,
    seq          INTEGER NOT NULL,
    committed_at INTEGER NOT NULL,
    via          TEXT,                               -- the sink or lower node it came by; NULL: made here
    sha256       TEXT,                               -- of the event's bytes as they came
    body         TEXT NOT NULL                       -- canonical JSON (RFC 8785)
) STRICT;
CREATE INDEX entry_of_alert ON entry (alert_id, position);

-- Narrow on purpose: a filter that no index serves reads these rows and not the folds.
CREATE TABLE alert (
    first       INTEGER PRIMARY KEY,                 -- position of the first entry committed here
    id          TEXT NOT NULL UNIQUE,
    version     INTEGER NOT NULL,
    feed        INTEGER NOT NULL,                    -- position of the newest entry here
    received_at INTEGER NOT NULL,
    heads       TEXT NOT NULL,                       -- JSON list: entries that no known entry names as parent
    missing     TEXT NOT NULL,                       -- JSON list: parents named but not here yet
    node        TEXT,                                -- NULL, like all below, while `raised` is missing
    kind        TEXT,
    severity    INTEGER,
    status      TEXT,
    workflow    TEXT,
    open        INTEGER,                             -- 1: neither closed nor cancelled
    source_id   TEXT,
    area_code   TEXT,
    raised_at   INTEGER,
    words       TEXT                                 -- what `q` searches, in lower case
) STRICT;
CREATE INDEX alert_by_workflow ON alert (workflow, severity, first);
CREATE INDEX alert_by_kind ON alert (kind, first);
CREATE INDEX alert_by_time ON alert (raised_at, first);
CREATE INDEX alert_open_by_source ON alert (source_id, kind, status, node, first) WHERE open = 1;
CREATE INDEX alert_new ON alert (severity, raised_at) WHERE workflow = 'new';

CREATE TABLE fold (
    first INTEGER PRIMARY KEY,
    body  TEXT NOT NULL                              -- the folded alert
) STRICT;

CREATE TABLE forwarding (
    alert_id TEXT NOT NULL,
    sink     TEXT NOT NULL,
    at       INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    PRIMARY KEY (alert_id, sink)
) WITHOUT ROWID, STRICT;

CREATE TABLE press (
    id          INTEGER PRIMARY KEY,
    terminal    TEXT NOT NULL,
    press_id    TEXT NOT NULL,
    digest      TEXT NOT NULL,
    alert_id    TEXT NOT NULL,
    stage       TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    source      TEXT NOT NULL,
    reply_to    TEXT                                 -- JSON: topic and correlation data (hex)
) STRICT;
CREATE INDEX press_by_id ON press (terminal, press_id, received_at);
CREATE INDEX press_by_digest ON press (terminal, digest, received_at);
CREATE INDEX press_of_alert ON press (alert_id);

CREATE TABLE parcel (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    sink       TEXT NOT NULL,
    lane       INTEGER NOT NULL,
    rank       INTEGER NOT NULL,                     -- its alert's first position: the newest alert goes first
    entry      INTEGER,                              -- position; or
    answer     TEXT,                                 -- JSON
    created_at INTEGER NOT NULL,
    due        INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    reason     TEXT,                                 -- why it was put off or parked
    parked     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX parcel_waiting ON parcel (sink, lane, rank DESC, id, due) WHERE parked = 0;
CREATE INDEX parcel_due ON parcel (sink, lane, due) WHERE parked = 0;
CREATE INDEX parcel_parked ON parcel (sink, lane) WHERE parked = 1;

CREATE TABLE picture_task (
    id          INTEGER PRIMARY KEY,
    alert_id    TEXT NOT NULL,
    snapshot_id TEXT NOT NULL,
    camera_id   TEXT NOT NULL,
    wanted_ms   INTEGER NOT NULL,
    zero_at     INTEGER NOT NULL,
    zero_mono   REAL NOT NULL,
    boot_id     TEXT NOT NULL,
    late        INTEGER NOT NULL,
    UNIQUE (alert_id, snapshot_id)
) STRICT;

CREATE TABLE route (
    node TEXT PRIMARY KEY,
    via  TEXT NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE bookmark (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE idempotency (
    key    TEXT PRIMARY KEY,
    answer TEXT NOT NULL,
    at     INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX idempotency_by_age ON idempotency (at);

CREATE TABLE audit (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    body TEXT NOT NULL                               -- canonical JSON
) STRICT;

-- The hash chain (audit.py): one row for every entry and every audit record, in commit order.
CREATE TABLE chain (
    n      INTEGER PRIMARY KEY,
    kind   TEXT NOT NULL,                            -- entry | audit
    ref    INTEGER NOT NULL,                         -- its position or id
    salt   BLOB NOT NULL,
    digest BLOB NOT NULL,
    link   BLOB NOT NULL
) STRICT;
