"""Who asks, and what they may do.

A request carries either ``Authorization: Bearer …`` or the session cookie. A cookie is sent by the browser whoever made
the page, so unsafe requests with it must come from our own pages: SameSite=Strict, and where the browser says where the
request comes from (Sec-Fetch-Site, Origin) it must be here. A client that sends neither header is no browser.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response
from fastapi.security import APIKeyCookie, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from gateway.console.account_records import LockedOut, Session, WrongPassword
from gateway.console.accounts import Accounts
from gateway.console.problems import Problem
from gateway.errors import UsageError
from gateway.model import Principal
from gateway.observability import events

T = TypeVar("T")

COOKIE = "gateway_session"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_WAITING_LOGINS = 32  # at about 20 a second; a longer line would only make everybody give up


class Right(StrEnum):
    """What a role may do. Looking at pictures is part of reading, and every look is audited."""

    READ = "read"
    ACT = "act"
    CONFIGURE = "configure"
    AUDIT = "audit"
    ADMINISTER = "administer"


RIGHTS: dict[str, frozenset[Right]] = {
    "viewer": frozenset({Right.READ}),
    "operator": frozenset({Right.READ, Right.ACT}),
    "maintainer": frozenset({Right.READ, Right.CONFIGURE, Right.AUDIT}),
    "admin": frozenset(Right),
    "node": frozenset(),  # nodes talk to /cascade only
}


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal and how it showed who it is: ``session`` for a cookie, else ``token``. ``address``: of the client."""

    principal: Principal
    session: Session | None = None
    token: str | None = None
    address: str | None = None

    def may(self, right: Right) -> bool:
        return right in RIGHTS.get(self.principal.role, frozenset())


def covers(principal: Principal, area_code: str | None) -> bool:
    """Whether something at ``area_code`` is the principal's business. No areas of its own means all areas."""
    if not principal.areas:
        return True
    return area_code is not None and area_code.startswith(principal.areas)


def may_call(principal: Principal) -> bool:
    """Whether the principal is shown households' telephone numbers: who only looks calls nobody back."""
    return principal.role != "viewer"


def concerns(principal: Principal, alert_area: str | None) -> bool:
    """Whether an alert there is the principal's business: one from nowhere known is everybody's, for somebody has to
    answer it."""
    return alert_area is None or covers(principal, alert_area)


class Gatekeeper:
    """Logs in and out, and says who asks. Passwords are verified one at a time on a thread of its own: Argon2 is slow
    on purpose, and so a burst of guesses cannot outrun the count of its failures, nor the event loop wait for it."""

    def __init__(self, accounts: Accounts, *, secure_cookies: bool) -> None:
        self._accounts = accounts
        self._secure = secure_cookies
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="accounts")
        self._waiting = 0
        self._touching: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def log_in(self, name: str, password: str, address: str = "") -> tuple[str, Session]:
        """The cookie's value and the session. ``address``: of the client. Raises Problem 401, 429 or 503."""
        try:
            return await self._on_thread(lambda: self._accounts.log_in(name, password, address))
        except WrongPassword as error:
            events.login_refused("password")
            raise Problem(401, f"{error}.", headers={"WWW-Authenticate": "Bearer"}) from None
        except LockedOut as error:
            events.login_refused("locked")
            raise Problem(429, f"{error}.", headers={"Retry-After": str(error.seconds)}) from None

    async def log_out(self, session: Session) -> None:
        await self._on_thread(lambda: self._accounts.log_out(session))

    def sessions(self) -> list[Session]:
        """Every login in force."""
        return self._accounts.sessions()

    def fault(self) -> str | None:
        """Why nobody can be let in; None while the accounts can be read."""
        return self._accounts.fault()

    async def manage(self, work: Callable[[Accounts], T]) -> T:
        """What an administrator does with the accounts, in its turn with the logins. Raises Problem 503 and what ``work``
        raises."""
        return await self._on_thread(lambda: work(self._accounts))

    async def knows(self, name: str) -> bool:
        return await self._on_thread(lambda: self._accounts.knows(name))

    def set_cookie(self, response: Response, secret: str, session: Session, scheme: str = "http") -> None:
        """``scheme``: by which the browser came, perhaps to a proxy before us."""
        response.set_cookie(
            COOKIE,
            secret,
            max_age=int((session.expires_at - session.created_at).total_seconds()),
            path="/",
            secure=self._secure or scheme == "https",
            httponly=True,
            samesite="strict",
        )

    def clear_cookie(self, response: Response, scheme: str = "http") -> None:
        secure = self._secure or scheme == "https"
        response.delete_cookie(COOKIE, path="/", secure=secure, httponly=True, samesite="strict")

    def identify(self, bearer: str | None, cookie: str | None) -> Caller | None:
        """Who shows these; a bearer token goes before a cookie. None where neither is in force."""
        if bearer is not None:
            principal = self._accounts.holder(bearer)
            return None if principal is None else Caller(principal, token=bearer)
        session = None if cookie is None else self._accounts.session(cookie)
        if session is None:
            return None
        self._keep_alive(session)
        return Caller(session.principal, session=session, token=cookie)

    def still(self, caller: Caller) -> bool:
        """Whether the caller's token or login is still in force, with the same rights."""
        bearer, cookie = (None, caller.token) if caller.session else (caller.token, None)
        now = self.identify(bearer, cookie)
        return now is not None and now.principal == caller.principal

    def _keep_alive(self, session: Session) -> None:
        if session.digest in self._touching or not self._accounts.wants_touch(session):
            return
        if self._waiting >= _WAITING_LOGINS:
            return
        self._touching.add(session.digest)
        task = asyncio.get_running_loop().create_task(self._touch(session))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _touch(self, session: Session) -> None:
        try:
            await self._on_thread(lambda: self._accounts.touch(session))
        except (Problem, UsageError) as error:
            events.session_not_touched(str(error))
        finally:
            self._touching.discard(session.digest)

    async def _on_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= _WAITING_LOGINS:
            raise Problem(503, "Too many people are logging in at once: try again.", headers={"Retry-After": "3"})
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1


