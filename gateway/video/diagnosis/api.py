"""The part of the worker's HTTP API that is about what is wrong with pictures."""

from json import JSONDecodeError

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.video.diagnosis.patrol import Patrol
from gateway.video.diagnosis.wire import look_to_json, order_from_json, report_to_json


class DiagnosisApi:
    """Handlers, for the worker's core alone."""

    def __init__(self, patrol: Patrol) -> None:
        self._patrol = patrol

    def routes(self) -> list[Route]:
        return [
            Route("/diagnosis", self.order, methods=["PUT"]),
            Route("/cameras/{camera}/diagnosis", self.report),
            Route("/cameras/{camera}/diagnosis", self.look, methods=["POST"]),
            Route("/cameras/{camera}/reference", self.set_view, methods=["PUT"]),
            Route("/cameras/{camera}/reference", self.forget_views, methods=["DELETE"]),
        ]

    async def order(self, request: Request) -> Response:
        """How to patrol from now on: ``wire.PatrolOrder``."""
        try:
            self._patrol.take(order_from_json(await request.json()))
        except (JSONDecodeError, UnicodeDecodeError, ValueError) as fault:
            return JSONResponse({"detail": str(fault)}, status_code=400)
        return JSONResponse({"taken": True})

    async def report(self, request: Request) -> Response:
        return JSONResponse(report_to_json(self._patrol.report(_camera(request))))

    async def look(self, request: Request) -> Response:
        """Look now."""
        return JSONResponse(look_to_json(await self._patrol.look(_camera(request))))

    async def set_view(self, request: Request) -> Response:
        """``?by=NAME``: what the camera shows now is what it is to show."""
        await self._patrol.set_view(_camera(request), request.query_params.get("by", ""))
        return JSONResponse(report_to_json(self._patrol.report(_camera(request))))

    async def forget_views(self, request: Request) -> Response:
        return JSONResponse({"forgotten": self._patrol.forget_views(_camera(request))})


def _camera(request: Request) -> str:
    return str(request.path_params["camera"])
