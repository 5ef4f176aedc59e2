"""HTTP towards addresses that may be dialled alone."""

import asyncio

import aiohttp
import pytest

from gateway.reach import Reach
from gateway.reach_http import ReachConnector


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]", "0.0.0.0"])
async def test_what_is_refused_is_never_dialled(host: str) -> None:
    async with aiohttp.ClientSession(connector=ReachConnector(Reach())) as http:
        with pytest.raises(aiohttp.ClientConnectorError, match="no device is dialled there"):
            await http.get(f"http://{host}/latest/meta-data/")


async def test_networks_hold_for_names_and_for_addresses() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with aiohttp.ClientSession(connector=ReachConnector(Reach.of(["127.0.0.0/8"]))) as http:
        assert (await http.get(f"http://127.0.0.1:{port}/")).status == 204
    async with aiohttp.ClientSession(connector=ReachConnector(Reach.of(["10.0.0.0/8"], key="allow.partners"))) as http:
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(aiohttp.ClientConnectorError, match=r"allow\.partners"):
                await http.get(f"http://{host}:{port}/")
    server.close()
    await server.wait_closed()
