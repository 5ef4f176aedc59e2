"""Telling simulated cameras what to do while they run: orders as lines of JSON, and faults that change by themselves."""

import asyncio
import json
import random
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gateway.errors import UsageError
from gateway.lab.faults import FAULTS, Assignment, churned, parse, select
from gateway.lab.rtsp_server import RtspServer

_LINE_LIMIT = 64 * 1024


class TakesOrders(Protocol):
    """Whoever is told what to do by lines of JSON."""

    async def order(self, line: str) -> dict[str, Any]: ...


class Control:
    """Carries out orders (see the lab's README). ``draw`` chooses where a share of the cameras is asked for."""

    def __init__(self, server: RtspServer, draw: random.Random) -> None:
        self._server, self._draw = server, draw

    async def order(self, line: str) -> dict[str, Any]:
        """One order and its answer: ``{"ok": true, …}`` or ``{"error": a sentence}``."""
        try:
            wanted = json.loads(line)
        except ValueError:
            return {"error": f"an order is one line of JSON, not {line[:60]!r}"}
        if not isinstance(wanted, dict):
            return {"error": "an order is a JSON object"}
        try:
            return {"ok": True} | await self._carry_out(wanted)
        except UsageError as error:
            return {"error": str(error)}

    async def assign(self, assignment: Assignment) -> list[int]:
        """Give the chosen cameras the fault; their numbers. Raises UsageError."""
        cameras = self._cameras(assignment.cameras)
        await self._server.set_fault(assignment.fault, cameras, assignment.argument)
        return cameras

    async def churn(self, every: float, share: float, tell: Callable[[str], None]) -> None:
        """For ever: each ``every`` seconds other faults for another ``share`` (0 to 1) of the cameras."""
        while True:
            chosen = await self._draw_faults(share)
            tell(f"faults drawn anew for {len(chosen)} of {len(self._server.cameras)} cameras")
            await asyncio.sleep(every)

    async def _draw_faults(self, share: float) -> list[int]:
        """Faults for this share of the cameras, health for the others; the numbers of the faulty ones."""
        names = [name for name, fault in FAULTS.items() if self._server.credential or not fault.needs_login]
        numbers = sorted(self._server.cameras)
        chosen = sorted(self._draw.sample(numbers, round(share * len(numbers))))
        self._server.clear()
        for number, fault in churned(names, chosen, self._draw).items():
            await self._server.set_fault(fault, [number])
        return chosen

    async def _carry_out(self, wanted: dict[str, Any]) -> dict[str, Any]:
        if "set" in wanted:
            text = f"{wanted['set']}:{wanted.get('cameras', 'all')}"
            return {"cameras": len(await self.assign(parse(text)))}
        if "clear" in wanted:
            cameras = self._cameras(str(wanted["clear"]))
            self._server.clear(cameras)
            return {"cameras": len(cameras)}
        if "draw" in wanted:
            share = wanted["draw"]
            if not isinstance(share, int | float) or not 0 <= share <= 1:
                raise UsageError('"draw" is the share of cameras that get a fault, 0 to 1')
            return {"faulty": await self._draw_faults(share)}
        if "power" in wanted:
            if wanted["power"] not in ("on", "off"):
                raise UsageError('"power" is "on" or "off"')
            cameras = self._cameras(str(wanted.get("cameras", "all")))
            self._server.power(wanted["power"] == "on", cameras)
            return {"cameras": len(cameras)}
        if wanted.get("figures"):
            counts = self._server.counts()
            if wanted["figures"] == "reset":
                self._server.figures.forget_highest()
            return counts
        raise UsageError('an order has one of the keys "set", "clear", "draw", "power" and "figures"')

    def _cameras(self, text: str) -> list[int]:
        return select(text, len(self._server.cameras), self._draw)


async def obey_standard_input(control: TakesOrders) -> None:
    """Carry out the orders on standard input, each answered by one line on standard output, until its end."""
    reader = asyncio.StreamReader(limit=_LINE_LIMIT)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while line := await reader.readline():
            if line.strip():
                print(json.dumps(await control.order(line.decode("utf-8", "replace"))), flush=True)  # noqa: T201
    except ValueError as error:  # a line beyond the limit
        print(json.dumps({"error": str(error)}), flush=True)  # noqa: T201
    finally:
        transport.close()


def fault_table() -> Sequence[tuple[str, str]]:
    """Every fault as ``NAME[=usual argument]`` and what it does."""
    return [
        (fault.name if fault.usual is None else f"{fault.name}={fault.usual:g}", fault.text)
        for fault in FAULTS.values()
    ]
