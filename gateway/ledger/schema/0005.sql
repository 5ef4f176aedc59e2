-- Figures: how long each camera was online, intact or planned to be away, by day; outages; what became of alerts.
-- Spans are whole milliseconds. A day is a number, 20261130, of the node's own calendar.

-- Also cameras that are gone. The number stands for the id, which is 20 digits long, in a row for each day.
CREATE TABLE watched_camera (
    n        INTEGER PRIMARY KEY,
    id       TEXT NOT NULL UNIQUE,
    name     TEXT NOT NULL,
    area     TEXT,
    scene    TEXT NOT NULL,
    vendor   TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL
) STRICT;

-- Day first: what is written every few minutes lies together.
CREATE TABLE camera_day (
    day       INTEGER NOT NULL,
    camera    INTEGER NOT NULL,
    online    INTEGER NOT NULL,
    intact    INTEGER NOT NULL,
    worked_on INTEGER NOT NULL,
    down      INTEGER NOT NULL,
    planned   INTEGER NOT NULL,
    off       INTEGER NOT NULL,
    losses    INTEGER NOT NULL,
    longest   INTEGER NOT NULL,
    PRIMARY KEY (day, camera)
) WITHOUT ROWID, STRICT;

CREATE TABLE camera_outage (
    began_at INTEGER NOT NULL,
    camera   INTEGER NOT NULL,
    ended_at INTEGER,                                -- NULL while it goes on
    down     INTEGER NOT NULL,
    planned  INTEGER NOT NULL,
    reason   TEXT,
    PRIMARY KEY (began_at, camera)
) WITHOUT ROWID, STRICT;
CREATE INDEX camera_outage_by_end ON camera_outage (ended_at);

-- Nothing of a person: it is kept when the alert is deleted. Seconds from the raising; NULL: not reached, or no limit.
CREATE TABLE alert_figure (
    first       INTEGER PRIMARY KEY,                 -- of the alert's row
    raised_at   INTEGER NOT NULL,
    node        TEXT NOT NULL,
    area        TEXT,
    kind        TEXT NOT NULL,
    severity    INTEGER NOT NULL,
    ended       INTEGER NOT NULL,
    disposition TEXT,
    acknowledge REAL,
    dispatch    REAL,
    arrive      REAL,
    close       REAL,
    acknowledge_limit REAL,
    dispatch_limit    REAL,
    arrive_limit      REAL,
    close_limit       REAL
) STRICT;
CREATE INDEX alert_figure_by_time ON alert_figure (raised_at, first);

CREATE TABLE terminal_test (
    quarter   INTEGER NOT NULL,                      -- 20264: the last of 2026
    terminal  TEXT NOT NULL,
    area      TEXT,
    tested_at INTEGER,
    PRIMARY KEY (quarter, terminal)
) WITHOUT ROWID, STRICT;
