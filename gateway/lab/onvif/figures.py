"""What simulated ONVIF devices saw of their clients: the proof of one login, one pull point, nothing left over."""

from collections import Counter
from typing import Any


class Figures:
    """Counts of one device. ``logins`` by what came of them (``login.Admission``), ``calls`` by operation."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.logins: Counter[str] = Counter()
        self.snapshots = 0
        self.created = 0  # subscriptions made
        self.unsubscribed = 0
        self.lapsed = 0  # subscriptions whose lease ran out
        self.refused = 0  # subscriptions that were one too many
        self.told = 0  # notices handed out
        self.lost = 0  # notices that nobody fetched, or whose receiver did not answer

    @property
    def failed_logins(self) -> int:
        """Verifications that a lock-out counts."""
        return self.logins["wrong"] + self.logins["replayed"]

    def to_json(self, subscriptions: int, pulling: int) -> dict[str, Any]:
        return {
            "calls": dict(self.calls),
            "logins": dict(self.logins),
            "failed_logins": self.failed_logins,
            "snapshots": self.snapshots,
            "pulls": self.calls["tev:PullMessages"],
            "subscriptions": subscriptions,
            "pulling": pulling,
            "created": self.created,
            "renewed": self.calls["wsnt:Renew"],
            "unsubscribed": self.unsubscribed,
            "lapsed": self.lapsed,
            "refused_subscriptions": self.refused,
            "told": self.told,
            "lost": self.lost,
        }


def summed(figures: list[dict[str, Any]]) -> dict[str, Any]:
    """Of all devices together."""
    total: dict[str, Any] = {}
    for one in figures:
        for name, value in one.items():
            if isinstance(value, dict):
                total[name] = dict(Counter(total.get(name, {})) + Counter(value))
            else:
                total[name] = total.get(name, 0) + value
    return total