_bearer = HTTPBearer(auto_error=False, description="a token made by `gateway token add`")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="the session that POST /session opens")


async def caller(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    cookie: Annotated[str | None, Depends(_cookie)],
) -> Caller:
    """FastAPI dependency: the caller. Raises Problem 401, or 403 for a request that another site's page made."""
    gatekeeper: Gatekeeper = request.app.state.gatekeeper
    found = gatekeeper.identify(None if bearer is None else bearer.credentials, cookie)
    if found is None:
        shown = "token" if bearer else "session" if cookie else "none"
        fault = None if shown == "none" else gatekeeper.fault()
        if fault is not None:
            raise Problem(503, f"Nobody can be let in just now: {fault}.")
        if shown != "none":
            events.caller_refused(shown)
        raise Problem(401, _NOT_IN_FORCE[shown], headers={"WWW-Authenticate": "Bearer"})
    if found.session is not None:
        require_own_page(request)
    return found if request.client is None else replace(found, address=request.client.host)


def having(right: Right) -> Callable[[Caller], Awaitable[Caller]]:
    """FastAPI dependency: the caller, who has ``right``. Raises Problem 401 | 403."""

    async def check(found: Annotated[Caller, Depends(caller)]) -> Caller:
        if not found.may(right):
            raise Problem(403, f"The role {found.principal.role} has no right to {right} here.")
        return found

    return check


def having_one(*rights: Right) -> Callable[[Caller], Awaitable[Caller]]:
    """FastAPI dependency: the caller, who has one of ``rights``. Raises Problem 401 | 403."""

    async def check(found: Annotated[Caller, Depends(caller)]) -> Caller:
        if not any(map(found.may, rights)):
            raise Problem(403, f"The role {found.principal.role} has no right to {' or '.join(rights)} here.")
        return found

    return check


def require_own_page(request: Request) -> None:
    """Refuse what a page of another site made a browser send. Raises Problem 403."""
    if request.method in _SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site not in (None, "same-origin", "none") or (origin is not None and not _is_here(request, origin)):
        events.caller_refused("cross_site")
        raise Problem(403, "This request was made by a page of another site; it is refused.")


def _is_here(request: Request, origin: str) -> bool:
    """Only host and port are compared: behind a proxy that ends TLS the scheme is not ours to know."""
    return urlsplit(origin).netloc.casefold() == request.headers.get("host", "").casefold() != ""


_NOT_IN_FORCE = {
    "token": "This bearer token is not in force: it is wrong or was revoked.",
    "session": "This login has ended: log in again.",
    "none": "Log in first, or send a bearer token.",
}

Reader = Annotated[Caller, Depends(having(Right.READ))]
Actor = Annotated[Caller, Depends(having(Right.ACT))]
Configurer = Annotated[Caller, Depends(having(Right.CONFIGURE))]
Administrator = Annotated[Caller, Depends(having(Right.ADMINISTER))]
Auditor = Annotated[Caller, Depends(having(Right.AUDIT))]
