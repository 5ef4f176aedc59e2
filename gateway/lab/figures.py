"""What simulated cameras saw of their clients: the proof of dial budgets, of single sessions, of one wrong password."""

import time
from collections import Counter, deque
from typing import Any

_SECONDS = 300  # of the history of dials


class Figures:
    """Counts, for all cameras together and for each. A dial is half done from its connection to its answered PLAY."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.wrong_passwords: Counter[int] = Counter()
        self.plays: Counter[int] = Counter()  # by camera
        self.slow_clients = 0
        self.reports = 0  # receiver reports heard over UDP
        self.dials = 0
        self._half_done: Counter[str] = Counter()  # by address of the camera
        self._subnets: Counter[str] = Counter()
        self._open = 0
        self._most = self._most_host = self._most_subnet = 0
        self._history: deque[tuple[int, int]] = deque(maxlen=_SECONDS)  # second, dials in it

    def dialled(self, address: str) -> None:
        """A connection was accepted."""
        self.dials += 1
        self._remember()
        self._open += 1
        self._half_done[address] += 1
        self._subnets[_subnet(address)] += 1
        self._most = max(self._most, self._open)
        self._most_host = max(self._most_host, self._half_done[address])
        self._most_subnet = max(self._most_subnet, self._subnets[_subnet(address)])

    def settled(self, address: str) -> None:
        """It plays, or it has ended."""
        self._open -= 1
        for counter, key in ((self._half_done, address), (self._subnets, _subnet(address))):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]

    def forget_highest(self) -> None:
        """Begin the highest numbers, and the history of dials, anew."""
        self._most, self._most_host = self._open, max(self._half_done.values(), default=0)
        self._most_subnet = max(self._subnets.values(), default=0)
        self._history.clear()

    def to_json(self) -> dict[str, Any]:
        return {
            "dials": self.dials,
            "dials_by_second": [count for _, count in self._history],
            "half_done_dials": self._open,
            "most_half_done_dials": self._most,
            "most_half_done_dials_of_a_host": self._most_host,
            "most_half_done_dials_of_a_subnet": self._most_subnet,
            "requests": dict(self.requests),
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "wrong_passwords": {str(camera): count for camera, count in self.wrong_passwords.items()},
            "receiver_reports": self.reports,
            "slow_clients": self.slow_clients,
        }

    def _remember(self) -> None:
        second = int(time.monotonic())
        if self._history and self._history[-1][0] == second:
            second, count = self._history.pop()
            self._history.append((second, count + 1))
        else:
            self._history.append((second, 1))


def _subnet(address: str) -> str:
    return address.rpartition(".")[0]
