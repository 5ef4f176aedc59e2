"""The sink that tells people: one address after the other, until one has truly taken the message. Never retries."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp

from adapters.notify import addresses, robots
from adapters.notify.addresses import ROBOTS, Address
from adapters.notify.pace import Pace
from adapters.notify.settings import NotifySettings
from adapters.notify.threads import Threads
from gateway.canonical import sha256_hex
from gateway.errors import Refused, TryLater
from gateway.model import Notice, Parcel, Receipt
from gateway.reach import Reach
from gateway.reach_http import ReachConnector

_CONCURRENCY = 8
_ALL_WITHIN = (
    9.0  # seconds for all addresses of a person: the lane gives up after 10, and would begin with the first again
)
_FIRST_PAUSE, _LONGEST_PAUSE = 10.0, 300.0
_MOST_ANSWER = 64 * 1024

Now = Callable[[], datetime]


class NotifySink:
    """Implements ports.Sink for notices to people. Its receipt names the channel alone: ``id`` is the schema of the address
    that took it, ``sha256`` is of the text."""

    concurrency = _CONCURRENCY

    def __init__(
        self,
        settings: NotifySettings,
        *,
        now: Now = lambda: datetime.now(UTC),
        within: float = _ALL_WITHIN,
        reach: Reach = Reach(),
    ) -> None:
        self._reach = reach
        self.id = settings.id
        self._people = {
            person.id: [addresses.read(address.get_secret_value()) for address in person.addresses]
            for person in settings.people
        }
        self._hosts = settings.robots
        self._give_up_after = settings.give_up_after
        self._now = now
        self._within = within
        self._threads = Threads(_CONCURRENCY)
        self._paces: dict[tuple[Any, ...], Pace] = {}
        self._session: aiohttp.ClientSession | None = None

    async def send(self, parcel: Parcel) -> Receipt:
        """Raises TryLater while no address takes it, Refused where it will never be of use."""
        notice = parcel.content
        if not isinstance(notice, Notice) or notice.kind != "person":
            raise Refused(f"sink {self.id} tells people; this parcel is for somebody else")
        known = self._people.get(notice.to)
        if known is None:
            raise Refused(f"there is no {notice.to} among the people of sink {self.id} any more")
        age = (self._now() - notice.at).total_seconds()
        if age > self._give_up_after:
            raise Refused(f"nobody could tell {notice.to} for {age / 3600:.1f} h; the alert stands in the console")
        schema = await self._first_to_take(known, notice, parcel.attempts)
        return Receipt(schema, sha256_hex(notice.text.encode()), 0, self._now())

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _first_to_take(self, known: list[Address], notice: Notice, attempts: int) -> str:
        """Raises TryLater with every address's reason, none with the address itself."""
        reasons, waits = [], []
        for number, address in enumerate(known, 1):
            try:
                await self._give(address, notice, self._within / len(known))
            except TryLater as error:
                reasons.append(f"address {number}: {error}")
                waits.append(error.after or _pause(attempts))
            else:
                return address.schema
        raise TryLater(f"{notice.to} could not be told: {'; '.join(reasons)}", min(waits))

    async def _give(self, address: Address, notice: Notice, within: float) -> None:
        pace = self._pace(address)
        wait = 0.0 if pace is None else pace.take(time.monotonic())
        if wait > 0:
            raise TryLater(f"the {address.schema} robot has been told as much as it takes in a minute", max(wait, 5.0))
        try:
            if address.schema in ROBOTS:
                await self._post(address, notice.text, within)
            else:
                await self._through_library(address, notice, within)
        except TryLater as error:
            if pace is not None and error.after is not None:
                pace.close(time.monotonic(), error.after)
            raise

    def _pace(self, address: Address) -> Pace | None:
        """One for each robot, whoever of the people names it: they share its limit."""
        if address.schema not in ROBOTS:
            return None
        return self._paces.setdefault(address.plugin.url_identifier, Pace())

    async def _post(self, address: Address, text: str, within: float) -> None:
        made = robots.post(address, text, int(self._now().timestamp() * 1000), self._hosts)
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=ReachConnector(self._reach))
        try:
            async with asyncio.timeout(within):
                # A redirect would carry the robot's key elsewhere.
                sent = self._session.post(made.url, data=made.body, headers=headers, allow_redirects=False)
                async with sent as answer:
                    status, body = answer.status, await _beginning(answer.content)
        except TimeoutError:
            raise TryLater(f"the {address.schema} robot did not answer within {within:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Their words hold the URL, and with it the key.
            raise TryLater(f"the {address.schema} robot cannot be reached ({type(error).__name__})") from None
        robots.check(address.schema, status, body)

    async def _through_library(self, address: Address, notice: Notice, within: float) -> None:
        def work() -> bool:
            return _told(address.plugin, notice, within)

        try:
            taken = await self._threads.run(work, within)
        except TimeoutError:
            raise TryLater(f"{address.schema} did not answer within {within:g} s") from None
        except TryLater:
            raise
        except Exception as error:  # noqa: BLE001 -- a hundred plugins, each with errors of its own, that may hold secrets
            raise TryLater(f"{address.schema} failed ({type(error).__name__})") from None
        if not taken:
            raise TryLater(f"{address.schema} did not take it")


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    read = b""
    while len(read) < _MOST_ANSWER and (piece := await content.read(_MOST_ANSWER)):
        read += piece
    return read


def _told(plugin: Any, notice: Notice, within: float) -> bool:
    # By itself apprise sleeps for seconds between two messages of one address; who may be told how often is decided before.
    plugin.request_rate_per_sec = 0
    plugin.socket_connect_timeout = plugin.socket_read_timeout = max(0.5, within / 2)
    title = notice.data.get("title")
    return bool(plugin.notify(body=notice.text, title=title if isinstance(title, str) else ""))


def _pause(attempts: int) -> float:
    """Seconds: at least so many that only this person waits, not everybody."""
    return float(min(_FIRST_PAUSE * 2 ** min(attempts, 10), _LONGEST_PAUSE))
