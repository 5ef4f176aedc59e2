"""Logging in and out."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from gateway.codec import optional_time
from gateway.console.api.schemas import Problem as ProblemShape
from gateway.console.auth import Caller, Reader, require_own_page
from gateway.console.problems import Problem
from gateway.console.services import House
from gateway.console.views import API

router = APIRouter(prefix=API, tags=["session"])


class Login(BaseModel):
    model_config = ConfigDict(extra="forbid")

    username: str = Field(min_length=1, max_length=256)
    password: str = Field(min_length=1, max_length=4096, repr=False)


class Who(BaseModel):
    """Who is asking. ``expires_at`` is null for a bearer token."""

    user: str
    role: str
    areas: list[str]
    expires_at: datetime | None


@router.post(
    "/session",
    response_model=Who,
    responses={429: {"model": ProblemShape, "description": "too many wrong passwords"}},
)
async def log_in(login: Login, request: Request, house: House) -> Response:
    require_own_page(request)
    try:
        secret, session = await house.gatekeeper.log_in(login.username, login.password)
    except Problem as problem:
        if problem.status == 401:
            known = await house.gatekeeper.knows(login.username)
            # What is no user's name may be somebody's password, typed into the wrong field: it is not written down.
            await house.audit(login.username if known else "unknown", "login_failed", "session")
        raise
    await house.audit(session.principal, "login", "session")
    response = JSONResponse(_who(Caller(session.principal, session)))
    house.gatekeeper.set_cookie(response, secret, session)
    return response


@router.get("/session", response_model=Who)
async def who_am_i(found: Reader) -> Response:
    return JSONResponse(_who(found))


@router.delete("/session", status_code=204)
async def log_out(found: Reader, house: House) -> Response:
    """Ends the login. A bearer token is not a login; it stays in force until it is revoked."""
    response = Response(status_code=204, headers={"Clear-Site-Data": '"cache"'})
    if found.session is not None:
        await house.gatekeeper.log_out(found.session)
        await house.audit(found.principal, "logout", "session")
        house.gatekeeper.clear_cookie(response)
    return response


def _who(found: Caller) -> dict[str, Any]:
    principal = found.principal
    return {
        "user": principal.name,
        "role": principal.role,
        "areas": list(principal.areas),
        "expires_at": optional_time(found.session.expires_at if found.session else None),
    }
