"""What a commit has to tell: which topics it touched, and what it put into which lane."""

from collections.abc import Sequence

from gateway.model import Lane, Parcel

# Parcels kept for a lane's loop that has not asked yet; beyond these it reads them.
_KEPT = 256


def lane_topic(sink: str, lane: int) -> str:
    return f"parcel/{sink}/{lane}"


class News:
    """``posted``: by topic of a lane, what was put into it; None where its loop has to read the outbox."""

    def __init__(self) -> None:
        self.topics: set[str] = set()
        self.posted: dict[str, list[Parcel] | None] = {}

    def add(self, topics: set[str], posted: dict[str, list[Parcel] | None]) -> None:
        """What came later; a lane that has to be read stays one."""
        self.topics |= topics
        for topic, parcels in posted.items():
            before = self.posted.setdefault(topic, [])
            self.posted[topic] = None if before is None or parcels is None else before + parcels


class HandOver:
    """Parcels on their way from commits to the loops of their lanes, of those that have asked before. Bounded."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Parcel] | None] = {}

    def put(self, news: News) -> None:
        for topic, parcels in news.posted.items():
            before = self._waiting.get(topic)
            if before is not None:
                self._waiting[topic] = _bounded(before, parcels)

    def take(self, sink: str, lane: Lane) -> list[Parcel] | None:
        """See ports.Ledger.fresh."""
        topic = lane_topic(sink, lane.value)
        parcels = self._waiting.get(topic)
        self._waiting[topic] = []
        return parcels


def _bounded(before: list[Parcel], more: Sequence[Parcel] | None) -> list[Parcel] | None:
    return None if more is None or len(before) + len(more) > _KEPT else [*before, *more]
