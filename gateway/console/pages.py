"""The console's files, and the page that is shown where it was not built."""

import re
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.responses import FileResponse, HTMLResponse

from gateway.console.problems import Problem

_HASHED = re.compile(r"[.-][A-Za-z0-9_-]{8,}\.[a-z0-9]+$")  # index-BxK3v9aQ.js: its name changes with its content
_NOT_BUILT = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>gateway</title><h1>The console is not built</h1>"
    "<p>The API answers at <a href=/api/v1/openapi.json>/api/v1</a>. Build the console with"
    " <code>python -m gateway.console.web.build</code>, or install the wheel, which holds it.</html>"
)


def pages(web_root: Path | None) -> APIRouter:
    """Serve ``web_root``. A path that is no file is a page of the console when a browser asks for one."""
    router = APIRouter(include_in_schema=False)
    root = None if web_root is None else web_root.resolve()

    @router.api_route("/{path:path}", methods=["GET", "HEAD"])
    async def page(path: str, request: Request) -> Response:
        found = None if root is None else _file(root, path)
        if found is not None and found.name != "index.html":
            hashed = _HASHED.search(found.name) is not None
            return FileResponse(
                found, headers={"Cache-Control": "public, max-age=31536000, immutable" if hashed else "no-cache"}
            )
        if not _is_page(path, request):
            raise Problem(404, f"There is nothing at {request.url.path}.")
        index = None if root is None else _file(root, "index.html")
        if index is None:
            return HTMLResponse(_NOT_BUILT, headers={"Cache-Control": "no-store"})
        return FileResponse(index, headers={"Cache-Control": "no-cache"})

    return router


def _file(root: Path, path: str) -> Path | None:
    """The file of that path inside ``root``, or None; links and dots do not lead out of it."""
    if "\0" in path or len(path) > 512:
        return None
    found = (root / path).resolve()
    return found if found.is_relative_to(root) and found.is_file() else None


def _is_page(path: str, request: Request) -> bool:
    if path in ("", "index.html"):
        return True
    first, last = path.split("/")[0], path.rsplit("/")[-1]
    return (
        first not in ("api", "assets", "cascade")
        and "." not in last
        and "text/html" in request.headers.get("accept", "")
    )
