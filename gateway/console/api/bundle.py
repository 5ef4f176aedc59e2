"""A case bundle of an alert: everything about it, signed, as one archive."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from starlette.types import Receive, Scope, Send

from gateway.alerts.causality import order
from gateway.console.api import schemas
from gateway.console.api.alerts import AlertId, visible_alert
from gateway.console.api.description import answers
from gateway.console.api.looking_back import Why, required_reason
from gateway.console.auth import Caller, Right, having_one
from gateway.console.bundle import Case, Footage, bundle, made
from gateway.console.bundle_zip import Member, archive, size_of
from gateway.console.problems import Problem
from gateway.console.services import House, Services
from gateway.console.views import API, entries_of, full_alert_json
from gateway.errors import UsageError
from gateway.model import PictureState
from gateway.ports import Reader as LedgerReader
from gateway.ports import StoredAlert

router = APIRouter(prefix=API, tags=["alerts"])

Handler = Annotated[Caller, Depends(having_one(Right.ACT, Right.AUDIT))]
_SEND_S = 120.0  # a client that takes nothing for so long is cut off


@router.get(
    "/alerts/{alert_id}/bundle.zip",
    response_class=Response,
    responses={
        404: {"model": schemas.Problem, "description": "it is not here"},
        200: answers("application/zip", "the archive; `gateway audit verify` checks it"),
    },
)
async def case_bundle(alert_id: AlertId, found: Handler, house: House, reason: Why = None) -> Response:
    """The alert, its entries and the audit's lines about it with their links of the hash chain, its pictures and clips,
    signed by this node. Every export is audited. 422 with `needs: reason` as for pictures."""
    if house.node_key is None:
        raise Problem(503, "This node has no directory for the key that it would sign with.")
    key = house.node_key
    stored = await house.ledger.read(lambda reader: visible_alert(reader, alert_id, found))
    why = required_reason(house, stored, reason)
    await house.audit(found, "export_bundle", f"alerts/{alert_id}", reason=why)
    try:
        async with house.exports.turn():
            stored, case = await house.ledger.read(lambda reader: _case(house, reader, alert_id, found, why))
            whole = replace(case, footage=await _footage(house, stored))
            members = await asyncio.to_thread(bundle, whole, key)
    except UsageError as error:
        raise Problem(413, f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    except OSError as error:
        raise Problem(503, f"A picture or clip of it cannot be read: {error.strerror}.") from None
    return Archive(members, f"case-{alert_id}.zip")


def _case(
    house: Services, reader: LedgerReader, alert_id: str, found: Caller, why: str | None
) -> tuple[StoredAlert, Case]:
    """All of one moment; the audit's newest line about it is that of this export."""
    stored = visible_alert(reader, alert_id, found)
    alert = full_alert_json(stored, order(entries_of(reader.entries(alert_id))))
    entries, audit = reader.sealed(alert_id)
    by = made(house.node.id, house.node.name, house.clock.now(), found.principal.name, why)
    return stored, Case(alert, entries, audit, reader.newest_link(), (), by)


async def _footage(house: Services, stored: StoredAlert) -> list[Footage]:
    wanted = [
        Footage(camera.id, snapshot.id, "picture", snapshot.sha256, None, snapshot.offset_ms)
        for camera in stored.alert.cameras
        for snapshot in camera.snapshots
        if snapshot.state is PictureState.READY and snapshot.sha256 is not None
    ]
    wanted += [
        Footage(camera.id, camera.clip.id, "clip", camera.clip.sha256, None, camera.clip.from_ms)
        for camera in stored.alert.cameras
        if camera.clip is not None and camera.clip.sha256 is not None
    ]
    media = [await house.media.find(each.sha256) for each in wanted]
    return [
        Footage(each.camera, each.id, each.kind, each.sha256, None if here is None else here.path, each.offset_ms)
        for each, here in zip(wanted, media, strict=True)
    ]


class Archive(Response):
    """Written while it is read: neither the archive nor a clip is ever whole in memory."""

    def __init__(self, members: Sequence[Member], name: str) -> None:
        headers = {
            "Content-Type": "application/zip",
            "Content-Length": str(size_of(members)),
            "Content-Disposition": f'attachment; filename="{name}"',
        }
        super().__init__(headers=headers)
        self._members = members

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in self.raw_headers]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        pieces = archive(self._members)
        while (piece := await asyncio.to_thread(_next, pieces)) is not None:
            try:
                async with asyncio.timeout(_SEND_S):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            except TimeoutError:
                return  # fewer bytes than announced: the client knows
        await send({"type": "http.response.body", "body": b""})


def _next(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)
