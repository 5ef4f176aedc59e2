"""What goes wrong in a history, by name. Each fault begins, stays for a while, and is over; none waits for a person."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from gateway.lab.simulation.broker import Broker
from gateway.lab.simulation.households import Terminal
from gateway.lab.simulation.network import Uplink, Way
from gateway.lab.simulation.nodes import CLOCK_ERRORS, County, Node, Township


class Scene:
    """Everything that faults work on."""

    def __init__(
        self,
        rng: random.Random,
        township: Township,
        county: County,
        broker: Broker,
        uplink: Uplink,
        terminals: list[Terminal],
    ) -> None:
        self.rng = rng
        self.township = township
        self.county = county
        self.broker = broker
        self.uplink = uplink
        self.terminals = terminals

    def some_node(self) -> Node:
        return self.township if self.rng.random() < 0.6 else self.county

    async def a_while(self, most: float = 20.0) -> None:
        await asyncio.sleep(self.rng.uniform(0.2, most))

    def heal(self) -> None:
        """Whatever is still wrong is mended: disks have room, links stand, clocks are right, all processes run."""
        self.uplink.way.heal()
        self.broker.up = True
        for terminal in self.terminals:
            terminal.flaky = 0.0
            terminal.back()
        for node in (self.township, self.county):
            disk = node.disk
            disk.full, disk.latency, disk.sync_fails_in, disk.on_write = False, disk.usual_latency, 0, None
            node.clock.error = timedelta()


Fault = Callable[[Scene], Awaitable[None]]


async def _killed(scene: Scene) -> None:
    scene.some_node().crash(power=False, back_after=scene.rng.uniform(0.2, 10.0))


async def _killed_at_a_write(scene: Scene) -> None:
    after = scene.rng.uniform(0.2, 5.0)
    scene.some_node().crash_at_write(scene.rng.randint(1, 400), power=False, back_after=after)


async def _killed_again_and_again(scene: Scene) -> None:
    node = scene.some_node()
    for _ in range(scene.rng.randint(3, 6)):
        node.crash(power=False, back_after=scene.rng.uniform(0.05, 1.0))
        await scene.a_while(3.0)


async def _power_cut(scene: Scene) -> None:
    scene.some_node().crash(power=True, back_after=scene.rng.uniform(1.0, 20.0))


async def _power_cut_at_a_write(scene: Scene) -> None:
    after = scene.rng.uniform(1.0, 10.0)
    scene.some_node().crash_at_write(scene.rng.randint(1, 400), power=True, back_after=after)


async def _village_without_power(scene: Scene) -> None:
    """Township and broker stand in one cupboard."""
    scene.broker.die(forgets=scene.rng.random() < 0.5)
    scene.township.crash(power=True, back_after=scene.rng.uniform(1.0, 20.0))
    await scene.a_while()
    scene.broker.up = True


async def _fsync_fails(scene: Scene) -> None:
    scene.some_node().disk.sync_fails_in = scene.rng.randint(1, 10)


async def _fsync_fails_and_power_cut(scene: Scene) -> None:
    node = scene.some_node()
    node.disk.sync_fails_in = scene.rng.randint(1, 4)
    await scene.a_while()
    node.crash(power=True, back_after=scene.rng.uniform(1.0, 5.0))


async def _disk_full(scene: Scene) -> None:
    disk = scene.some_node().disk
    disk.full = True
    await scene.a_while()
    disk.full = False


async def _disk_slow(scene: Scene) -> None:
    disk = scene.some_node().disk
    disk.latency = scene.rng.choice((0.05, 0.5, 2.0))
    await scene.a_while()
    disk.latency = disk.usual_latency


async def _restarted_in_order(scene: Scene) -> None:
    await scene.some_node().restart(scene.rng.uniform(0.5, 5.0))


async def _clock_set(scene: Scene) -> None:
    """To something wrong, and after a while back to what is right, as NTP does."""
    clock = scene.some_node().clock
    clock.error = CLOCK_ERRORS[scene.rng.choice(sorted(CLOCK_ERRORS))]
    await scene.a_while(40.0)
    clock.error = timedelta()


async def _clock_jumps(scene: Scene) -> None:
    clock = scene.some_node().clock
    for _ in range(scene.rng.randint(4, 12)):
        clock.error = CLOCK_ERRORS[scene.rng.choice(sorted(CLOCK_ERRORS))]
        await scene.a_while(4.0)
        clock.error = timedelta()
        await scene.a_while(4.0)


async def _boots_in_1970(scene: Scene) -> None:
    """A box without a clock of its own: until the network has told it."""
    node = scene.some_node()
    node.crash(power=scene.rng.random() < 0.5, back_after=scene.rng.uniform(0.2, 2.0))
    node.clock.error = CLOCK_ERRORS["1970"]
    await scene.a_while()
    node.clock.error = timedelta()


async def _on_the_way(scene: Scene, begin: Callable[[Way], None]) -> None:
    begin(scene.uplink.way)
    await scene.a_while(30.0)
    scene.uplink.way.heal()


async def _link_down(scene: Scene) -> None:
    scene.uplink.break_off()
    await _on_the_way(scene, lambda way: setattr(way, "down", True))


async def _link_hangs(scene: Scene) -> None:
    await _on_the_way(scene, lambda way: setattr(way, "hangs", True))


async def _link_half_open(scene: Scene) -> None:
    share = scene.rng.choice((0.3, 1.0))
    await _on_the_way(scene, lambda way: setattr(way, "answers_lost", share))


async def _link_lossy(scene: Scene) -> None:
    await _on_the_way(scene, lambda way: setattr(way, "loss", 0.3))


async def _link_slow(scene: Scene) -> None:
    await _on_the_way(scene, lambda way: setattr(way, "delay", 1.5))


async def _link_duplicates(scene: Scene) -> None:
    await _on_the_way(scene, lambda way: setattr(way, "duplicated", 0.5))


async def _link_flaps(scene: Scene) -> None:
    for _ in range(scene.rng.randint(2, 6)):
        scene.uplink.way.down = True
        scene.uplink.break_off()
        await scene.a_while(2.0)
        scene.uplink.way.down = False
        await scene.a_while(2.0)


async def _receiver_lies(scene: Scene) -> None:
    await _on_the_way(scene, lambda way: setattr(way, "lies", 0.6))


async def _broker_dies(scene: Scene) -> None:
    scene.broker.die(forgets=False)
    await scene.a_while(10.0)
    scene.broker.up = True


async def _broker_forgets(scene: Scene) -> None:
    scene.broker.die(forgets=True)
    await scene.a_while(10.0)
    scene.broker.up = True


async def _broker_disconnects(scene: Scene) -> None:
    for _ in range(scene.rng.randint(1, 4)):
        scene.broker.break_off()
        await scene.a_while(2.0)


async def _terminals_flaky(scene: Scene) -> None:
    some = scene.rng.sample(scene.terminals, max(1, len(scene.terminals) // 3))
    before = [terminal.flaky for terminal in some]
    for terminal in some:
        terminal.flaky = 0.6
    await scene.a_while(30.0)
    for terminal, flaky in zip(some, before, strict=True):
        terminal.flaky = flaky


async def _terminals_away(scene: Scene) -> None:
    some = scene.rng.sample(scene.terminals, max(1, len(scene.terminals) // 3))
    for terminal in some:
        terminal.away()
    await scene.a_while(30.0)
    for terminal in some:
        terminal.back()


FAULTS: Mapping[str, Fault] = {
    "killed": _killed,
    "killed_at_a_write": _killed_at_a_write,
    "killed_again_and_again": _killed_again_and_again,
    "power_cut": _power_cut,
    "power_cut_at_a_write": _power_cut_at_a_write,
    "village_without_power": _village_without_power,
    "fsync_fails": _fsync_fails,
    "fsync_fails_and_power_cut": _fsync_fails_and_power_cut,
    "disk_full": _disk_full,
    "disk_slow": _disk_slow,
    "restarted_in_order": _restarted_in_order,
    "clock_set": _clock_set,
    "clock_jumps": _clock_jumps,
    "boots_in_1970": _boots_in_1970,
    "link_down": _link_down,
    "link_hangs": _link_hangs,
    "link_half_open": _link_half_open,
    "link_lossy": _link_lossy,
    "link_slow": _link_slow,
    "link_duplicates": _link_duplicates,
    "link_flaps": _link_flaps,
    "receiver_lies": _receiver_lies,
    "broker_dies": _broker_dies,
    "broker_forgets": _broker_forgets,
    "broker_disconnects": _broker_disconnects,
    "terminals_flaky": _terminals_flaky,
    "terminals_away": _terminals_away,
}
