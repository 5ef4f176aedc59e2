-- Timers, upper nodes' receipts, terminals' states, and notices in the outbox.

-- Something owed at a moment (ports.Transaction.set_timer): escalations, second ways, call-backs.
CREATE TABLE timer (
    name TEXT NOT NULL,
    key  TEXT NOT NULL,
    due  INTEGER NOT NULL,
    data TEXT NOT NULL,                              -- JSON
    PRIMARY KEY (name, key)
) WITHOUT ROWID, STRICT;
CREATE INDEX timer_due ON timer (due);

-- What an upper node gave for each entry, to be held against its digest.
CREATE TABLE receipt (
    sink         TEXT NOT NULL,
    seq          INTEGER NOT NULL,
    entry_id     TEXT NOT NULL,
    sha256       TEXT NOT NULL,
    committed_at INTEGER NOT NULL,                   -- there
    PRIMARY KEY (sink, seq)
) WITHOUT ROWID, STRICT;
CREATE UNIQUE INDEX receipt_of_entry ON receipt (sink, entry_id);

CREATE TABLE terminal_state (
    terminal   TEXT PRIMARY KEY,
    online     INTEGER,                              -- NULL while unknown
    since      INTEGER,
    last_seen  INTEGER,
    last_press INTEGER,
    last_test  INTEGER
) WITHOUT ROWID, STRICT;

ALTER TABLE parcel ADD COLUMN notice TEXT;           -- JSON; instead of entry or answer
