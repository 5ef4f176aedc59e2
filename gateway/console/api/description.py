"""The OpenAPI 3.1 description: what FastAPI derives, with every error told as the problem that it is."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gateway.console.api.schemas import Problem
from gateway.console.problems import MEDIA_TYPE

PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "nobody is logged in, or the token is not in force"},
    403: {"model": Problem, "description": "the caller has no right to it"},
    422: {"model": Problem, "description": "the request is not understood"},
    503: {"model": Problem, "description": "not now: the ledger or the accounts cannot be used"},
    "default": {"model": Problem, "description": "a problem"},
}


def describe(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """What ``app.openapi`` shall be; made once, when first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                openapi_version="3.1.0",
                summary=app.summary,
                routes=app.routes,
            )
            for path in schema["paths"].values():
                for operation in path.values():
                    _tell_problems(operation["responses"])
            app.openapi_schema = schema
        return app.openapi_schema

    return openapi


def _tell_problems(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        content = response.get("content", {})
        if (status == "default" or status >= "400") and "application/json" in content:
            response["content"] = {MEDIA_TYPE: content["application/json"]}


def answers(media_type: str, description: str) -> dict[str, Any]:
    """A 200 that is no JSON."""
    return {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}
