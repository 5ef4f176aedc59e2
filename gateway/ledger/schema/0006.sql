-- Image diagnosis: what was decided of cameras' pictures, and the picture that each decision stands on.
CREATE TABLE verdict (
    id         TEXT PRIMARY KEY,                     -- UUIDv7
    signal     TEXT NOT NULL,                        -- that told of it; one that is told twice is one
    camera     TEXT NOT NULL,
    fault      TEXT NOT NULL,
    night      INTEGER NOT NULL,
    since      INTEGER NOT NULL,
    since_mono REAL NOT NULL,
    boot       TEXT NOT NULL,                        -- whose monotonic clock that is
    frame      TEXT,                                 -- the keyframe, as its worker names it
    frame_mono REAL NOT NULL,
    measures   TEXT NOT NULL,                        -- JSON
    until      INTEGER,                              -- NULL while it stands
    evidence   TEXT NOT NULL,                        -- pending | ready | failed | deleted
    reason     TEXT,
    sha256     TEXT,
    width      INTEGER,
    height     INTEGER,
    planned    TEXT,                                 -- the planned work that kept it from being an alert
    alert      TEXT,
    shown      INTEGER NOT NULL                      -- whether the alert has the picture too
) WITHOUT ROWID, STRICT;
CREATE UNIQUE INDEX verdict_by_signal ON verdict (signal);
CREATE INDEX verdict_of_camera ON verdict (camera, id);
CREATE INDEX verdict_standing ON verdict (camera, fault) WHERE until IS NULL;
CREATE INDEX verdict_pending ON verdict (id) WHERE evidence = 'pending';
CREATE INDEX verdict_by_hash ON verdict (sha256) WHERE sha256 IS NOT NULL;
