"""The box under the node: room on its disk, the size of the ledger, and when its certificates end."""

import asyncio
import contextlib
import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from gateway.errors import UsageError
from gateway.observability import metrics, upkeep_events
from gateway.pki.expiry import ends_at
from gateway.ports import Clock

_EVERY_S = 15.0
_CERTIFICATES_EVERY = 240  # looks: once an hour
_SOON = timedelta(days=21)
_TOLD_EVERY = 24  # looks at the certificates: once a day


class Box:
    """``certificates``: name → PEM file, of the TLS that this node speaks."""

    def __init__(self, data_dir: Path, certificates: Mapping[str, Path], clock: Clock) -> None:
        self._data_dir = data_dir
        self._certificates = dict(certificates)
        self._clock = clock
        self._looks = 0

    async def run(self) -> None:
        while True:
            await self.look()
            await self._clock.sleep(_EVERY_S)

    async def look(self) -> None:
        await asyncio.to_thread(self._measure_disk)
        if self._looks % _CERTIFICATES_EVERY == 0:
            tell = self._looks // _CERTIFICATES_EVERY % _TOLD_EVERY == 0
            await asyncio.to_thread(self._read_certificates, tell)
        self._looks += 1

    def _measure_disk(self) -> None:
        """A disk that does not answer is the ledger's to tell of, and its gauges stay as they were."""
        with contextlib.suppress(OSError):
            usage = shutil.disk_usage(self._data_dir)
            metrics.disk_free.set(usage.free)
            metrics.disk_size.set(usage.total)
            metrics.ledger_bytes.set(sum(_size(self._data_dir / name) for name in ("ledger.db", "ledger.db-wal")))

    def _read_certificates(self, tell: bool) -> None:
        for name, path in self._certificates.items():
            try:
                at = ends_at(path)
            except UsageError as error:
                metrics.certificate_expiry.labels(name).set(0)
                if tell:
                    upkeep_events.certificate_unreadable(name, str(error))
                continue
            metrics.certificate_expiry.labels(name).set(at.timestamp())
            if tell and at - self._clock.now() < _SOON:
                upkeep_events.certificate_ends(name, str(path), at)


def _size(path: Path) -> int:
    """The log comes and goes."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
