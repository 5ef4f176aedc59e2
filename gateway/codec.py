"""The JSON forms of entries and the values in them: what the ledger stores, the cascade sends and the API shows."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gateway.canonical import canonical_json, sha256_hex
from gateway.model import Consent, Entry, Mask, Place, SourceRef, rfc3339

_ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)
_MAX_ID = 128
_MAX_PARENTS = 256


def entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "alert_id": entry.alert_id,
        "node": entry.node,
        "seq": entry.seq,
        "parents": list(entry.parents),
        "at": rfc3339(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "comment": entry.comment,
        "data": dict(entry.data),
    }


def entry_from_json(value: object) -> Entry:
    """Read an entry that another node wrote. Raises ValueError with a plain sentence."""
    try:
        entry = _ENTRY.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "entry"
        raise ValueError(f"{where}: {first['msg']}") from None
    for name, text in (("id", entry.id), ("alert_id", entry.alert_id), ("node", entry.node)):
        if not 0 < len(text) <= _MAX_ID:
            raise ValueError(f"{name}: 1 to {_MAX_ID} characters are accepted")
    if len(entry.parents) > _MAX_PARENTS:
        raise ValueError(f"parents: at most {_MAX_PARENTS} are accepted")
    if not 0 < entry.seq < 2**53:
        raise ValueError("seq: a whole number from 1 to 2**53 is accepted")
    if entry.at.tzinfo is None:
        raise ValueError("at: an RFC 3339 time with its offset is accepted")
    canonical_json(entry_json(entry))
    return entry


def entry_digest(entry: Entry) -> str:
    """SHA-256 hex of the entry's canonical JSON."""
    return sha256_hex(canonical_json(entry_json(entry)))


def place_json(place: Place) -> dict[str, Any]:
    return {"lon": place.lon, "lat": place.lat, "address": place.address, "area_code": place.area_code}


def source_json(source: SourceRef) -> dict[str, Any]:
    return {"type": source.type, "id": source.id, "name": source.name, "known": source.known}


def masks_json(masks: Iterable[Mask]) -> list[list[list[float]]]:
    return [[list(corner) for corner in mask] for mask in masks]


def consent_json(consent: Consent) -> dict[str, Any]:
    until = None if consent.until is None else consent.until.isoformat()
    return {"given_by": consent.given_by, "given_on": consent.given_on.isoformat(), "until": until}


def optional_time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
