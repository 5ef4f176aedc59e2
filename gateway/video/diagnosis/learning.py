"""When a camera's reference view is learned, renewed or forgotten by what a look saw."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gateway.model import ImageFault, Mask
from gateway.video.diagnosis.views import RENEW_S, View, Views


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at a camera. ``view``: its reference view; ``held``: what the picture was held against, the view or a candidate
    for one; ``fresh``: the view of this picture; ``compared``: the two could be compared."""

    camera: str
    period: str
    masks: Sequence[Mask]
    view: View | None
    held: bytes | None
    fresh: bytes | None
    faults: Collection[str]
    compared: bool


def is_old(view: View | None, now: float) -> bool:
    """It was learned so long ago that it is to be learned anew. ``now``: Unix seconds."""
    return view is not None and view.learned and now - view.at > RENEW_S


def learn(views: Views, seen: Seen, now: float) -> None:
    """Only from pictures that nothing else is wrong with."""
    if set(seen.faults) - {ImageFault.MOVED}:
        return
    if seen.view is not None and not seen.compared:
        views.forget(seen.camera, seen.period)  # of a version before this one
        return
    moved = ImageFault.MOVED in seen.faults
    if seen.view is None:
        agrees = seen.held is not None and not moved
        views.learn(seen.camera, seen.period, seen.fresh, now, seen.masks, agrees=agrees)
    elif seen.fresh is not None and not moved and is_old(seen.view, now):
        views.put(seen.camera, seen.period, seen.fresh, seen.view.by, now, seen.masks)
