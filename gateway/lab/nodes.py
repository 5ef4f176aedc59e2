"""A county and a township as real processes of ``gateway run``, configured in a directory of their own."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from gateway.errors import RunningError
from gateway.lab.api import Api
from gateway.lab.children import Child, command, end_leftovers, first_of, stop_all
from gateway.lab.mqtt_link import Login
from gateway.lab.village import COUNTY, TOWNSHIP

_READY_WITHIN = 90.0  # a full machine takes its time; a node that does not start says so at once
_STOP_WITHIN = 6.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What the two nodes are to be. ``directory`` is private to this run (0700). ``township_role``: the user's there.
    ``discovery`` is the township's."""

    directory: Path
    county_port: int
    township_port: int
    broker: Login
    protocol: str = "auto"  # of MQTT; amqtt speaks 3.1.1 alone, and says so to nobody
    cameras: list[dict[str, Any]] = field(default_factory=list)
    terminals: list[dict[str, Any]] = field(default_factory=list)
    discovery: dict[str, Any] = field(default_factory=dict)
    budget: str | None = None  # of the township's uplink
    taxonomy: dict[str, Any] = field(default_factory=dict)  # of cases, at the township
    user: str = "operator"
    township_role: str = "operator"
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
        write_private(directory / "mqtt.password", self.plan.broker.password or "")
        write_private(directory / "county.token", "to-be-made")  # the township's configuration is read before it is
        if self.plan.taxonomy:
            write_private(directory / "taxonomy.yaml", yaml_of(self.plan.taxonomy))
        write_private(self._county_file, yaml_of(self._county_settings()))
        write_private(self._township_file, yaml_of(self._township_settings()))
        node = ("--role", "node", "--node", TOWNSHIP["id"], "-c", str(self._county_file))
        said, *_ = await asyncio.gather(
            command("token", "add", TOWNSHIP["id"], *node),
            self._user(self._county_file, "operator"),
            self._user(self._township_file, self.plan.township_role),
        )
        write_private(directory / "county.token", said.splitlines()[-1].strip())

    async def start(self) -> None:
        """Start both and log in once they are ready. Raises RunningError with a node's last words."""
        await asyncio.gather(self.start_county(), self.start_township())

    async def start_county(self) -> None:
        await self._county_node.start("-m", "gateway", "run", "-c", str(self._county_file))
        self.county = await self._ready(self._county_node, self.county)

    async def start_township(self) -> None:
        await self._township_node.start("-m", "gateway", "run", "-c", str(self._township_file))
        self.township = await self._ready(self._township_node, self.township)

    @property
    def township_file(self) -> Path:
        """Its configuration, once prepared."""
        return self._township_file

    @property
    def pids(self) -> tuple[int, int]:
        """Of the county and of the township, while they run."""
        return self._county_node.pid, self._township_node.pid

    async def watch(self) -> None:
        """Never return; raise RunningError as soon as a node dies."""
        await first_of(self._county_node.guard(), self._township_node.guard())

    async def revive(self, gone: Callable[[str], None], back: Callable[[str], None], after: float) -> None:
        """Never return: start a node that dies once more, ``after`` seconds later. Raises RunningError when it cannot."""
        await first_of(
            self._revive(self._county_node, self.start_county, gone, back, after),
            self._revive(self._township_node, self.start_township, gone, back, after),
        )

    async def _revive(
        self,
        node: Child,
        start: Callable[[], Awaitable[None]],
        gone: Callable[[str], None],
        back: Callable[[str], None],
        after: float,
    ) -> None:
        while True:
            await node.ended()
            gone(node.name)
            await asyncio.sleep(after)
            await start()
            back(node.name)

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
        patient = replace(api, timeout=_READY_WITHIN)  # hashing a password is slow on purpose
        return replace(await patient.logged_in(self.plan.user, self.plan.password), timeout=api.timeout)

    async def _user(self, config: Path, role: str) -> None:
        arguments = ("user", "add", self.plan.user, "--role", role, "-c", str(config), "--password-stdin")
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
        upper: dict[str, Any] = {"kind": "cascade", "id": "county", "url": f"http://127.0.0.1:{plan.county_port}"}
        upper["token"] = {"file": "county.token"}
        if plan.budget is not None:
            upper["budget"] = plan.budget
        return {
            "node": TOWNSHIP,
            "data_dir": "township",
            "http": {"listen": f"127.0.0.1:{plan.township_port}"},
            "sources": [broker],
            "cameras": plan.cameras,
            "terminals": plan.terminals,
            "discovery": plan.discovery,
            "sinks": [upper],
            "alerts": {"taxonomy": "taxonomy.yaml"} if plan.taxonomy else {},
        }


def yaml_of(settings: dict[str, Any]) -> str:
    """In block style, a key to a line, so that cameras can be written into it; scalars as JSON, which is YAML too."""
    return "\n".join(_block(settings)) + "\n"


def _block(settings: dict[str, Any]) -> Iterator[str]:
    for key, value in settings.items():
        name = key if key.isidentifier() else json.dumps(key)
        if isinstance(value, dict) and value:
            yield f"{name}:"
            yield from (f"  {line}" for line in _block(value))
        elif isinstance(value, list) and value and all(isinstance(one, dict) and one for one in value):
            yield f"{name}:"
            for one in value:
                yield from (
                    f"  {mark} {line}" for mark, line in zip(chain("-", repeat(" ")), _block(one), strict=False)
                )
        else:
            yield f"{name}: {json.dumps(value, ensure_ascii=False)}"


def write_private(path: Path, text: str) -> None:
    """A file that nobody else may read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
