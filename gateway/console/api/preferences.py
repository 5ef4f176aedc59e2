"""What the caller keeps for himself: saved views, walls, settings. The same in every browser that he logs in with."""

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Request, Response

from gateway.console.api.schemas import Shape
from gateway.console.auth import Reader
from gateway.console.preferences import LONGEST_VALUE, Preferences, TooMany
from gateway.console.problems import Problem
from gateway.console.views import API

router = APIRouter(prefix=API, tags=["preferences"])

Name = Annotated[str, Path(pattern=r"^[a-z0-9.-]{1,64}$")]


class Kept(Shape):
    """Any JSON, by name."""

    items: dict[str, Any]


async def _preferences(request: Request) -> Preferences:
    found: Preferences = request.app.state.preferences
    return found


Own = Annotated[Preferences, Depends(_preferences)]


@router.get("/preferences", response_model=Kept)
async def preferences(found: Reader, own: Own) -> Response:
    texts = await asyncio.to_thread(own.of, found.principal.name)
    kept = ",".join(f'"{name}":{text}' for name, text in texts.items())  # as it came: names need no escapes
    return Response(f'{{"items":{{{kept}}}}}', media_type="application/json")


@router.put("/preferences/{name}", status_code=204, response_class=Response)
async def keep_preference(name: Name, value: Annotated[Any, Body()], found: Reader, own: Own) -> Response:
    """Any JSON but null, up to 32 kB; 50 names at most."""
    try:
        await asyncio.to_thread(own.keep, found.principal.name, name, _text(value))
    except TooMany as error:
        raise Problem(409, f"{error}.") from None
    return Response(status_code=204)


@router.delete("/preferences/{name}", status_code=204, response_class=Response)
async def forget_preference(name: Name, found: Reader, own: Own) -> Response:
    await asyncio.to_thread(own.forget, found.principal.name, name)
    return Response(status_code=204)


def _text(value: Any) -> str:
    """Raises Problem 422 for what is too long or no JSON (NaN, or nested without end)."""
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError):
        raise Problem(422, "body: only what JSON can say is kept") from None
    if len(text) > LONGEST_VALUE:
        raise Problem(422, f"body: {len(text)} bytes are more than the {LONGEST_VALUE} that are kept")
    return text
