"""Reloading the configuration: the plan is the answer, or the reason why it was not taken."""

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse

from gateway.config.plan import PlanRefused
from gateway.console.api import schemas
from gateway.console.auth import Configurer
from gateway.console.problems import Problem
from gateway.console.services import House
from gateway.console.views import API
from gateway.errors import ConfigError

router = APIRouter(prefix=API, tags=["node"])


class ReloadOrder(BaseModel):
    """`yes`: take the plan however many cameras or terminals it removes. `retry`: passwords were mended at the cameras; those
    that refused theirs are asked once more."""

    model_config = ConfigDict(extra="forbid")

    yes: bool = False
    retry: bool = False

    def words(self) -> str | None:
        """For the audit."""
        return ", ".join(name for name, said in (("yes", self.yes), ("retry", self.retry)) if said) or None


_NOTHING_SAID = ReloadOrder()


@router.post(
    "/reload",
    response_model=schemas.Plan,
    responses={409: {"model": schemas.RefusedPlan, "description": "it removes too much to be taken without `yes`"}},
)
async def reload(found: Configurer, house: House, order: ReloadOrder = _NOTHING_SAID) -> Response:
    """Read the configuration file anew and restart only the cameras that changed; the answer says what changed."""
    if house.reload is None:
        raise Problem(503, "This node has no configuration file to read anew.")
    await house.audit(found.principal, "reload", f"nodes/{house.node.id}", detail=order.words())
    try:
        plan = await house.reload(order.yes, retry=order.retry)
    except PlanRefused as error:
        raise Problem(409, f"The configuration was not reloaded: {error}.", plan=error.plan.to_json()) from None
    except ConfigError as error:
        raise Problem(422, "The configuration has faults; it was not reloaded.", faults=list(error.faults)) from None
    return JSONResponse(plan.to_json())
