"""Pictures and clips taken along with faces and plates covered, where somebody drew over them; nothing is recognised."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.types import Receive, Scope, Send

from gateway.console.api.alerts import GONE, NO_ALERT, AlertId, visible_alert
from gateway.console.api.bundle import Archive
from gateway.console.api.schemas import Problem as Refused
from gateway.console.auth import Caller, Right, having_one
from gateway.console.bundle import as_json
from gateway.console.bundle_zip import Member, measured
from gateway.console.problems import Problem, sentence
from gateway.console.services import House, Services
from gateway.console.views import API
from gateway.model import Alert, rfc3339
from gateway.ports import StoredMedia
from gateway.video.masking.masker import MaskingFailed, mask
from gateway.video.masking.orders import Cover, Style

router = APIRouter(prefix=API, tags=["alerts"])

FORMAT = "gateway.masked.v1"
_MOST_ITEMS = 50
_MOST_COVERS = 64
_MOST_CORNERS = 64
_DEADLINE_S = 600.0  # of one export, whatever it holds: others wait for its turn
Exporter = Annotated[Caller, Depends(having_one(Right.ACT, Right.AUDIT))]
Part = Annotated[float, Field(ge=0, le=1)]
_TOLD = """\
遮挡导出 · Masked export

人脸、车牌等由导出人手工遮挡，系统未做任何识别；manifest.json 说明谁遮挡了什么。录像不含声音。原件未改动，留存于本节点。
Faces, plates and the like were covered by hand by whoever exported this; nothing was recognised. manifest.json says who covered
what. Clips are without sound. The originals are unchanged and stay with the node.
"""


class CoverDrawn(BaseModel):
    """`polygon`: corners as parts (0 to 1) of the picture's width and height. `from_ms`, `to_ms`: of a clip, from its beginning."""

    model_config = ConfigDict(extra="forbid")

    polygon: list[tuple[Part, Part]] = Field(min_length=3, max_length=_MOST_CORNERS)
    from_ms: int | None = Field(None, ge=0)
    to_ms: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _forwards(self) -> "CoverDrawn":
        if self.to_ms is not None and self.to_ms <= (self.from_ms or 0):
            raise ValueError("to_ms does not lie behind from_ms: no moment would be covered")
        return self

    def cover(self) -> Cover:
        return Cover(tuple(self.polygon), self.from_ms, self.to_ms)


class ItemWanted(BaseModel):
    """A picture or a clip of the alert, by its id. Without `covers` it goes out as it is, which the manifest says."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["picture", "clip"]
    id: str = Field(min_length=1, max_length=128)
    covers: list[CoverDrawn] = Field(default_factory=list, max_length=_MOST_COVERS)


class MaskedExport(BaseModel):
    """`style`: black, or a mosaic of a few blocks."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=500)
    items: list[ItemWanted] = Field(min_length=1, max_length=_MOST_ITEMS)
    style: Style = "black"

    @model_validator(mode="after")
    def _each_once(self) -> "MaskedExport":
        named = Counter((each.kind, each.id) for each in self.items)
        [(kind, id_), times] = named.most_common(1)[0]
        if times > 1:
            raise ValueError(f"items: the {kind} {id_} is named {times} times; name it once, with all its covers")
        return self


@router.post(
    "/alerts/{alert_id}/export",
    response_class=Response,
    responses={
        **NO_ALERT,
        **GONE,
        200: {"content": {"application/zip": {}}, "description": "the covered files, and who covered what"},
        503: {
            "model": Refused,
            "description": "too many exports at once, or one that takes too long, or cannot be covered or written",
        },
    },
)
async def export_masked(alert_id: AlertId, wanted: MaskedExport, found: Exporter, house: House) -> Response:
    """A ZIP of pictures and clips with the drawn parts burnt in. The originals stay as they are; the audit has a line."""
    why = wanted.reason.strip()
    if not why:
        raise Problem(422, "body.reason: say why it is taken along; it is audited")
    stored = await house.ledger.read(lambda reader: visible_alert(reader, alert_id, found))
    sources = [await _source(house, stored.alert, item) for item in wanted.items]
    covered = sum(bool(item.covers) for item in wanted.items)
    said = f"{len(sources)} files, {covered} of them covered"
    await house.audit(found, "export_masked", f"alerts/{alert_id}", reason=why, detail=said)
    async with house.exports.turn():
        folder, members = await _in_time(_put_together(house, alert_id, found, why, wanted, sources))
    return _Passing(members, f"masked-{alert_id}.zip", folder)


