"""The console as one ASGI application: the HTTP API, the event stream, the probes and the pages."""

from collections.abc import Callable, Sequence
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from gateway.console import problems
from gateway.console.accounts import Accounts
from gateway.console.api import alerts, cameras, session, terminals
from gateway.console.api import node as node_routes
from gateway.console.api.description import PROBLEMS, describe
from gateway.console.auth import Gatekeeper
from gateway.console.body_limit import BodyLimit
from gateway.console.edge import Edge
from gateway.console.inventory import Inventory, NodeInfo
from gateway.console.newsroom import Newsroom
from gateway.console.pages import pages
from gateway.console.services import Services
from gateway.console.views import API
from gateway.ports import Clock, Ledger, MediaStore, VideoService

_BODY_BYTES = 64 * 1024  # the largest body of the API is an action with its comment


def create_console(
    *,
    node: NodeInfo,
    ledger: Ledger,
    media: MediaStore,
    video: VideoService | None,
    inventory: Inventory,
    accounts: Accounts,
    ready: Callable[[], list[str]],
    clock: Clock,
    extra_mounts: Sequence[tuple[str, ASGIApp]] = (),
    web_root: Path | None = None,
    secure_cookies: bool = False,
) -> ASGIApp:
    """``ready`` gives the sentences that say why the node is not ready (none: it is). ``extra_mounts``: (path prefix,
    application) of other rooms. ``web_root``: the built console. ``secure_cookies``: behind TLS, ours or a proxy's."""
    app = FastAPI(
        title="Feed gateway",
        version="1",
        summary="Alerts of households and cameras, from the village to the county.",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    gatekeeper = Gatekeeper(accounts, secure_cookies=secure_cookies)
    newsroom = Newsroom(ledger, video, inventory, clock)
    app.state.gatekeeper = gatekeeper
    app.state.services = Services(node, ledger, media, video, inventory, gatekeeper, newsroom, ready, clock)
    problems.install(app)
    for room in (session, alerts, cameras, terminals, node_routes):
        app.include_router(room.router, responses=PROBLEMS)
    app.include_router(_probes(ready))
    app.include_router(pages(web_root))
    app.openapi = describe(app)  # type: ignore[method-assign]  # FastAPI's own way to extend it
    return Edge(BodyLimit(app, _BODY_BYTES), extra_mounts)


def _operation_id(route: APIRoute) -> str:
    """The function's name: what client generators make of it is then readable."""
    return route.name


def _probes(ready: Callable[[], list[str]]) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.api_route("/livez", methods=["GET", "HEAD"])
    async def livez() -> JSONResponse:
        return JSONResponse({"alive": True}, headers={"Cache-Control": "no-store"})

    @router.api_route("/readyz", methods=["GET", "HEAD"])
    async def readyz() -> JSONResponse:
        reasons = ready()
        return JSONResponse(
            {"ready": not reasons, "reasons": reasons}, 503 if reasons else 200, headers={"Cache-Control": "no-store"}
        )

    return router
