"""The pictures that verdicts stand on: fetched from whoever still has the keyframe, kept, and given to the alerts that wait."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Protocol

from gateway.errors import DeviceError, StoreFailed, Unreachable
from gateway.model import Draft, EvidenceState, Picture, Verdict, rfc3339
from gateway.ports import Clock, Ledger, MediaStore, Transaction

PATIENCE_S = 600.0
"""A worker that is dying takes its keyframes along; one that is merely busy, or whose core was updated, still has them."""
_AT_ONCE = 16


class Pictures(Protocol):
    """``WorkerPool``."""

    async def picture(self, camera_id: str, keyframe_id: str, width: int) -> Picture: ...


class VerdictPictures:
    """``width``: of the pictures; ``boot``: whose monotonic clock runs."""

    def __init__(
        self, ledger: Ledger, media: MediaStore, workers: Pictures, clock: Clock, *, width: int, boot: str
    ) -> None:
        self._ledger = ledger
        self._media = media
        self._workers = workers
        self._clock = clock
        self._width = width
        self._boot = boot

    def show(self, tx: Transaction, verdict: Verdict) -> None:
        """Write it down as it is now; where its picture is decided on, the alert that waits for it hears of it."""
        decided = verdict.evidence in (EvidenceState.READY, EvidenceState.FAILED)
        if decided and not verdict.shown and verdict.alert is not None and _awaits(tx, verdict):
            tx.append(
                Draft(
                    verdict.alert,
                    "picture",
                    f"camera/{verdict.camera}",
                    self._clock.now(),
                    data=_picture_entry(verdict),
                )
            )
            verdict = replace(verdict, shown=verdict.evidence is EvidenceState.READY)
        tx.change_verdict(verdict)

    async def fetch_all(self) -> None:
        """Those that can be had now; the others are tried again next time. Raises StoreFailed."""
        for verdict in await self._ledger.read(lambda reader: reader.pending_verdicts(_AT_ONCE)):
            found = await self._fetch(verdict)
            if found is not None:
                await self._ledger.write(partial(self._decide, found))

    def _decide(self, found: Verdict, tx: Transaction) -> None:
        """Its alert may have become known while the picture was fetched."""
        now = tx.verdict(found.id)
        if now is not None and now.evidence is EvidenceState.PENDING:
            self.show(tx, replace(found, alert=now.alert, planned=now.planned, shown=now.shown))

    async def _fetch(self, verdict: Verdict) -> Verdict | None:
        """It with its picture, or with the reason why there is none; None where it is to be tried again."""
        if verdict.frame is None:
            return _failed(verdict, "no picture of that moment was kept")
        if verdict.boot != self._boot:
            return _failed(verdict, "the box was restarted before the picture could be taken")
        try:
            picture = await self._workers.picture(verdict.camera, verdict.frame, self._width)
            sha256 = await self._media.put(picture.jpeg, "image/jpeg")
        except (Unreachable, StoreFailed) as fault:
            late = self._clock.mono() - verdict.since_mono > PATIENCE_S
            return _failed(verdict, str(fault)) if late else None
        except DeviceError as fault:
            return _failed(verdict, str(fault))
        return replace(
            verdict,
            evidence=EvidenceState.READY,
            sha256=sha256,
            width=picture.width,
            height=picture.height,
        )


def _failed(verdict: Verdict, reason: str) -> Verdict:
    return replace(verdict, evidence=EvidenceState.FAILED, reason=reason)


def _awaits(tx: Transaction, verdict: Verdict) -> bool:
    """Whether the alert has a place for this picture: of a household's camera it has none."""
    stored = None if verdict.alert is None else tx.alert(verdict.alert)
    return stored is not None and any(
        snapshot.id == verdict.id for camera in stored.alert.cameras for snapshot in camera.snapshots
    )


def _picture_entry(verdict: Verdict) -> dict[str, object]:
    ready = verdict.evidence is EvidenceState.READY
    offset = verdict.frame_mono - verdict.since_mono
    return {
        "camera": verdict.camera,
        "snapshot": verdict.id,
        "state": verdict.evidence.value,
        "offset_ms": round(offset * 1000) if ready else None,
        "taken_at": rfc3339(verdict.since + timedelta(seconds=offset)) if ready else None,
        "sha256": verdict.sha256,
        "width": verdict.width,
        "height": verdict.height,
        "reason": verdict.reason,
    }
