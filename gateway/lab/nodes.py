"""A county and a township as real processes of ``gateway run``, configured in a directory of their own."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.errors import RunningError
from gateway.lab.api import Api
from gateway.lab.children import Child, command, end_leftovers, first_of, stop_all
from gateway.lab.mqtt_link import Login
from gateway.lab.village import COUNTY, TOWNSHIP

_READY_WITHIN = 40.0
_STOP_WITHIN = 6.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What the two nodes are to be. ``directory`` is private to this run (0700)."""

    directory: Path
    county_port: int
    township_port: int
    broker: Login
    protocol: str = "auto"  # of MQTT; amqtt speaks 3.1.1 alone, and says so to nobody
    cameras: list[dict[str, Any]] = field(default_factory=list)
    terminals: list[dict[str, Any]] = field(default_factory=list)
    user: str = "operator"
    password: str = field(default="", repr=False)


class NodePair:
    """Prepare, start, watch and stop the two nodes. ``county`` and ``township`` are their APIs, logged in."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.county = Api(port=plan.county_port)
        self.township = Api(port=plan.township_port)
        self._county_file = plan.directory / "county.yaml"
        self._township_file = plan.directory / "township.yaml"
        self._county_node = Child("the county", plan.directory / "county.log")
        self._township_node = Child("the township", plan.directory / "township.log")

    async def prepare(self) -> None:
        """Write both configurations; add the user to both nodes and the township's token to the county."""
        directory = self.plan.directory
        _write(directory / "mqtt.password", self.plan.broker.password or "")
        _write(directory / "county.token", "to-be-made")  # the township's configuration is read before it is
        _write(self._county_file, _yaml(self._county_settings()))
        _write(self._township_file, _yaml(self._township_settings()))
        node = ("--role", "node", "--node", TOWNSHIP["id"], "-c", str(self._county_file))
        said, *_ = await asyncio.gather(
            command("token", "add", TOWNSHIP["id"], *node),
            self._user(self._county_file),
            self._user(self._township_file),
        )
        _write(directory / "county.token", said.splitlines()[-1].strip())

    async def start(self) -> None:
        """Start both and log in once they are ready. Raises RunningError with a node's last words."""
        await self._county_node.start("-m", "gateway", "run", "-c", str(self._county_file))
        await self._township_node.start("-m", "gateway", "run", "-c", str(self._township_file))
        self.county, self.township = await asyncio.gather(
            self._ready(self._county_node, self.county), self._ready(self._township_node, self.township)
        )

    async def watch(self) -> None:
        """Never return; raise RunningError as soon as a node dies."""
        await first_of(self._county_node.guard(), self._township_node.guard())

    async def stop(self) -> None:
        """End both nodes, and whatever a node that had to be killed left behind."""
        await stop_all((self._township_node, self._county_node), _STOP_WITHIN)
        end_leftovers(self.plan.directory)

    async def _ready(self, node: Child, api: Api) -> Api:
        deadline = time.monotonic() + _READY_WITHIN
        while await api.status("/readyz") != 200:
            if not node.running:
                raise RunningError(f"{node.name} did not start; its log ends with:\n{node.tail()}")
            if time.monotonic() > deadline:
                raise RunningError(f"{node.name} was not ready within {_READY_WITHIN:.0f} s:\n{node.tail()}")
            await asyncio.sleep(0.1)
        return await api.logged_in(self.plan.user, self.plan.password)

    async def _user(self, config: Path) -> None:
        arguments = ("user", "add", self.plan.user, "--role", "operator", "-c", str(config), "--password-stdin")
        await command(*arguments, stdin=f"{self.plan.password}\n")

    def _county_settings(self) -> dict[str, Any]:
        return {
            "node": COUNTY,
            "data_dir": "county",
            "http": {"listen": f"127.0.0.1:{self.plan.county_port}"},
            "sources": [{"kind": "cascade", "id": "lower"}],
        }

    def _township_settings(self) -> dict[str, Any]:
        plan = self.plan
        broker: dict[str, Any] = {"kind": "mqtt", "id": "tv", "url": str(plan.broker), "protocol": plan.protocol}
        if plan.broker.username is not None:
            broker |= {"username": plan.broker.username, "password": {"file": "mqtt.password"}}
        upper = f"http://127.0.0.1:{plan.county_port}"
        return {
            "node": TOWNSHIP,
            "data_dir": "township",
            "http": {"listen": f"127.0.0.1:{plan.township_port}"},
            "sources": [broker],
            "cameras": plan.cameras,
            "terminals": plan.terminals,
            "sinks": [{"kind": "cascade", "id": "county", "url": upper, "token": {"file": "county.token"}}],
        }


def _yaml(settings: dict[str, Any]) -> str:
    """JSON is YAML, and needs no writer of its own."""
    return json.dumps(settings, ensure_ascii=False, indent=2) + "\n"


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
