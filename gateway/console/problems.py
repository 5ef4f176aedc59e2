"""Errors as RFC 9457 problem details: ``application/problem+json`` for every one of them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from gateway.errors import StoreFailed, UsageError

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """Raised anywhere below a route. ``detail`` is a sentence for a person; ``members`` are extension members."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


def problem_response(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, members: Mapping[str, Any] | None = None
) -> JSONResponse:
    """RFC 9457 §4.2.1: ``about:blank`` means the status says what kind of problem it is."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **(members or {})}
    return JSONResponse(body, status, headers={"Cache-Control": "no-store", **(headers or {})}, media_type=MEDIA_TYPE)


def sentence(error: Exception) -> str:
    """What an error says, with a capital and a full stop."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith(".") else ".")


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` with a problem."""

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> JSONResponse:
        return problem_response(error.status, error.detail, headers=error.headers, members=error.members)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        return problem_response(error.status_code, _http_detail(request, error), headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        if not _says_json(request) and any(_is_unread_body(fault) for fault in error.errors()):
            return problem_response(415, "application/json is accepted here: say so in Content-Type.")
        faults = [
            {"where": _where(fault["loc"]), "what": fault["msg"].removeprefix("Value error, ")}
            for fault in error.errors()
        ]
        detail = "; ".join(f"{fault['where']}: {fault['what']}" for fault in faults[:5])
        return problem_response(422, detail, members={"errors": faults})

    @app.exception_handler(StoreFailed)
    async def store(_: Request, error: StoreFailed) -> JSONResponse:
        return problem_response(503, str(error))

    @app.exception_handler(UsageError)
    async def accounts(_: Request, error: UsageError) -> JSONResponse:
        return problem_response(503, str(error))

    @app.exception_handler(Exception)
    async def unexpected(_: Request, __: Exception) -> JSONResponse:
        return problem_response(500, "The gateway made a mistake; its log says more. Trying again may help.")


def _says_json(request: Request) -> bool:
    essence = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return essence == "application/json" or (essence.startswith("application/") and essence.endswith("+json"))


def _is_unread_body(fault: Mapping[str, Any]) -> bool:
    """It came, and was not looked into, for it does not call itself JSON."""
    return fault["loc"] == ("body",) and isinstance(fault.get("input"), bytes)


def _http_detail(request: Request, error: HTTPException) -> str:
    if error.status_code == 404 and error.detail == HTTPStatus(404).phrase:
        return f"There is nothing at {request.url.path}."
    if error.status_code == 405:
        return f"{request.method} is not possible at {request.url.path}."
    return str(error.detail)


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "request"
