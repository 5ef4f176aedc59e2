"""A request that comes again under its Idempotency-Key, since its answer was lost: it is answered, and nothing is done twice."""

import hashlib
import json
from typing import Annotated

from fastapi import Header

from gateway.console.auth import Caller
from gateway.console.problems import Problem
from gateway.console.services import Services

Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)]


def scoped(found: Caller, about: str, key: str | None) -> str | None:
    """What the ledger knows it by: nobody meets another's key, nor that of another thing."""
    return None if key is None else hashlib.sha256(f"{found.principal.name}\n{about}\n{key}".encode()).hexdigest()


def remembered(digest: str, answer: str) -> str:
    """``digest``: SHA-256 hex over the request, so that the key answers no other."""
    return json.dumps({"request": digest, "answer": answer})


def replayed(kept: str, digest: str) -> str:
    """The answer. Raises Problem 422 where the key was another request's."""
    found = json.loads(kept)
    if found["request"] != digest:
        raise Problem(422, "This Idempotency-Key was used for another request: give each request a key of its own.")
    answer: str = found["answer"]
    return answer


async def answered(house: Services, key: str | None, digest: str) -> str | None:
    """The answer that the request had; None for one that is new. Raises Problem 422."""
    if key is None:
        return None
    kept = await house.ledger.read(lambda reader: reader.idempotent(key))
    return None if kept is None else replayed(kept, digest)
