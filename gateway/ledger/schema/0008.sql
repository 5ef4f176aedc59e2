-- Retention, legal holds and proofs of deletion.

-- 1 while the alert is held (封存): nothing of it is deleted.
ALTER TABLE alert ADD COLUMN held INTEGER;
CREATE INDEX alert_held ON alert (first) WHERE held = 1;

-- Drill presses of one terminal in the order of their coming: a heartbeat's go early.
CREATE INDEX alert_test_by_source ON alert (source_id, first) WHERE status = 'test';

-- Which files of the media store an alert refers to. A file that none refers to is taken away.
CREATE TABLE media (
    kind   TEXT NOT NULL,                            -- pictures | clips | evidence
    first  INTEGER NOT NULL,                         -- the alert's
    sha256 TEXT NOT NULL,
    PRIMARY KEY (kind, first, sha256)
) WITHOUT ROWID, STRICT;
CREATE INDEX media_by_hash ON media (sha256);

-- The audit record that seals the deletion of what this line is of: then its salt is empty, and an entry's body is ''.
-- The rest of an erased entry's row stays, so that nobody can bring it back and upper and lower nodes' books agree.
ALTER TABLE chain ADD COLUMN erased INTEGER;

-- Alerts that are deleted and whose entries are not yet all erased.
CREATE TABLE erasing (alert_id TEXT PRIMARY KEY) WITHOUT ROWID, STRICT;

INSERT OR IGNORE INTO media (kind, first, sha256)
    SELECT CASE WHEN json_extract(e.body, '$.action') = 'clip' THEN 'clips'
            WHEN a.kind = 'image_fault' THEN 'evidence' ELSE 'pictures' END,
        a.first, json_extract(e.body, '$.data.sha256')
    FROM entry e JOIN alert a ON a.id = e.alert_id
    WHERE json_extract(e.body, '$.action') IN ('picture', 'clip') AND json_type(e.body, '$.data.sha256') = 'text';
