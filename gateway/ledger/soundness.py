"""Whether a ledger file is whole: SQLite's own structure, what its tables say of each other, and the hash chain."""

from pathlib import Path

import apsw

from gateway.errors import UsageError
from gateway.ledger import audit
from gateway.ledger.connection import DISK_ERRORS, in_words, open_reader
from gateway.ledger.migrate import newest_step

# Each finds the first that breaks a promise of the tables to each other.
_PROMISES = (
    (
        """SELECT e.id FROM entry e LEFT JOIN alert a ON a.id = e.alert_id WHERE a.id IS NULL
            AND e.body <> '' AND e.alert_id NOT IN (SELECT alert_id FROM erasing) LIMIT 1""",
        "entry {} belongs to an alert that is not there",
    ),
    (
        "SELECT a.id FROM alert a LEFT JOIN entry e ON e.position = a.first WHERE e.alert_id IS NOT a.id LIMIT 1",
        "alert {} does not begin with an entry of its own",
    ),
    (
        "SELECT id FROM alert a WHERE feed IS NOT (SELECT max(position) FROM entry WHERE alert_id = a.id) LIMIT 1",
        "alert {} does not know its newest entry",
    ),
    (
        """SELECT a.id FROM alert a LEFT JOIN fold f ON f.first = a.first
            WHERE (a.node IS NULL) IS NOT (f.first IS NULL) LIMIT 1""",
        "alert {} and its fold are not both there",
    ),
    (
        "SELECT f.first FROM fold f LEFT JOIN alert a ON a.first = f.first WHERE a.first IS NULL LIMIT 1",
        "the fold at position {} is of no alert",
    ),
    (
        "SELECT p.press_id FROM press p LEFT JOIN alert a ON a.id = p.alert_id WHERE a.id IS NULL LIMIT 1",
        "press {} belongs to an alert that is not there",
    ),
    (
        """SELECT p.id FROM parcel p LEFT JOIN entry e ON e.position = p.entry
            WHERE p.entry IS NOT NULL AND e.position IS NULL LIMIT 1""",
        "parcel {} carries an entry that is not there",
    ),
    (
        "SELECT m.sha256 FROM media m LEFT JOIN alert a ON a.first = m.first WHERE a.first IS NULL LIMIT 1",
        "the file {} is of an alert that is not there",
    ),
    (
        """SELECT seq FROM entry WHERE via IS NULL
            AND seq > coalesce((SELECT value FROM counter WHERE name = 'seq'), 0) LIMIT 1""",
        "entry number {} of this node was given out, and its counter has forgotten it",
    ),
)


def first_fault(path: Path) -> str | None:
    """The first fault of a ledger file or a backup of one, as a sentence without its full stop; None if it is whole.

    Works while the node runs; reads all of the file, and holds back what the node may reclaim of its log meanwhile.
    Raises UsageError where there is no file, or a newer gateway has written it.
    """
    if not path.is_file():
        raise UsageError(f"{path}: there is no ledger here")
    try:
        connection = open_reader(path)
        try:
            return _fault(connection)
        finally:
            connection.close()
    except DISK_ERRORS as error:
        return in_words(error)
    except apsw.SQLError as error:
        return f"this is not a gateway's ledger ({error})"


def _fault(connection: apsw.Connection) -> str | None:
    step = int(connection.pragma("user_version"))
    if step > newest_step():
        raise UsageError(f"{connection.filename}: a newer gateway has written this (schema {step}); use that program")
    if step == 0:
        return "this is not a gateway's ledger, or an empty one"
    structure = connection.execute("PRAGMA integrity_check(1)").get
    if structure != "ok":
        return f"the file is damaged ({' '.join(str(structure).split())})"
    with connection:  # all promises of one moment: a running node writes on
        for query, sentence in _PROMISES:
            row = connection.execute(query).fetchone()
            if row is not None:
                return sentence.format(row[0])
    broken = audit.verify(connection).broken
    return None if broken is None else f"the audit chain is broken at line {broken.n}: {broken.reason}"
