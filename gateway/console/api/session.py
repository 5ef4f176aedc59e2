"""Logging in and out."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from gateway.canonical import sha256_hex
from gateway.codec import optional_time
from gateway.console.account_records import Session
from gateway.console.api.paging import page
from gateway.console.api.schemas import Page
from gateway.console.api.schemas import Problem as ProblemShape
from gateway.console.auth import Caller, Reader, require_own_page
from gateway.console.problems import Problem
from gateway.console.services import House
from gateway.console.views import API
from gateway.model import rfc3339

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


class LoginInForce(BaseModel):
    """``this``: the one that asks. ``seen_at`` is five minutes coarse."""

    id: str
    user: str
    role: str
    began_at: datetime
    seen_at: datetime
    expires_at: datetime
    this: bool


@router.post(
    "/session",
    response_model=Who,
    responses={429: {"model": ProblemShape, "description": "too many wrong passwords"}},
)
async def log_in(login: Login, request: Request, house: House) -> Response:
    require_own_page(request)
    try:
        address = "" if request.client is None else request.client.host
        secret, session = await house.gatekeeper.log_in(login.username, login.password, address)
    except Problem as problem:
        if problem.status == 401:
            known = await house.gatekeeper.knows(login.username)
            # What is no user's name may be somebody's password, typed into the wrong field: it is not written down.
            await house.audit(login.username if known else "unknown", "login_failed", "session")
        raise
    await house.audit(session.principal, "login", "session")
    response = JSONResponse(_who(Caller(session.principal, session)))
    house.gatekeeper.set_cookie(response, secret, session, request.url.scheme)
    return response


@router.get("/session", response_model=Who)
async def who_am_i(found: Reader) -> Response:
    return JSONResponse(_who(found))


@router.delete("/session", status_code=204)
async def log_out(request: Request, found: Reader, house: House) -> Response:
    """Ends the login. A bearer token is not a login; it stays in force until it is revoked."""
    response = Response(status_code=204, headers={"Clear-Site-Data": '"cache"'})
    if found.session is not None:
        await house.gatekeeper.log_out(found.session)
        if house.watching is not None:
            await house.watching.logged_out(found)
        await house.audit(found.principal, "logout", "session")
        house.gatekeeper.clear_cookie(response, request.url.scheme)
    return response


@router.get("/sessions", response_model=Page[LoginInForce])
async def sessions(found: Reader, house: House) -> Response:
    """Your own logins in force; an administrator's list has everybody's."""
    shown = [_login(each, found) for each in house.gatekeeper.sessions() if _may_end(each, found)]
    return JSONResponse(page(shown, None))


@router.delete(
    "/sessions/{login_id}",
    status_code=204,
    response_class=Response,
    responses={404: {"model": ProblemShape, "description": "it is not here"}},
)
async def end_session(
    login_id: Annotated[str, Path(min_length=1, max_length=64)], found: Reader, house: House
) -> Response:
    """End a login of your own, or as an administrator anybody's."""
    wanted = next((each for each in house.gatekeeper.sessions() if _id(each) == login_id), None)
    if wanted is None or not _may_end(wanted, found):
        raise Problem(404, "There is no such login in force.")
    await house.audit(found.principal, "end_session", f"users/{wanted.principal.name}")
    await house.gatekeeper.log_out(wanted)
    return Response(status_code=204)


def _may_end(session: Session, found: Caller) -> bool:
    own = found.session is not None and session.principal.name == found.principal.name
    return own or found.principal.role == "admin"


def _id(session: Session) -> str:
    """Names a login without helping anybody to use it."""
    return sha256_hex(session.digest.encode())[:32]


def _login(session: Session, found: Caller) -> dict[str, Any]:
    return {
        "id": _id(session),
        "user": session.principal.name,
        "role": session.principal.role,
        "began_at": rfc3339(session.created_at),
        "seen_at": rfc3339(session.seen_at),
        "expires_at": rfc3339(session.expires_at),
        "this": found.session is not None and found.session.digest == session.digest,
    }


def _who(found: Caller) -> dict[str, Any]:
    principal = found.principal
    return {
        "user": principal.name,
        "role": principal.role,
        "areas": list(principal.areas),
        "expires_at": optional_time(found.session.expires_at if found.session else None),
    }
