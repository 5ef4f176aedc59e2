"""Labelled pictures of a folder: real ones, or others' drawn ones."""

from collections.abc import Iterator
from pathlib import Path

import cv2

from gateway.lab.diagnosis_set.ground import Image
from gateway.lab.diagnosis_set.samples import Sample
from gateway.model import ImageFault

INTACT = "intact"
NIGHT = "night"
REFERENCE = "reference"
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


def read_folder(folder: Path) -> Iterator[Sample]:
    """``folder/FAULT/…`` or ``folder/intact/…``: each picture is one case; so is each folder of pictures, in the order of their
    names, where ``reference.png`` is the camera's view when all was well. Names that begin with ``night`` are judged as night.

    Raises ValueError, naming the folder, for a label that is no fault, and for what is no picture.
    """
    for label in sorted(path for path in folder.iterdir() if path.is_dir()):
        if label.name != INTACT and label.name not in set(ImageFault):
            known = ", ".join([INTACT, *ImageFault])
            raise ValueError(f"{label}: no fault is called {label.name}; the folders' names are {known}")
        fault = None if label.name == INTACT else ImageFault(label.name)
        cases = sorted(case for case in label.iterdir() if case.is_dir() or case.suffix.lower() in _PICTURES)
        for number, case in enumerate(cases):
            yield _case(case, fault, number)


def _case(case: Path, fault: ImageFault | None, number: int) -> Sample:
    files = [case] if case.is_file() else sorted(path for path in case.iterdir() if path.suffix.lower() in _PICTURES)
    frames = tuple(_picture(path) for path in files if path.stem != REFERENCE)
    if not frames:
        raise ValueError(f"{case}: there is no picture in it")
    reference = next((_picture(path) for path in files if path.stem == REFERENCE), None)
    light = "infrared" if case.name.startswith(NIGHT) else "day"
    return Sample(number, fault, case.name, light, frames, reference)


def _picture(path: Path) -> Image:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{path}: this is no picture that can be read")
    return picture
