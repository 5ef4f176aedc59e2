"""Live views that go on beside the presses of ``gateway bench alarms``, by receivers that decode nothing."""

import asyncio
import time
from pathlib import Path
from urllib.parse import quote

from gateway.errors import RunningError
from gateway.lab.api import Api
from gateway.lab.children import Child, stop_all

_FIRST_WITHIN = 20.0


class Viewers:
    """``count`` views of one camera over WHEP, each a process of its own."""

    def __init__(self, directory: Path, count: int) -> None:
        self._receivers = [Child(f"viewer {n}", directory / f"viewer-{n}.log") for n in range(count)]

    async def start(self, node: Api) -> None:
        """Return once all of them see pictures. Raises RunningError."""
        if not self._receivers:
            return
        camera = (await node.list_all("/api/v1/cameras"))[0]["id"]
        where = f"/api/v1/cameras/{quote(camera)}/whep?reason=bench"
        for receiver in self._receivers:
            await receiver.start_leashed("-m", "gateway.lab.bench.live_receiver")
            offer = (await receiver.ask({"do": "offer"}))["offer"]
            answer = await node.send(where, offer.encode(), "application/sdp")
            await receiver.ask({"do": "watch", "answer": answer.decode()})
        deadline = time.monotonic() + _FIRST_WITHIN
        while not all([await _pictures(receiver) for receiver in self._receivers]):
            if time.monotonic() > deadline:
                raise RunningError(f"the live views showed nothing within {_FIRST_WITHIN:.0f} s")
            await asyncio.sleep(0.1)

    async def told(self) -> dict[str, int]:
        """What came to all of them so far."""
        came = [await receiver.ask({"do": "tell"}) for receiver in self._receivers]
        return {
            "viewers": len(came),
            "pictures": sum(one["pictures"] for one in came),
            "packets_lost": sum(one["lost"] for one in came),
        }

    async def stop(self) -> None:
        await stop_all(self._receivers, 3)


async def _pictures(receiver: Child) -> int:
    came: int = (await receiver.ask({"do": "tell"}))["pictures"]
    return came
