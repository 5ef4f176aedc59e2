"""The place where faults happen: a broker, two or three nodes above each other, links between them, terminals outside."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.console.accounts import Accounts
from gateway.lab.api import Api
from gateway.lab.book import Book
from gateway.lab.children import free_port, reserved_port
from gateway.lab.faultlab.households import Households, settings_of
from gateway.lab.faultlab.processes import Broker, Node, close_all
from gateway.lab.link import CLEAR, FaultLink
from gateway.lab.nodes import write_private, yaml_of

_NAMES = {"village": "白塔村", "township": "竹阳街道综治中心", "county": "大竹县综治中心"}
_AREAS = {"village": "511724001207", "township": "511724001", "county": "511724"}
PROGRAM = ("-m", "gateway")


@dataclass(frozen=True, slots=True)
class TownPlan:
    """``levels``: from the home node upwards. ``camera``: the home node has one, which never answers, so that it has a
    video worker to kill. ``program``: what is run as the home node (the checker's tests run a mutated one).
    ``hosts``: address of each level where they do not all stand on loopback; ``ports``: where a free one cannot be asked for
    from here."""

    directory: Path
    levels: Sequence[str] = ("township", "county")
    terminals: int = 50
    persistent_broker: bool = True
    camera: bool = False
    program: Sequence[str] = PROGRAM
    hosts: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    broker_host: str = "127.0.0.1"


class Town:
    """Prepared by ``prepare``, started by ``start``. ``nodes`` and ``uplinks`` are in the order of the levels."""

    def __init__(self, plan: TownPlan, rng: random.Random) -> None:
        self.plan = plan
        self.book = Book()
        self.broker = Broker(plan.directory, persistent=plan.persistent_broker, host=plan.broker_host)
        self.nodes: list[Node] = []
        self._held = {level: reserved_port(self._host(level)) for level in plan.levels if level not in plan.ports}
        self._ports = [plan.ports.get(level) or self._held[level].getsockname()[1] for level in plan.levels]
        # towards each upper node, and between the terminals and the broker
        self.uplinks = [
            FaultLink((self._host(level), port), rng=random.Random(rng.random()), host=self._host(level))
            for level, port in zip(plan.levels[1:], self._ports[1:], strict=True)
        ]
        self.air = FaultLink((plan.broker_host, self.broker.port), rng=random.Random(rng.random()))
        self._rng = rng
        self.households: Households | None = None

    def _host(self, level: str) -> str:
        return self.plan.hosts.get(level, "127.0.0.1")

    @property
    def home(self) -> Node:
        return self.nodes[0]

    @property
    def top(self) -> Node:
        return self.nodes[-1]

    async def prepare(self) -> None:
        """Links, configurations, accounts. The data directories may be mount points already."""
        for link in (*self.uplinks, self.air):
            await link.start()
        lower_token = ""
        for number, level in enumerate(self.plan.levels):
            data_dir = self.plan.directory / level
            data_dir.mkdir(mode=0o700, exist_ok=True)
            data_dir.chmod(0o700)
            accounts = Accounts(data_dir / "accounts.db")
            token = accounts.add_token("checker", "operator")
            if number:
                below = self.plan.levels[number - 1]
                lower_token = accounts.add_token(below, "node", node=below)
                write_private(self.plan.directory / f"{below}.token", lower_token)
            config = self.plan.directory / f"{level}.yaml"
            write_private(config, yaml_of(self._settings(number, level)))
            api = Api(self._host(level), self._ports[number], token=token, timeout=20)
            program = self.plan.program if number == 0 else PROGRAM
            self.nodes.append(Node(level, config, data_dir, api, program=program))

    async def start(self) -> None:
        """Everything, and until all of it is ready and the home node listens to the broker."""
        await self.broker.start()
        await self.broker.until_listening()
        for node in self.nodes:
            await node.start()
        self.households = Households(("127.0.0.1", self.air.port), self.book, self._rng, terminals=self.plan.terminals)
        await self.households.start()
        for node in self.nodes:
            await node.until_ready()
        await self.households.connected()

    async def heal(self) -> None:
        """No fault any more: links clear, everything running."""
        for link in (*self.uplinks, self.air):
            link.weather = CLEAR
            link.reset()
        if not self.broker.wanted:
            await self.broker.start()
        for node in self.nodes:
            if node.faults is not None:
                await node.restart_with(None)
            elif not node.wanted:
                await node.start()
        for node in self.nodes:
            await node.until_ready()

    async def stop(self) -> None:
        if self.households is not None:
            await self.households.stop()
        await close_all((*self.nodes, self.broker), self.plan.directory)
        for link in (*self.uplinks, self.air):
            await link.close()
        for held in (*self._held.values(), self.broker.held):
            held.close()

    def _settings(self, number: int, level: str) -> dict[str, Any]:
        host = self._host(level)
        settings: dict[str, Any] = {
            "node": {"id": level, "name": _NAMES[level], "level": level, "area_code": _AREAS[level]},
            "data_dir": level,
            "http": {"listen": f"{host}:{self._ports[number]}"},
            "video": {"workers": 1, "ring_mib": 8, "clip_mib": 0},
        }
        if number == 0:
            url = f"mqtt://{self.plan.broker_host}:{self.broker.port}"
            settings["sources"] = [{"kind": "mqtt", "id": "tv", "url": url}]
            settings["terminals"] = settings_of(range(1, self.plan.terminals + 1, 2))
            if self.plan.camera:
                silent = {"main": f"rtsp://127.0.0.1:{free_port()}/none"}
                settings["cameras"] = [{"id": "silent", "name": "silent", "rtsp": silent}]
        else:
            settings["sources"] = [{"kind": "cascade", "id": "lower"}]
        if number + 1 < len(self.plan.levels):
            upper = self.plan.levels[number + 1]
            link = self.uplinks[number]
            address = f"http://{link.host}:{link.port}"
            settings["sinks"] = [{"kind": "cascade", "id": upper, "url": address, "token": {"file": f"{level}.token"}}]
            write_private(self.plan.directory / f"{level}.token", "to-be-made")
        return settings
