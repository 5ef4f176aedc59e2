"""How often the verdicts are right: precision and recall of each fault over labelled pictures."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import cv2

from gateway.lab.diagnosis_set.ground import Image
from gateway.lab.diagnosis_set.samples import PICTURE_FAULTS, Sample
from gateway.model import ImageFault, Measures, Thresholds
from gateway.video.diagnosis.measures import look
from gateway.video.diagnosis.references import reference_of
from gateway.video.diagnosis.verdicts import judge

WIDEST = 640
"""The patrol has its pictures scaled to this before they are measured."""


@dataclass(slots=True)
class Score:
    """Of one fault. ``right``: found where it was; ``wrong``: told where it was not; ``missed``: not told where it was."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    @property
    def support(self) -> int:
        return self.right + self.missed

    @property
    def precision(self) -> float:
        told = self.right + self.wrong
        return self.right / told if told else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.support if self.support else 0.0


@dataclass(slots=True)
class Scores:
    """``mistakes``: which sample was taken for what, in words."""

    faults: dict[ImageFault, Score] = field(default_factory=lambda: {fault: Score() for fault in PICTURE_FAULTS})
    intact: int = 0
    mistakes: list[str] = field(default_factory=list)

    def note(self, label: ImageFault | None, told: Iterable[ImageFault], name: str) -> None:
        found = Counter(told)
        if label is None:
            self.intact += 1
        elif found.pop(label, 0):
            self.faults[label].right += 1
        else:
            self.faults[label].missed += 1
        for other in found:
            self.faults[other].wrong += 1
        if found or (label is not None and label not in told):
            self.mistakes.append(f"{name}: {label or 'intact'} was told as {', '.join(sorted(told)) or 'intact'}")


def score(samples: Iterable[Sample], *, with_reference: bool = True) -> Scores:
    scores = Scores()
    for sample in samples:
        measures = looked_at(sample.frames, sample.reference if with_reference else None)
        thresholds = Thresholds.night() if sample.night else Thresholds.day()
        told = judge(measures, thresholds, sample.night)
        scores.note(sample.fault, told, f"{sample.number} {sample.place} {sample.light}")
    return scores


def looked_at(frames: Sequence[Image], reference: Image | None) -> Measures:
    """As the patrol's decoder child measures them."""
    view = None if reference is None else reference_of(_fitted(reference))
    return look([_fitted(frame) for frame in frames], None, view)


def _fitted(picture: Image) -> Image:
    high, wide = picture.shape[:2]
    if wide <= WIDEST:
        return picture
    return cv2.resize(picture, (WIDEST, round(high * WIDEST / wide)), interpolation=cv2.INTER_AREA)
