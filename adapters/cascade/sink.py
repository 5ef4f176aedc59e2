"""The lower end of the cascade: gives entries, and the pictures and clips they name, to the upper node. Never retries."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

from adapters.cascade import wire
from adapters.cascade.answers import HttpAnswer, read_digest, read_receipt, require_success
from adapters.cascade.link import Link
from adapters.cascade.media import seconds_for
from adapters.cascade.posting import Posting
from adapters.cascade.settings import CascadeSinkSettings
from adapters.cascade.traffic import SEND_BUFFER, THIN_SEND_BUFFER, Helpings, Traffic, paced
from gateway.budget import Budget
from gateway.canonical import sha256_hex
from gateway.errors import Refused, TryLater, Unreachable
from gateway.model import Entry, Lane, Parcel, Receipt, rfc3339, utc_now, uuid7
from gateway.observability.logs import logger
from gateway.ports import Digest, MediaStore

_log = logger("cascade")

_CONCURRENCY = 16
_LANES = 5
_WIDTHS = {Lane.ALARM: 4, Lane.UPDATE: 2, Lane.PICTURE: 2}  # requests under way; what comes meanwhile goes together
_PICTURES_AT_ONCE = 4  # bytes on their way: an alarm shares the uplink with them
_NEVER_HELD = frozenset({Lane.ALARM, Lane.UPDATE})
_EVENTS = "/cascade/v1/events"
_OVERHEAD = 400  # bytes of HTTP about each request
_EVENT_WITHIN = 10.0
_ASK_AGAIN = 3.0  # seconds: with the connecting, the newest alarm is above within 5 s of the link's return
_DIGEST_WITHIN = 120.0  # the first of them lets an upper node look through its feed
_REMEMBERED = 4096  # pictures: several entries of a storm name the same one


class CascadeSink:
    """Implements ports.Sink and ports.Reporting towards the upper node at ``settings.url``."""

    concurrency = _CONCURRENCY

    def __init__(
        self,
        settings: CascadeSinkSettings,
        node_id: str,
        media: MediaStore,
        *,
        event_within: float = _EVENT_WITHIN,
        ask_again: float = _ASK_AGAIN,
    ) -> None:
        self.id = settings.id
        self._node = node_id
        self._media = media
        self._event_within = event_within
        self._ask_again = ask_again
        # Connections for every lane at once: an alarm must never wait for a picture to leave its connection.
        self._link = Link(settings, node_id, connections=_CONCURRENCY * _LANES)
        self._traffic = self.traffic = Traffic()
        self._budget = self.budget = Budget(settings.budget)
        self._postings = {
            lane: Posting(partial(self._ask, lane), lambda: self._link.address, width=_WIDTHS.get(lane, 1))
            for lane in Lane
        }
        self._pictures = asyncio.Semaphore(_PICTURES_AT_ONCE)
        self._there: OrderedDict[str, None] = OrderedDict()

    async def send(self, parcel: Parcel) -> Receipt:
        """The upper node's receipt, checked against what was sent. Raises TryLater | Refused with a sentence."""
        entry = parcel.content
        if not isinstance(entry, Entry):
            raise Refused(f"sink {self.id} forwards entries of alerts; this parcel is an answer to a terminal")
        try:
            if entry.action == "clip":
                await self._send_media(entry, self._put_clip)
                return await self._send_event(entry, parcel.lane)
            with self._traffic.urgent():
                if entry.action == "picture":
                    async with self._pictures:
                        await self._send_media(entry, self._put_picture)
                return await self._send_event(entry, parcel.lane)
        except Unreachable as error:
            raise TryLater(str(error)) from error
        except ValueError as error:
            raise Refused(f"entry {entry.id} cannot travel as JSON: {error}") from error

    async def report(self, report_type: str, data: Mapping[str, Any]) -> None:
        """See ports.Reporting."""
        report_id = uuid7()
        try:
            body = wire.report_bytes(report_id, report_type, self._node, utc_now(), data)
            if len(body) > wire.MAX_BODY:
                raise Refused(f"a report of {len(body)} bytes is more than an upper node takes: send it in parts")
            answer = await self._post_report(body)
        except Unreachable as error:
            raise TryLater(str(error)) from error
        except ValueError as error:
            raise Refused(f"a report cannot travel as JSON: {error}") from error
        require_success(answer, self._link.address)
        read_receipt(answer, report_id, sha256_hex(body), self._link.address)

    async def digest(self, since: datetime, until: datetime) -> Digest:
        """See ports.Reporting. Who asks may find that the upper node lost entries: then their pictures go again too."""
        self._there.clear()
        query = urlencode({"from": rfc3339(since), "to": rfc3339(until)})
        try:
            answer = await self._link.send("GET", f"/cascade/v1/digest?{query}", None, "", _DIGEST_WITHIN)
        except Unreachable as error:
            raise TryLater(str(error)) from error
        require_success(answer, self._link.address)
        return read_digest(answer, self._link.address)

    async def close(self) -> None:
        for posting in self._postings.values():
            await posting.close()
        await self._link.close()

    async def _send_event(self, entry: Entry, lane: Lane) -> Receipt:
        return await self._postings[lane].send(entry.id, wire.event_bytes(entry))

    async def _ask(self, lane: Lane, events: Sequence[bytes]) -> HttpAnswer:
        """The first answer, to one event or a list of them. While none comes the same bytes go out again, each time on a new connection.

        Where packets or answers were lost, a connection may stay silent long after the link is back; its deadline cannot
        be shorter without failing a slow upper node for ever. The upper node gives a repeat the same receipt.
        """
        body, media_type = (events[0], wire.SINGLE) if len(events) == 1 else (_listed(events), wire.BATCH)
        if lane in _NEVER_HELD:
            self._budget.count(len(body) + _OVERHEAD)
        else:
            await self._budget.spend(len(body) + _OVERHEAD, lane.value)
        asked = {asyncio.create_task(self._post(body, media_type, fresh=False))}
        try:
            while True:
                done, _ = await asyncio.wait(asked, timeout=self._ask_again, return_when=asyncio.FIRST_COMPLETED)
                if done:
                    return done.pop().result()
                asked.add(asyncio.create_task(self._post(body, media_type, fresh=True)))
        finally:
            for request in asked:
                request.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def _post(self, body: bytes, media_type: str, *, fresh: bool) -> HttpAnswer:
        return await self._link.send("POST", _EVENTS, body, media_type, self._event_within, fresh=fresh)

    async def _post_report(self, body: bytes) -> HttpAnswer:
        """In turn with pictures, not behind them: it is this node's sign of life."""
        if self._budget.bits is None:
            return await self._post(body, wire.SINGLE, fresh=False)
        return await self._pace("POST", _EVENTS, body, wire.SINGLE)

    async def _pace(self, method: str, path: str, content: bytes, media_type: str) -> HttpAnswer:
        pieces = paced(content, self._budget, Lane.PICTURE)
        within = seconds_for(0)
        return await self._link.upload(
            method, path, pieces, len(content), media_type, within, send_buffer=THIN_SEND_BUFFER
        )

    async def _send_media(self, entry: Entry, put: Callable[[str], Awaitable[HttpAnswer | None]]) -> None:
        """What an entry names goes first, so that an entry above never names what is not there yet."""
        sha256 = entry.data.get("sha256")
        if not isinstance(sha256, str) or sha256 in self._there:
            return
        answer = await put(sha256)
        if answer is None:
            # Removed meanwhile (retention, a lost disk). The entry is still true and says when the picture was taken;
            # the upper node answers 404 for the picture itself. Holding the entry back would mend nothing.
            _log.warning("what an entry names is not here any more", sink=self.id, entry=entry.id, sha256=sha256)
            return
        require_success(answer, self._link.address)
        self._there[sha256] = None
        if len(self._there) > _REMEMBERED:
            self._there.popitem(last=False)

    async def _put_picture(self, sha256: str) -> HttpAnswer | None:
        found = await self._media.read(sha256)
        if found is None:
            return None
        content, media_type = found
        if self._budget.bits is not None:
            return await self._pace("PUT", f"/cascade/v1/media/{sha256}", content, media_type)
        return await self._link.send("PUT", f"/cascade/v1/media/{sha256}", content, media_type, seconds_for(0))

    async def _put_clip(self, sha256: str) -> HttpAnswer | None:
        found = await self._media.find(sha256)
        if found is None:
            return None
        path, within = f"/cascade/v1/media/{sha256}", seconds_for(found.size)
        buffer = SEND_BUFFER if self._budget.bits is None else THIN_SEND_BUFFER
        with contextlib.closing(Helpings(found.path, self._traffic, budget=self._budget)) as pieces:
            return await self._link.upload(
                "PUT", path, pieces, found.size, found.media_type, within, send_buffer=buffer
            )


def _listed(events: Sequence[bytes]) -> bytes:
    """Canonical JSON of a list of what is canonical JSON each."""
    return b"[" + b",".join(events) + b"]"
