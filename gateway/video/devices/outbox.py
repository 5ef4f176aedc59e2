"""What cameras noticed, kept until the core has it on disk: bounded, in order, told as often as it takes."""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from gateway.model import DeviceRemark, DeviceSignal, Kind
from gateway.video.changes import Changes

CAPACITY = 10_000
"""At about 1 kB each. A core that is being updated for ten minutes misses nothing of a box whose cameras notice fifteen
things a second; what is over goes, motion first: it is off by default and the most frequent by far."""
SHARE = 2_000
"""Of one device: a loose wire that rattles pushes out what that device said before, and nobody else's."""

Item = DeviceSignal | DeviceRemark


@dataclass(frozen=True, slots=True)
class Batch:
    """The items after a position, and ``next``: the position that acknowledges them."""

    items: tuple[Item, ...]
    next: int


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One device's positions, oldest first."""

    motion: OrderedDict[int, None] = field(default_factory=OrderedDict)
    others: OrderedDict[int, None] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self.motion) + len(self.others)

    def of(self, item: Item) -> OrderedDict[int, None]:
        return self.motion if isinstance(item, DeviceSignal) and item.kind is Kind.MOTION else self.others

    @property
    def first_to_go(self) -> int:
        return next(iter(self.motion or self.others))


class Outbox:
    """Items by a position that rises from 1 within ``run``. Reading from a position acknowledges all up to it."""

    def __init__(self, capacity: int = CAPACITY, share: int = SHARE) -> None:
        self.run = secrets.token_hex(8)
        self.changes = Changes()
        self.dropped = 0
        self._capacity = capacity
        self._share = share
        self._items: OrderedDict[int, tuple[str, Item]] = OrderedDict()
        self._waiting: dict[str, _Waiting] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._items)

    def awaits(self, device: str) -> bool:
        """Something that this device said is not yet known to be on disk."""
        return device in self._waiting

    def put(self, make: Callable[[str], Item], device: str) -> Item:
        """Add what ``make`` makes of its id, which no other item of any worker has. ``device``: who said it."""
        self._last += 1
        item = make(f"{self.run}-{self._last}")
        self._items[self._last] = device, item
        waiting = self._waiting.setdefault(device, _Waiting())
        waiting.of(item)[self._last] = None
        if len(waiting) > self._share or len(self._items) > self._capacity:
            self._drop(waiting)
        self.changes.note()
        return item

    def after(self, run: str | None, position: int, limit: int) -> Batch:
        """Up to ``limit`` items after ``position`` of ``run``; those up to it are let go. Another run's position counts as 0:
        it acknowledges nothing of ours."""
        if run == self.run:
            self._acknowledge(position)
        chosen = list(islice(self._items.items(), limit))
        return Batch(tuple(item for _, (_, item) in chosen), chosen[-1][0] if chosen else self._last)

    def has_after(self, run: str | None, position: int) -> bool:
        return self._last > position if run == self.run else bool(self._items)

    def _acknowledge(self, position: int) -> None:
        while self._items and (first := next(iter(self._items))) <= position:
            self._take(first)

    def _drop(self, full: _Waiting) -> None:
        """Of a device that has more than its share; else motion of whoever has most of it; else of whoever has most."""
        self.dropped += 1
        if len(full) <= self._share:
            full = max(self._waiting.values(), key=lambda each: (len(each.motion), len(each)))
        self._take(full.first_to_go)

    def _take(self, position: int) -> Item:
        device, item = self._items.pop(position)
        waiting = self._waiting[device]
        del waiting.of(item)[position]
        if not waiting:
            del self._waiting[device]
        return item
