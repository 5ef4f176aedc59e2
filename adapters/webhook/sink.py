"""Gives entries, each with its alert as it stands, to a partner's platform. Never retries."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from adapters.webhook import message
from adapters.webhook.settings import WebhookSettings
from gateway.backoff import retry_after
from gateway.budget import Budget
from gateway.client_tls import client_context
from gateway.errors import Refused, TryLater, TurnedAway
from gateway.model import Entry, Lane, Parcel
from gateway.ports import Clock
from gateway.reach import Reach
from gateway.reach_http import ReachConnector

_CONCURRENCY = 8
_WITHIN = 9.5  # seconds: below the deadline of an alarm's lane, so that the reason is the receiver's
_CONNECT_WITHIN = 3.0
_LONGEST_WAIT = 300.0  # seconds: whatever a receiver asks for, an alarm is tried again within five minutes
_PERSONS_WAIT = 30.0  # seconds: an address or a secret is put right by a person
_MOST_READ = 4096
_OVERHEAD = 600  # bytes of HTTP and signatures about each request
_NEVER_HELD = frozenset({Lane.ALARM, Lane.UPDATE})
_QUOTED = 200
_NEVER = frozenset({400, 406, 410, 411, 413, 414, 415, 422, 431})
_MISSET = frozenset({401, 403, 404, 405, 407})

AlertLookup = Callable[[str], Awaitable[Mapping[str, Any] | None]]
"""The alert of this id as the API shows it in a list, now; None where it is not known."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """``wait``: what Retry-After asks for in seconds. ``said``: its beginning. ``page``: for people to look at, so not a
    partner's interface but something in front of it."""

    status: int
    wait: float | None
    said: str
    page: bool


class WebhookSink:
    """Implements ports.Sink towards ``settings.url``. Its receiver gives no receipt: R2 is the upper nodes' alone."""

    concurrency = _CONCURRENCY
    ordered = True

    def __init__(
        self,
        settings: WebhookSettings,
        node_id: str,
        alert: AlertLookup,
        clock: Clock,
        *,
        within: float = _WITHIN,
        reach: Reach = Reach(),
    ) -> None:
        self._reach = reach
        self.id = settings.id
        self._url = settings.url
        self._keys = settings.keys()
        self._pictures = settings.pictures
        self._node = node_id
        self._alert = alert
        self._clock = clock
        self._budget = Budget(settings.budget)
        self._within = within
        self._tls = client_context(settings.tls) if settings.url.startswith("https:") else None
        self._session: aiohttp.ClientSession | None = None

    async def send(self, parcel: Parcel) -> None:
        """Return once the receiver answered 2xx. Raises TryLater | Refused with a sentence."""
        entry = parcel.content
        if not isinstance(entry, Entry):
            raise Refused(f"sink {self.id} tells of entries of alerts; this parcel carries something else")
        alert = await self._alert(entry.alert_id)
        try:
            body = message.event_bytes(self._node, entry, alert, self._pictures)
        except ValueError as error:
            raise Refused(f"entry {entry.id} cannot travel as JSON: {error}") from error
        if parcel.lane in _NEVER_HELD:
            self._budget.count(len(body) + _OVERHEAD)
        else:
            await self._budget.spend(len(body) + _OVERHEAD, parcel.lane.value)
        headers = message.headers(entry.id, body, self._keys, self._clock.now())
        self._require_taken(await self._post(body, headers))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> _Answer:
        timeout = aiohttp.ClientTimeout(total=self._within, connect=_CONNECT_WITHIN)
        try:
            async with self._opened().post(
                self._url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                wait = retry_after(response.headers.get("Retry-After", ""), self._clock.now(), _LONGEST_WAIT)
                said = await response.content.read(_MOST_READ)
                if not response.content.at_eof():
                    response.close()  # of a longer answer nothing more is read
                return _Answer(response.status, wait, _plain(said), page=response.content_type == "text/html")
        except aiohttp.ClientConnectorCertificateError:
            raise TryLater(f"{self._url}: its TLS certificate was not accepted; set tls.ca of this sink") from None
        except TimeoutError:
            raise TryLater(f"{self._url}: no answer within {self._within:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise TryLater(f"{self._url}: it could not be reached ({_cause(error)})") from None

    def _require_taken(self, answered: _Answer) -> None:
        status = answered.status
        if 200 <= status < 300:
            return
        answer = f"HTTP {status}{f': {answered.said}' if answered.said else ''}"
        if status in _NEVER and answered.page:
            raise TurnedAway(
                f"{self._url}: it was turned away with a web page ({answer}); look at the proxies and filters on the way"
            )
        if status in _NEVER:
            raise Refused(f"{self._url} refused it ({answer})")
        if status in _MISSET:
            raise TryLater(
                f"{self._url} does not take what this sink sends ({answer}); check url and secret", _PERSONS_WAIT
            )
        if 300 <= status < 400:
            redirect = f"{self._url} answers with a redirect ({answer}), which is not followed: set its own address"
            raise TryLater(redirect, _PERSONS_WAIT)
        raise TryLater(f"{self._url} cannot take it now ({answer})", answered.wait)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=ReachConnector(
                    self._reach, limit=_CONCURRENCY * 5, ssl=self._tls or True, keepalive_timeout=15
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"Accept-Encoding": "identity", "User-Agent": f"gateway/{self._node}"},
            )
        return self._session


def _plain(said: bytes) -> str:
    """A stranger's words, on one line and not too long; they go into our log and our console."""
    text = said.decode("utf-8", "replace")[:_QUOTED]
    return "".join(character if character.isprintable() else " " for character in text).strip()


def _cause(error: Exception) -> str:
    reason = error.os_error.strerror if isinstance(error, aiohttp.ClientConnectorError) else None
    return (reason or type(error).__name__).lower()
