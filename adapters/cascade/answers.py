"""What an upper node's answer means for a parcel: its receipt, not now, or never. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapters.cascade.wire import read_json
from gateway import backoff
from gateway.errors import GatewayError, Refused, TryLater, TurnedAway
from gateway.model import Receipt, utc_now
from gateway.ports import Digest

TOKEN_WAIT = 30.0  # s: a wrong token is put right by a person; asking faster only fills the upper node's log
_LONGEST_WAIT = 300.0  # s: whatever an upper node asks for, an alarm is tried again within five minutes
_QUOTED = 300
# What will never fit, however often it is sent, where an upper node says so in its own form. Anything else may be a
# proxy's, a restart's or a mistake's: an alarm must not be given up for the words of a middlebox.
_NEVER = frozenset({400, 413, 415, 422})
_TOKEN = frozenset({401, 403})
_OWN_FORM = "application/problem+json"
_YEARS = range(1970, 9000)  # of a commit: with times at the end of what a datetime holds nobody could count on


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """``headers`` are case-insensitive (as the HTTP client gives them); ``body`` is cut to a bound."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def require_success(answer: HttpAnswer, upper: str) -> None:
    """Raises TryLater | Refused for anything but 2xx, with a sentence that names ``upper`` (its address)."""
    if 200 <= answer.status < 300:
        return
    raise _verdict(answer, upper)


def _verdict(answer: HttpAnswer, upper: str) -> GatewayError:
    status = answer.status
    said = _detail(answer.body)
    if status in _NEVER | _TOKEN and not _own_form(answer):
        return TurnedAway(
            f"somebody on the way to {upper} turned it away (HTTP {status}{said}), not the upper node itself: "
            "look at the proxies and filters between"
        )
    if status in _TOKEN:
        return TryLater(f"{upper} does not accept this node's token (HTTP {status}{said})", TOKEN_WAIT)
    if status in _NEVER:
        return Refused(f"{upper} refused it (HTTP {status}{said})")
    if 300 <= status < 400:
        return TryLater(f"{upper} answers with a redirect (HTTP {status}), which is not followed: set its own address")
    return TryLater(f"{upper} cannot take it now (HTTP {status}{said})", retry_after(answer.headers, utc_now()))


def _own_form(answer: HttpAnswer) -> bool:
    """Whether these are an upper node's words (RFC 9457): it never refuses in any others."""
    media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return media_type == _OWN_FORM and isinstance(_object(answer.body), dict)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Retry-After (RFC 9110 §10.2.3) in seconds from ``now``, at most five minutes; None where it says nothing."""
    return backoff.retry_after(headers.get("Retry-After", ""), now, _LONGEST_WAIT)


def read_receipt(answer: HttpAnswer, event_id: str, sha256: str, upper: str) -> Receipt:
    """The receipt of the one event that was sent.

    Raises Refused where the event is named as refused, TryLater where the answer is no proof that it was committed.
    """
    try:
        content = read_json(answer.body)
    except ValueError as error:
        raise TryLater(f"{upper} gave no receipt: {error}") from None
    for refusal in _items(content, "refused"):
        if refusal == event_id or (isinstance(refusal, dict) and refusal.get("id") == event_id):
            reason = refusal.get("reason") if isinstance(refusal, dict) else None
            raise Refused(f"{upper} refused it: {_plain(reason) or 'it gave no reason'}")
    for receipt in _items(content, "receipts"):
        if isinstance(receipt, dict) and receipt.get("id") == event_id:
            return _receipt(receipt, event_id, sha256, upper)
    raise TryLater(f"{upper} answered without a receipt for {event_id}")


def read_digest(answer: HttpAnswer, upper: str) -> Digest:
    """Raises TryLater where the answer is no digest."""
    try:
        content = read_json(answer.body)
    except ValueError as error:
        raise TryLater(f"{upper} gave no digest: {error}") from None
    count, sha256 = (content.get("count"), content.get("sha256")) if isinstance(content, dict) else (None, None)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0 or not isinstance(sha256, str):
        raise TryLater(f"{upper} gave no digest: a count and a sha256 were expected")
    return Digest(count, sha256.lower())


def _receipt(receipt: Mapping[str, Any], event_id: str, sha256: str, upper: str) -> Receipt:
    told = receipt.get("sha256")
    if not isinstance(told, str) or told.lower() != sha256:  # a foreign node may write hex in capitals
        raise TryLater(f"{upper} gave a receipt for other bytes than were sent as {event_id}")
    seq = receipt.get("seq")
    if not isinstance(seq, int) or isinstance(seq, bool) or not 0 <= seq < 2**53:
        raise TryLater(f"{upper} gave a receipt for {event_id} without a sequence number")
    committed_at = _moment(receipt.get("committed_at"))
    if committed_at is None:
        raise TryLater(f"{upper} gave a receipt for {event_id} without the time of its commit")
    return Receipt(event_id, sha256, seq, committed_at)


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        found = None if moment is None or moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if found is not None and found.year in _YEARS else None


def _items(content: object, name: str) -> list[Any]:
    found = content.get(name) if isinstance(content, dict) else None
    return found if isinstance(found, list) else []


def _detail(body: bytes) -> str:
    """What a problem (RFC 9457) says, as ``: sentence``; empty where it is none."""
    content = _object(body)
    said = _plain(content.get("detail") or content.get("title")) if isinstance(content, dict) else ""
    return f": {said}" if said else ""


def _object(body: bytes) -> object:
    """What this JSON holds; None where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _plain(text: object) -> str:
    """A peer's words, on one line and not too long; they go into our log and our console."""
    if not isinstance(text, str):
        return ""
    return "".join(character if character.isprintable() else " " for character in text[:_QUOTED]).strip()
