-- Planned work as people made it, and which cameras are in an outage that was told of.
CREATE TABLE planned_work (
    id    TEXT PRIMARY KEY,
    until INTEGER NOT NULL,
    body  TEXT NOT NULL
) STRICT;
CREATE INDEX planned_work_by_end ON planned_work (until);
CREATE TABLE outage_member (
    alert_id  TEXT NOT NULL,
    camera_id TEXT NOT NULL,
    cause     TEXT NOT NULL,
    grp       TEXT NOT NULL,
    lost_at   INTEGER NOT NULL,
    back      INTEGER NOT NULL,
    flapping  INTEGER NOT NULL,
    PRIMARY KEY (alert_id, camera_id)
) STRICT, WITHOUT ROWID;