Source = tuple[str, StoredMedia, str]
"""(camera, the file, its hash)."""
Folder = tempfile.TemporaryDirectory[str]
Whole = tuple[Folder, list[Member]]


async def _in_time(work: Awaitable[Whole]) -> Whole:
    """Raises Problem 503."""
    try:
        async with asyncio.timeout(_DEADLINE_S):
            return await work
    except TimeoutError:
        said = f"The export took longer than {_DEADLINE_S:g} s, and nothing of it was kept: take fewer files at once."
        raise Problem(503, said) from None
    except MaskingFailed as error:
        raise Problem(503, sentence(error)) from None
    except OSError as error:
        raise Problem(503, f"The covered files cannot be put together: {error.strerror or error}.") from None


async def _put_together(
    house: Services, alert_id: str, found: Caller, why: str, wanted: MaskedExport, sources: Sequence[Source]
) -> Whole:
    """The folder is whoever's who asked, to be cleaned up; where anything is raised nothing is left of it."""
    folder = await _folder()
    try:
        made = [
            await _made(Path(folder.name), number, item, *source, wanted.style)
            for number, (item, source) in enumerate(zip(wanted.items, sources, strict=True), 1)
        ]
        return folder, await asyncio.to_thread(_members, house, alert_id, found, why, wanted.style, made)
    except BaseException:
        await asyncio.to_thread(folder.cleanup)
        raise


async def _folder() -> Folder:
    """Who stops waiting for it leaves none behind: the thread makes it all the same."""
    making = asyncio.ensure_future(asyncio.to_thread(tempfile.TemporaryDirectory, prefix="masked-"))
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        (await making).cleanup()
        raise


class _Passing(Archive):
    """Its files are there until it was sent."""

    def __init__(self, members: list[Member], name: str, folder: Folder) -> None:
        super().__init__(members, name)
        self._folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._folder.cleanup()


async def _source(house: Services, alert: Alert, item: ItemWanted) -> Source:
    """Raises Problem 404 | 410."""
    for camera, kind, id_, sha256 in _media(alert):
        if (kind, id_) != (item.kind, item.id):
            continue
        if not await house.ledger.read(lambda reader, sha=sha256: reader.refers(alert.id, sha)):  # type: ignore[misc]
            raise Problem(410, f"The {kind} {id_} was deleted here, because its time was over.", state="deleted")
        here = await house.media.find(sha256)
        if here is None:
            raise Problem(404, f"The {kind} {id_} has not come from its node yet.")
        return camera, here, sha256
    raise Problem(404, f"There is no {item.kind} {item.id} of this alert.")


def _media(alert: Alert) -> Iterator[tuple[str, str, str, str]]:
    for camera in alert.cameras:
        for snapshot in camera.snapshots:
            if snapshot.sha256 is not None:
                yield camera.id, "picture", snapshot.id, snapshot.sha256
        if camera.clip is not None and camera.clip.sha256 is not None:
            yield camera.id, "clip", camera.clip.id, camera.clip.sha256


Made = tuple[str, Path, dict[str, Any]]


async def _made(
    folder: Path, number: int, item: ItemWanted, camera: str, here: StoredMedia, sha256: str, style: Style
) -> Made:
    name = f"{item.kind}s/{number:03d}.{'mp4' if item.kind == 'clip' else 'jpg'}"
    target = folder / f"{number:03d}"
    covers = [each.cover() for each in item.covers]
    masked = await mask(item.kind, here.path, target, covers, style)
    told = {
        "path": name,
        "camera": camera,
        "kind": item.kind,
        "id": item.id,
        "original_sha256": sha256,
        "frames": masked.frames,
        "covered": [each.model_dump(exclude_none=True) for each in item.covers],
    }
    return name, target, told


def _members(house: Services, alert_id: str, found: Caller, why: str, style: Style, made: list[Made]) -> list[Member]:
    files = [measured(name, path) for name, path, _ in made]
    by = found.principal.name
    manifest = {
        "format": FORMAT,
        "alert": alert_id,
        "node": house.node.id,
        "made_at": rfc3339(house.clock.now()),
        "made_by": by,
        "covered_by": by,
        "reason": why,
        "style": style,
        "recognition": "none: every part was drawn by hand",
        "files": [
            {**told, "bytes": file.size, "sha256": file.sha256} for file, (_, _, told) in zip(files, made, strict=True)
        ],
    }
    content = as_json(manifest)
    members = [measured("manifest.json", content)]
    if house.node_key is not None:
        members.append(measured("manifest.sig", house.node_key.sign(content)))
    return [*members, measured("README.txt", _TOLD.encode()), *files]
