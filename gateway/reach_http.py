"""HTTP towards addresses that may be dialled alone: looked at after the name was looked up, and dialled as they were found."""

import errno
from typing import Any

import aiohttp
from aiohttp.abc import ResolveResult

from gateway.reach import NotReachable, Reach


class ReachConnector(aiohttp.TCPConnector):
    """What is not to be dialled is refused as an OSError in words, which aiohttp tells as a ClientConnectorError."""

    def __init__(self, reach: Reach, **options: Any) -> None:
        super().__init__(**options)
        self._reach = reach

    async def _resolve_host(self, host: str, port: int, traces: Any = None) -> list[ResolveResult]:
        # aiohttp asks its public resolver for names alone, and not for addresses.
        found = await super()._resolve_host(host, port, traces)
        try:
            self._reach.require(host, [each["host"] for each in found])
        except NotReachable as refused:
            raise OSError(errno.EACCES, str(refused)) from None
        return found
