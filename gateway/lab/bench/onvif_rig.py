"""What the ONVIF bench measures with: devices in a process of their own, one worker, and who takes the signals off it."""

import asyncio
import secrets
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.errors import RunningError
from gateway.lab.api import Api
from gateway.lab.bench.procfs import Cost, cost_of
from gateway.lab.children import Child
from gateway.model import Credential, Kind, OnvifAddress
from gateway.video.devices.link import View
from gateway.video.devices.memory import DeviceMemory
from gateway.video.wire import CameraOrder, Refused, camera_list_to_json

PASSWORD = "GATEWAY_LAB_PASSWORD"  # noqa: S105 - the variable's name
_LISTENING_WITHIN = 180.0
What = tuple[str, bool]
"""A signal's kind, and whether it began or ended."""
KINDS = {
    "input": Kind.DIGITAL_INPUT,
    "tamper": Kind.TAMPER,
    "video_loss": Kind.VIDEO_LOSS,
    "intrusion": Kind.INTRUSION,
}


class Village:
    """The simulated devices, steered by lines of JSON."""

    def __init__(self, directory: Path, count: int) -> None:
        self.count, self.port = count, 0
        self.credential = Credential("admin", secrets.token_urlsafe(9))
        self._child = Child("the simulated devices", directory / "devices.log")

    @property
    def cost(self) -> Cost:
        return cost_of(self._child.pid)

    def address(self, number: int) -> OnvifAddress:
        """Of device ``number``, from 1."""
        return OnvifAddress(f"127.1.{(number - 1) // 50}.{(number - 1) % 50 + 1}", self.port, self.credential)

    async def start(self) -> None:
        """Raises RunningError with its last words."""
        arguments = ("-m", "gateway.lab.onvif.devices", "--leashed", "--count", str(self.count), "--profile", "none")
        login = ("--user", self.credential.username, "--password-env", PASSWORD)
        environment = {PASSWORD: self.credential.password}
        self.port = (await self._child.start_leashed(*arguments, *login, environment=environment))["port"]

    async def tell(self, **order: Any) -> dict[str, Any]:
        """One order of the lab's control and its answer. Raises RunningError."""
        answer = await self._child.ask(order)
        if "error" in answer:
            raise RunningError(f"the simulated devices refuse {order}: {answer['error']}")
        return answer

    async def seen(self) -> dict[str, Any]:
        """What all of them saw so far."""
        figures: dict[str, Any] = (await self.tell(figures=True))["onvif"]
        return figures

    async def fired(self) -> list[tuple[int, What, float]]:
        """The events so far: device, what it was, CLOCK_MONOTONIC."""
        told: list[tuple[int, What, float]] = []
        while True:
            answer = await self.tell(fired=len(told))
            if not answer["fired"]:
                return told
            told += [(number, (KINDS[event], active), at) for number, active, at, event in answer["fired"]]

    async def stop(self) -> None:
        await self._child.stop(10)


@dataclass(slots=True)
class Delivered:
    """Signals as a core takes them, by camera in their order: what it was, and when the worker had it."""

    signals: dict[str, list[tuple[What, float]]] = field(default_factory=lambda: defaultdict(list))
    count: int = 0

    def add(self, told: Sequence[dict[str, Any]]) -> None:
        for one in told:
            self.signals[one["camera"]].append(((one["kind"], one["active"]), one["received_mono"]))
        self.count += len(told)

    async def reach(self, count: int, within: float) -> None:
        """Wait until so many are there, or for ``within`` seconds."""
        for _ in range(round(within / 0.1)):
            if self.count >= count:
                return
            await asyncio.sleep(0.1)


class LoneWorker:
    """One real video worker without a core: the bench asks it as a core does."""

    def __init__(self, directory: Path, village: Village, devices: int) -> None:
        directory.mkdir(mode=0o700)
        self._village, self._devices = village, devices
        self._socket = directory / "video-0.sock"
        self._child = Child("the video worker", directory / "worker.log")
        self._api, self._poll = Api(unix=self._socket), Api(unix=self._socket, timeout=60)
        self.delivered = Delivered()

    @property
    def cost(self) -> Cost:
        return cost_of(self._child.pid)

    async def start(self) -> None:
        """Raises RunningError with its last words."""
        memory = DeviceMemory(self._socket.with_suffix(".devices.json"))
        for number in range(1, self._devices + 1):
            address = self._village.address(number)
            memory.keep_views(f"{address.host}:{address.port}", [View(None, None, None, None, None)])
        memory.close()
        await self._child.start("-m", "gateway.video.worker", "--socket", str(self._socket))
        deadline = time.monotonic() + 60
        while await self._api.status("/alive") != 200:
            if not self._child.running or time.monotonic() > deadline:
                raise RunningError(f"the video worker did not start:\n{self._child.tail()}")
            await asyncio.sleep(0.1)

    async def listen(self) -> float:
        """Give it the devices; the seconds until all of them are listened to. Raises RunningError."""
        orders = [
            CameraOrder(camera_id(number), onvif=self._village.address(number))
            for number in range(1, self._devices + 1)
        ]
        began = time.monotonic()
        await self._api.call("PUT", "/cameras", camera_list_to_json(orders, Refused()))
        while (told := (await self._api.get("/figures"))["devices"])["listening"] < self._devices:
            if time.monotonic() - began > _LISTENING_WITHIN:
                raise RunningError(f"{self._devices} devices were not heard within {_LISTENING_WITHIN:.0f} s: {told}")
            await asyncio.sleep(0.25)
        return time.monotonic() - began

    async def take_signals(self) -> None:
        """For ever, as a core does; each answer is on disk when the next is asked for."""
        run, after = "", 0
        while True:
            told = await self._poll.get(f"/signals?run={run}&after={after}&wait=10")
            run, after = told["run"], told["next"]
            self.delivered.add(told["signals"])

    async def stop(self) -> None:
        await self._child.stop(15)


def camera_id(number: int) -> str:
    return f"lab-{number:04d}"
