"""The console as one ASGI application: the HTTP API, the event stream, the probes and the pages."""

from collections.abc import Callable, Sequence
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from gateway.alerts.arming import Arming
from gateway.alerts.taxonomy import Taxonomy
from gateway.alerts.trials import Trials
from gateway.config.sections.console import ConsoleSettings
from gateway.console import problems
from gateway.console.accounts import Accounts
from gateway.console.api import actions, alerts, cameras, reload_route, session, terminals
from gateway.console.api import arming as arming_routes
from gateway.console.api import assessment as assessment_routes
from gateway.console.api import audit as audit_routes
from gateway.console.api import bundle as bundle_routes
from gateway.console.api import console as console_routes
from gateway.console.api import deliveries as delivery_routes
from gateway.console.api import devices as devices_routes
from gateway.console.api import diagnosis as diagnosis_routes
from gateway.console.api import enrolment as enrolment_routes
from gateway.console.api import export as export_routes
from gateway.console.api import figures as figure_routes
from gateway.console.api import handovers as handover_routes
from gateway.console.api import households as household_routes
from gateway.console.api import live as live_routes
from gateway.console.api import maintenance as maintenance_routes
from gateway.console.api import node as node_routes
from gateway.console.api import preferences as preference_routes
from gateway.console.api import registers as register_routes
from gateway.console.api import reports as report_routes
from gateway.console.api import retention as retention_routes
from gateway.console.api import tasks as task_routes
from gateway.console.api import trials as trial_routes
from gateway.console.api import users as user_routes
from gateway.console.api.access import may_look
from gateway.console.api.description import PROBLEMS, describe
from gateway.console.auth import Caller, Gatekeeper
from gateway.console.blanks import Blanks
from gateway.console.body_limit import BodyLimit
from gateway.console.edge import Edge, tile_hosts
from gateway.console.handovers import Handovers
from gateway.console.heads import Heads
from gateway.console.households import Households
from gateway.console.inventory import Inventory, NodeInfo
from gateway.console.newsroom import Newsroom
from gateway.console.node_key import NodeKey
from gateway.console.pages import pages
from gateway.console.preferences import Preferences
from gateway.console.registrar import Registrar
from gateway.console.services import Care, Reload, Services
from gateway.console.views import API
from gateway.console.watching import Watching
from gateway.delivery.desk import DeliveryDesk
from gateway.ports import Clock, DeviceService, Ledger, LiveService, MediaStore, Uplinks, VideoService
from gateway.reporting.subtree import Subtree

_BODY_BYTES = 64 * 1024  # the largest body of the API is an action with its comment
_LARGER = dict.fromkeys(register_routes.UPLOADS, register_routes.LARGEST_TABLE)


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
    reload: Reload | None = None,
    devices: DeviceService | None = None,
    arming: Arming | None = None,
    registrar: Registrar | None = None,
    households: Households | None = None,
    trials: Trials | None = None,
    callback_after: float = 120.0,
    below: Subtree | None = None,
    deliveries: DeliveryDesk | None = None,
    taxonomy: Taxonomy | None = None,
    settings: ConsoleSettings | None = None,
    live: LiveService | None = None,
    uplinks: Uplinks | None = None,
    node_key: NodeKey | None = None,
    care: Care | None = None,
) -> ASGIApp:
    """``ready`` gives the sentences that say why the node is not ready (none: it is). ``extra_mounts``: (path prefix,
    application) of other rooms. ``web_root``: the built console. ``secure_cookies``: behind TLS, ours or a proxy's.
    ``reload``: takes the changed configuration over; see Services. ``node_key``: what case bundles are signed with."""
    shown = settings or ConsoleSettings()
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
    newsroom = Newsroom(ledger, video, inventory, clock, below)
    app.state.gatekeeper = gatekeeper

    async def may_go_on(caller: Caller, camera_id: str) -> bool:
        return gatekeeper.still(caller) and await may_look(app.state.services, camera_id, caller)

    app.state.preferences = Preferences(accounts.file)
    app.state.handovers = Handovers(accounts.file, clock.now)
    app.state.services = Services(
        node,
        ledger,
        media,
        video,
        inventory,
        gatekeeper,
        newsroom,
        ready,
        clock,
        reload,
        devices=devices,
        arming=arming,
        registrar=registrar,
        households=households,
        trials=trials,
        callback_after=callback_after,
        below=below,
        deliveries=deliveries,
        taxonomy=taxonomy or Taxonomy(),
        node_key=node_key,
        care=care or Care(),
        settings=shown,
        live=live,
        uplinks=uplinks,
        watching=None if live is None else Watching(live, may_go_on),
    )
    problems.install(app)
    for room in (
        session,
        user_routes,
        alerts,
        actions,
        task_routes,
        register_routes,  # before those whose paths end with an id
        cameras,
        diagnosis_routes,
        enrolment_routes,
        devices_routes,
        live_routes,
        arming_routes,
        terminals,
        household_routes,
        trial_routes,
        node_routes,
        audit_routes,
        bundle_routes,
        export_routes,
        retention_routes,
        preference_routes,
        handover_routes,
        console_routes,
        figure_routes,
        report_routes,
        delivery_routes,
        maintenance_routes,
        assessment_routes,
        reload_route,
    ):
        app.include_router(room.router, responses=PROBLEMS)
    app.include_router(_probes(ready))
    app.include_router(pages(web_root))
    app.openapi = describe(app)  # type: ignore[method-assign]  # FastAPI's own way to extend it
    asked = Heads(Blanks(BodyLimit(app, _BODY_BYTES, _LARGER), (f"{API}/alerts",)), f"{API}/", _knows_head)
    return Edge(asked, extra_mounts, images=tile_hosts(shown.map.tiles))


def _knows_head(path: str) -> bool:
    """A look at a clip's length is no viewing of it."""
    return path.endswith(".mp4")


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
