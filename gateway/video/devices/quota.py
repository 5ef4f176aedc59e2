"""How much a camera may say: a device that has been taken over, or has gone mad, must not fill the ledger for ever."""

from collections import OrderedDict
from dataclasses import dataclass

from gateway.model import Kind

BURST = 60.0
A_SECOND = 0.25
"""Of each kind of a camera: an entry each, all day, is a few megabytes. What merely flaps is held back before it comes here
(once a minute of each input or rule), and a recorder's cameras count one by one."""
_MOST = 20_000


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Quota:
    """Signals by camera and kind, so that a flood of one kind costs no other. ``refused`` counts."""

    def __init__(self) -> None:
        self.refused = 0
        self._buckets: OrderedDict[tuple[str, Kind], _Bucket] = OrderedDict()

    def takes(self, camera_id: str, kind: Kind, active: bool | None, now: float) -> bool:
        """``now``: monotonic seconds. An end is taken when its beginning might have been the last one that was: what began
        is not to stand for ever."""
        key = (camera_id, kind)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(BURST, now)
            if len(self._buckets) > _MOST:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        bucket.left = min(BURST, bucket.left + (now - bucket.at) * A_SECOND)
        bucket.at = now
        if bucket.left < (1.0 - BURST if active is False else 1.0):
            self.refused += 1
            return False
        bucket.left -= 1.0
        return True
