"""The console's files, the rooms mounted beside it, and the outermost layer."""

import asyncio

import aiohttp
import pytest
from argon2 import PasswordHasher

from gateway.alerts.register import Register
from gateway.console.accounts import Accounts
from gateway.console.application import create_console
from gateway.console.server import HttpServer
from gateway.supervision.clock import SystemClock


@pytest.fixture
def web_root(tmp_path):
    root = tmp_path / "dist"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text("<!doctype html><title>console</title>")
    (root / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (root / "assets" / "index-BxK3v9aQ.js").write_text("export {}")
    (tmp_path / "secret.txt").write_text("secret")
    (root / "assets" / "way-out").symlink_to(tmp_path / "secret.txt")
    return root


@pytest.fixture
def console(tmp_path):
    """Start a console with these parts; its address."""
    running = []

    async def start(**parts) -> str:
        accounts = Accounts(tmp_path / "accounts.db", hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        accounts.add_user("wang", "viewer", "a long enough password")
        nothing = object()
        app = create_console(
            node=nothing,  # type: ignore[arg-type]
            ledger=parts.pop("ledger", nothing),
            media=nothing,  # type: ignore[arg-type]
            video=None,
            inventory=Register(),
            accounts=accounts,
            ready=list,
            clock=SystemClock(),
            **parts,
        )
        server = HttpServer(app, "127.0.0.1", 0)
        await server.start()
        running.append((server, asyncio.create_task(server.run())))
        return server.url

    start.running = running  # type: ignore[attr-defined]
    return start


@pytest.fixture(autouse=True)
async def stopping(console):
    yield
    for server, running in console.running:
        await server.stop(1)
        await running


BROWSER = {"Accept": "text/html,application/xhtml+xml"}


async def test_files_and_pages_of_the_console(console, web_root) -> None:
    async with aiohttp.ClientSession(await console(web_root=web_root)) as http:
        async with http.get("/") as answer:
            assert (answer.status, answer.content_type, answer.headers["Cache-Control"]) == (
                200,
                "text/html",
                "no-cache",
            )
        async with http.get("/alerts/01-x", headers=BROWSER) as answer:
            assert "<title>console</title>" in await answer.text()
        async with http.get("/assets/index-BxK3v9aQ.js") as answer:
            assert answer.content_type in ("text/javascript", "application/javascript")
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        async with http.get("/favicon.svg") as answer:
            assert answer.headers["Cache-Control"] == "no-cache"
        async with http.head("/") as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    "path",
    ["/assets/none-12345678.js", "/api/v1/none", "/api", "/cascade/v1/none", "/none.html", "/assets/way-out",
     "/%2e%2e/secret.txt", "/assets/%2e%2e/%2e%2e/secret.txt", "/..%2fsecret.txt", "/x%00.html", "/" + "x" * 600 + ".js", "/assets"],
)  # fmt: skip
async def test_nothing_else_is_served(console, web_root, path) -> None:
    headers = {} if path == "/assets" else BROWSER
    url = aiohttp.client.URL(f"{await console(web_root=web_root)}{path}", encoded=True)
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (404, "application/problem+json")
        assert "secret" not in (await answer.text()).replace("secret.txt", "")


@pytest.mark.parametrize("path", ["/%00", "//etc/passwd", "/../etc/passwd"])
async def test_odd_paths_are_pages_of_the_console_at_most(console, web_root, path) -> None:
    url = aiohttp.client.URL(f"{await console(web_root=web_root)}{path}", encoded=True)
    async with aiohttp.ClientSession() as http, http.get(url, headers=BROWSER) as answer:
        assert "<title>console</title>" in await answer.text()


async def test_metrics_are_not_on_this_listener(console, web_root) -> None:
    async with aiohttp.ClientSession(await console(web_root=web_root)) as http, http.get("/metrics") as answer:
        assert answer.status == 404


async def test_a_console_that_was_not_built_says_so(console) -> None:
    async with aiohttp.ClientSession(await console()) as http:
        async with http.get("/") as answer:
            assert answer.status == 200
            assert "not built" in await answer.text()
        async with http.get("/alerts", headers=BROWSER) as answer:
            assert "not built" in await answer.text()


async def test_other_rooms_are_reached_by_their_prefix_with_the_whole_path(console) -> None:
    async def room(scope, receive, send) -> None:
        assert "stopping" in scope["state"]
        body = scope["path"].encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async with aiohttp.ClientSession(await console(extra_mounts=[("/cascade", room)])) as http:
        for path in ("/cascade", "/cascade/v1/events"):
            async with http.put(path, data=b"x" * 200_000) as answer:  # their bodies are bounded by themselves
                assert await answer.text() == path
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
        async with http.get("/cascades") as answer:
            assert answer.status == 404


async def test_behind_tls_the_cookie_is_secure(console) -> None:
    class Ledger:
        async def write(self, work):
            return None

    url = await console(secure_cookies=True, ledger=Ledger())
    login = {"username": "wang", "password": "a long enough password"}
    async with aiohttp.ClientSession(url) as http, http.post("/api/v1/session", json=login) as answer:
        assert answer.status == 200
        assert "Secure" in answer.headers["Set-Cookie"].split("; ")
