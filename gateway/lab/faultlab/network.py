"""A network of its own for the home node: a namespace, a veth pair, and iptables that lose a share of the packets."""

import contextlib
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from gateway.errors import RunningError
from gateway.lab.faultlab.disks import run
from gateway.lab.faultlab.processes import Wrap

_PORT = 18_080  # nobody else listens in a namespace of its own


class Street:
    """The home node stands in the namespace at ``there``; broker, upper nodes and terminals at ``here``. Needs root.

    ``number`` makes names and addresses (10.213.N.0/30) its own, so that several may exist beside each other.
    """

    def __init__(self, number: int) -> None:
        octet = number % 250
        self.port = _PORT
        self.name = f"gwlab{octet}"
        self.here, self.there = f"10.213.{octet}.1", f"10.213.{octet}.2"
        self._outside, self._inside = f"gwo{octet}", f"gwi{octet}"

    async def __aenter__(self) -> Self:
        await self._remove()  # of a run that was killed
        try:
            await run("ip", "netns", "add", self.name)
            await run("ip", "link", "add", self._outside, "type", "veth", "peer", "name", self._inside)
            await run("ip", "link", "set", self._inside, "netns", self.name)
            await run("ip", "addr", "add", f"{self.here}/30", "dev", self._outside)
            await run("ip", "link", "set", self._outside, "up")
            await self._within("ip", "addr", "add", f"{self.there}/30", "dev", self._inside)
            await self._within("ip", "link", "set", self._inside, "up")
            await self._within("ip", "link", "set", "lo", "up")
        except BaseException:
            await self._remove()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._remove()

    def hosts(self, levels: Sequence[str]) -> dict[str, str]:
        """Where each level listens."""
        return {level: self.here for level in levels[1:]} | {levels[0]: self.there}

    def wrap(self) -> Wrap:
        return Wrap(("ip", "netns", "exec", self.name))

    async def lose(self, share: float) -> None:
        """This share of the packets, each way; 0 ends it."""
        await self._within("iptables", "-F")
        if share > 0:
            drop = ("-m", "statistic", "--mode", "random", "--probability", f"{share:.4f}", "-j", "DROP")
            await self._within("iptables", "-A", "INPUT", "-i", self._inside, *drop)
            await self._within("iptables", "-A", "OUTPUT", "-o", self._inside, *drop)

    async def cable(self, *, plugged: bool) -> None:
        """The cable itself: no packet, and no RST."""
        await self._within("ip", "link", "set", self._inside, "up" if plugged else "down")

    async def _within(self, *words: str) -> None:
        await run("ip", "netns", "exec", self.name, *words)

    async def _remove(self) -> None:
        with contextlib.suppress(RunningError):
            await run("ip", "link", "del", self._outside)
        with contextlib.suppress(RunningError):
            await run("ip", "netns", "del", self.name)
