"""What pages are told of the configuration, and from where they may show map tiles."""

import asyncio

import aiohttp
import pytest
from argon2 import PasswordHasher
from pydantic import ValidationError

from gateway import __version__
from gateway.alerts.register import Register
from gateway.config.sections.console import ConsoleSettings
from gateway.console.accounts import Accounts
from gateway.console.application import create_console
from gateway.console.edge import tile_hosts
from gateway.console.server import HttpServer
from gateway.supervision.clock import SystemClock


async def test_pages_are_told_of_no_tiles_where_none_are_configured(house, http, log_in) -> None:
    async with http.get("/api/v1/console", headers=await log_in("viewer")) as answer:
        told = await answer.json()
        assert answer.status == 200
        assert "img-src 'self' blob: data:; media-src" in answer.headers["Content-Security-Policy"]
    assert told["map"] == {
        "tiles": None,
        "attribution": "",
        "max_zoom": 18,
        "crs": "wgs84",
        "center": None,
        "zoom": 14,
    }
    assert (told["instructions"], told["version"]) == ({}, __version__)


async def test_tiles_and_instructions_reach_the_pages_and_the_content_policy(tmp_path) -> None:
    accounts = Accounts(tmp_path / "accounts.db", hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    bearer = {"Authorization": f"Bearer {accounts.add_token('desk', 'viewer')}"}
    nothing = object()
    settings = ConsoleSettings.model_validate(
        {
            "map": {
                "tiles": "https://tiles.county.example:8443/{z}/{x}/{y}.png",
                "crs": "gcj02",
                "center": [107.2, 30.7],
            },
            "instructions": {"fire": "先拨打 119。"},
        }
    )
    app = create_console(
        node=nothing,  # type: ignore[arg-type]
        ledger=nothing,  # type: ignore[arg-type]
        media=nothing,  # type: ignore[arg-type]
        video=None,
        inventory=Register(),
        accounts=accounts,
        ready=list,
        clock=SystemClock(),
        settings=settings,
    )
    server = HttpServer(app, "127.0.0.1", 0)
    await server.start()
    running = asyncio.create_task(server.run())
    try:
        async with (
            aiohttp.ClientSession(server.url) as http,
            http.get("/api/v1/console", headers=bearer) as answer,
        ):
            told = await answer.json()
            policy = answer.headers["Content-Security-Policy"]
    finally:
        await server.stop(1)
        await running
    assert told["map"]["center"] == [107.2, 30.7]
    assert told["map"]["crs"] == "gcj02"
    assert told["instructions"] == {"fire": "先拨打 119。"}
    assert "img-src 'self' blob: data: https://tiles.county.example:8443;" in policy
    assert policy.count("tiles.county.example") == 1  # scripts, styles and requests stay at home


@pytest.mark.parametrize(
    ("tiles", "hosts"),
    [
        (None, ()),
        ("/tiles/{z}/{x}/{y}.png", ()),
        ("http://10.0.0.9/{z}/{x}/{y}.png", ("http://10.0.0.9",)),
        ("https://{s}.map.example/{z}/{x}/{y}", ("https://*.map.example",)),
        ("//map.example/{z}/{x}/{y}", ("map.example",)),
        ("http://[fd00::1]:81/{z}/{x}/{y}", ("http://[fd00::1]:81",)),
        ("http://evil; script-src */{z}/{x}/{y}", ()),
    ],
)
def test_host_of_the_tiles(tiles, hosts) -> None:
    assert tile_hosts(tiles) == hosts


def test_tiles_are_an_address_with_places_for_their_numbers() -> None:
    with pytest.raises(ValidationError, match=r"\{z\}, \{x\} and \{y\}"):
        ConsoleSettings.model_validate({"map": {"tiles": "http://tiles.example/"}})
