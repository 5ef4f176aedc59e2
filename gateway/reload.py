"""Taking over a changed configuration while the node runs: the plan first, then only what differs."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice

from gateway.config import Loaded, Settings
from gateway.config.in_force import new_key, read_record, take_approval, write_record
from gateway.config.plan import Plan, PlanRefused, Record, plan, record
from gateway.errors import ConfigError, GatewayError, RunningError
from gateway.observability import logs, metrics

_log = logs.logger("reload")
_LINES = 100
"""Of a plan that are logged; ``gateway check --plan`` shows all."""


class Reloader:
    """One node's reloads, one at a time.

    ``read`` reads the file (it may take seconds: it is called on a thread). ``take_over`` puts other cameras and terminals
    in force; ``retry`` lets cameras that refused their credential try once more, and says how many.
    """

    def __init__(
        self,
        settings: Settings,
        read: Callable[[], Loaded],
        take_over: Callable[[Settings], Awaitable[None]],
        retry: Callable[[], Awaitable[int]],
    ) -> None:
        self._data_dir = settings.data_dir
        self._read = read
        self._take_over = take_over
        self._retry = retry
        self._record: Record | None = None
        self._started_with = settings
        self._one = asyncio.Lock()

    async def note_start(self) -> None:
        """Say what differs from the run before, and note what is in force. A start takes the file as it is."""
        async with self._one:
            settings = self._started_with
            before = await asyncio.to_thread(self._last_record)
            after = await asyncio.to_thread(record, settings, before.key if before else new_key())
            if before is not None:
                changes = plan(before, after, settings.reload.most_removed)
                if not changes.changes_nothing:
                    _log.info("the configuration is another than at the last run", changes=changes.summary())
            await self._keep(after)

    async def reload(self, yes: bool = False, *, retry: bool = False) -> Plan:
        """Read the file and put its cameras and terminals in force. ``yes``: however many it removes. ``retry``: cameras
        that refused their credential may try it once more, because it was mended at the camera.

        Raises ConfigError with the faults of the file, or PlanRefused; then what was in force stays in force.
        """
        async with self._one:
            try:
                return await self._reload(yes, retry=retry)
            except GatewayError as error:
                metrics.config_last_reload_successful.set(0)
                faults = list(error.faults) if isinstance(error, ConfigError) else str(error)
                _log.error("the configuration was not reloaded; the old one stays in force", reason=faults)
                raise

    async def _reload(self, yes: bool, *, retry: bool) -> Plan:
        settings = (await asyncio.to_thread(self._read)).settings
        before = self._record
        after = await asyncio.to_thread(record, settings, before.key if before else new_key())
        changes = plan(before, after, settings.reload.most_removed)
        for line in islice(changes.lines(), _LINES):
            _log.info("reload", plan=line)
        refusal = changes.refusal()
        if refusal and not yes and not await asyncio.to_thread(take_approval, self._data_dir, changes.digest):
            raise PlanRefused(changes, refusal)
        await self._take_over(settings)
        await self._keep(before.reloaded(after) if before else after)
        retried = await self._retry() if retry else 0
        metrics.config_last_reload_successful.set(1)
        _log.info("the configuration is reloaded", changes=changes.summary(), retried_after_refusal=retried)
        if changes.restart:
            _log.warning("some changes take effect at the next start", keys=list(changes.restart))
        return changes

    def _last_record(self) -> Record | None:
        try:
            return read_record(self._data_dir)
        except GatewayError as error:
            _log.warning("what was in force before is not known", reason=str(error))
            return None

    async def _keep(self, now: Record) -> None:
        self._record = now
        try:
            await asyncio.to_thread(write_record, self._data_dir, now)
        except RunningError as error:
            # The node runs all the same; only gateway check --plan would compare with what was before.
            _log.error("what is in force could not be noted", reason=str(error))
