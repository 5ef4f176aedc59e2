-- Clips: like picture_task, one row for each that is still to be made.
CREATE TABLE clip_task (
    id        INTEGER PRIMARY KEY,
    alert_id  TEXT NOT NULL,
    clip_id   TEXT NOT NULL,
    camera_id TEXT NOT NULL,
    from_ms   INTEGER NOT NULL,
    to_ms     INTEGER NOT NULL,
    zero_at   INTEGER NOT NULL,
    zero_mono REAL NOT NULL,
    boot_id   TEXT NOT NULL,
    UNIQUE (alert_id, clip_id)
) STRICT;
