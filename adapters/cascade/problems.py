"""What a lower node is answered: JSON, and problems as RFC 9457 in plain sentences."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response


class Problem(Exception):
    """Ends a request with a problem. ``detail`` says what is wrong and what is accepted."""

    def __init__(self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    def response(self) -> Response:
        content = {"type": "about:blank", "title": self.status.phrase, "status": self.status, "detail": self.detail}
        return json_response(content, self.status, self.headers, media_type="application/problem+json")


def json_response(
    content: Any,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """ASCII with escapes: an answer may quote what a peer sent, which need not be encodable as UTF-8."""
    return Response(json.dumps(content), status, headers, media_type)
