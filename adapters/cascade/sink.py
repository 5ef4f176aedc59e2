"""The lower end of the cascade: gives entries, and the pictures they name, to the upper node. Never retries."""

import asyncio
from collections import OrderedDict

from adapters.cascade import wire
from adapters.cascade.answers import HttpAnswer, read_receipt, require_success
from adapters.cascade.link import Link
from adapters.cascade.settings import CascadeSinkSettings
from gateway.canonical import sha256_hex
from gateway.errors import Refused, TryLater, Unreachable
from gateway.model import Entry, Parcel, Receipt
from gateway.observability.logs import logger
from gateway.ports import MediaStore

_log = logger("cascade")

_CONCURRENCY = 16
_LANES = 4
_EVENT_WITHIN = 10.0
_ASK_AGAIN = 3.0  # seconds: with the connecting, the newest alarm is above within 5 s of the link's return
_MEDIA_WITHIN = 60.0
_REMEMBERED = 4096  # pictures: several entries of a storm name the same one


class CascadeSink:
    """Implements ports.Sink towards the upper node at ``settings.url``."""

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
        self._media = media
        self._event_within = event_within
        self._ask_again = ask_again
        # Connections for every lane at once: an alarm must never wait for a picture to leave its connection.
        self._link = Link(settings, node_id, connections=_CONCURRENCY * _LANES)
        self._there: OrderedDict[str, None] = OrderedDict()

    async def send(self, parcel: Parcel) -> Receipt:
        """The upper node's receipt, checked against what was sent. Raises TryLater | Refused with a sentence."""
        entry = parcel.content
        if not isinstance(entry, Entry):
            raise Refused(f"sink {self.id} forwards entries of alerts; this parcel is an answer to a terminal")
        try:
            await self._send_picture(entry)
            return await self._send_event(entry)
        except Unreachable as error:
            raise TryLater(str(error)) from error
        except ValueError as error:
            raise Refused(f"entry {entry.id} cannot travel as JSON: {error}") from error

    async def close(self) -> None:
        await self._link.close()

    async def _send_event(self, entry: Entry) -> Receipt:
        body = wire.event_bytes(entry)
        answer = await self._ask(body)
        require_success(answer, self._link.address)
        return read_receipt(answer, entry.id, sha256_hex(body), self._link.address)

    async def _ask(self, body: bytes) -> HttpAnswer:
        """The first answer. While none comes the same bytes go out again, each time on a new connection.

        Where packets or answers were lost, a connection may stay silent long after the link is back; its deadline cannot
        be shorter without failing a slow upper node for ever. The upper node gives a repeat the same receipt.
        """
        asked = {asyncio.create_task(self._post(body, fresh=False))}
        try:
            while True:
                done, _ = await asyncio.wait(asked, timeout=self._ask_again, return_when=asyncio.FIRST_COMPLETED)
                if done:
                    return done.pop().result()
                asked.add(asyncio.create_task(self._post(body, fresh=True)))
        finally:
            for request in asked:
                request.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def _post(self, body: bytes, *, fresh: bool) -> HttpAnswer:
        return await self._link.send("POST", "/cascade/v1/events", body, wire.SINGLE, self._event_within, fresh=fresh)

    async def _send_picture(self, entry: Entry) -> None:
        """The picture goes first, so that an entry above never names one that is not there yet."""
        sha256 = entry.data.get("sha256") if entry.action == "picture" else None
        if not isinstance(sha256, str) or sha256 in self._there:
            return
        found = await self._media.read(sha256)
        if found is None:
            # Removed meanwhile (retention, a lost disk). The entry is still true and says when the picture was taken;
            # the upper node answers 404 for the picture itself. Holding the entry back would mend nothing.
            _log.warning("a picture to be forwarded is not here any more", sink=self.id, entry=entry.id, sha256=sha256)
            return
        content, media_type = found
        answer = await self._link.send("PUT", f"/cascade/v1/media/{sha256}", content, media_type, _MEDIA_WITHIN)
        require_success(answer, self._link.address)
        self._there[sha256] = None
        if len(self._there) > _REMEMBERED:
            self._there.popitem(last=False)
