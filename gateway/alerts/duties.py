"""What a node owes because of an entry, a delivery or the passing of time: the one place where rooms hook into the ledger.

Every duty works inside the transaction that is its reason, so that what is owed is on disk with why it is owed.
"""

from gateway.model import Parcel, Receipt, Timer
from gateway.ports import FeedEntry, StoredAlert, Transaction


class Duty:
    """Does nothing; a duty overrides what concerns it. ``timers``: names of the timers that are its own."""

    timers: frozenset[str] = frozenset()

    def react(self, tx: Transaction, fed: FeedEntry, stored: StoredAlert | None, via: str | None) -> None:
        """A new entry, own or another node's; see ports.Reaction."""

    def settle(self, tx: Transaction, parcel: Parcel, receipt: Receipt | None) -> None:
        """A sink has this parcel now, which leaves the outbox in this transaction."""

    def expired(self, tx: Transaction, timer: Timer) -> None:
        """One of its timers has come due, which is cleared in this transaction (it may be set again)."""


class Duties(Duty):
    """Several duties as one, in their order."""

    def __init__(self, *duties: Duty) -> None:
        self._duties = duties
        self._by_timer = {name: duty for duty in duties for name in duty.timers}
        self.timers = frozenset(self._by_timer)

    def react(self, tx: Transaction, fed: FeedEntry, stored: StoredAlert | None, via: str | None) -> None:
        for duty in self._duties:
            duty.react(tx, fed, stored, via)

    def settle(self, tx: Transaction, parcel: Parcel, receipt: Receipt | None) -> None:
        for duty in self._duties:
            duty.settle(tx, parcel, receipt)

    def expired(self, tx: Transaction, timer: Timer) -> None:
        duty = self._by_timer.get(timer.name)
        if duty is not None:  # else it is of a duty that the configuration no longer has
            duty.expired(tx, timer)
