"""Verdicts of image diagnosis as rows, and how they are found."""

# ruff: noqa: S608 – queries are put together from constants of this room; every value is bound

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gateway.ledger.rows import millis, moment
from gateway.model import EvidenceState, Verdict

Rows = Callable[..., Iterable[tuple[Any, ...]]]

COLUMNS = """id, signal, camera, fault, night, since, since_mono, boot, frame, frame_mono, measures, until, evidence, reason,
    sha256, width, height, planned, alert, shown"""
_LAST = "\x7f"  # after every id


def of_camera(rows: Rows, camera: str, before: str | None, limit: int) -> list[Verdict]:
    """Newest first, those before an id."""
    query = f"SELECT {COLUMNS} FROM verdict WHERE camera = ? AND id < ? ORDER BY id DESC LIMIT ?"
    return [verdict(row) for row in rows(query, camera, before or _LAST, limit)]


def one(rows: Rows, verdict_id: str) -> Verdict | None:
    query = f"SELECT {COLUMNS} FROM verdict WHERE id = ?"
    return next((verdict(row) for row in rows(query, verdict_id)), None)


def standing(rows: Rows) -> list[Verdict]:
    """Those that have not ended, by camera."""
    query = f"SELECT {COLUMNS} FROM verdict WHERE until IS NULL ORDER BY camera, fault, id"
    return [verdict(row) for row in rows(query)]


def pending(rows: Rows, limit: int) -> list[Verdict]:
    """Those whose picture is still to be had, the oldest first."""
    query = f"SELECT {COLUMNS} FROM verdict WHERE evidence = 'pending' ORDER BY id LIMIT ?"
    return [verdict(row) for row in rows(query, limit)]


def values(verdict: Verdict) -> Sequence[Any]:
    """In the order of COLUMNS."""
    return (
        *(verdict.id, verdict.signal, verdict.camera, verdict.fault, int(verdict.night), millis(verdict.since)),
        *(verdict.since_mono, verdict.boot, verdict.frame, verdict.frame_mono),
        json.dumps(dict(verdict.measures)),
        None if verdict.until is None else millis(verdict.until),
        *(verdict.evidence.value, verdict.reason, verdict.sha256, verdict.width, verdict.height),
        *(verdict.planned, verdict.alert, int(verdict.shown)),
    )


def verdict(row: Sequence[Any]) -> Verdict:
    (id, signal, camera, fault, night, since, since_mono, boot, frame, frame_mono, measures, until) = row[:12]
    evidence, reason, sha256, width, height, planned, alert, shown = row[12:]
    return Verdict(
        id,
        signal,
        camera,
        fault,
        bool(night),
        moment(since),
        since_mono,
        boot,
        frame,
        frame_mono,
        json.loads(measures),
        None if until is None else moment(until),
        EvidenceState(evidence),
        reason,
        sha256,
        width,
        height,
        planned,
        alert,
        bool(shown),
    )
