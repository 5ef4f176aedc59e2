"""``python -m gateway.lab.diagnosis_set``: precision and recall of image diagnosis, on the drawn set or on a folder's pictures."""

import argparse
import sys
from pathlib import Path

import cv2

from gateway.lab.diagnosis_set.folder import read_folder
from gateway.lab.diagnosis_set.samples import samples
from gateway.lab.diagnosis_set.scoring import score
from gateway.lab.diagnosis_set.table import table, write

HALVES = ("tuning", "held_out")


def main() -> int:
    asked = _arguments().parse_args()
    cv2.setNumThreads(1)
    try:
        cases = read_folder(asked.pictures) if asked.pictures else samples(asked.half, asked.each, asked.seed)
        scores = score(cases, with_reference=not asked.no_reference)
        words = table(scores)
        if asked.write:
            write(asked.write, words)
    except (OSError, ValueError) as fault:
        print(f"gateway.lab.diagnosis_set: {fault}", file=sys.stderr)  # noqa: T201
        return 2
    print(words, *(scores.mistakes if asked.mistakes else ()), sep="\n")  # noqa: T201
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gateway.lab.diagnosis_set", description=__doc__)
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="pictures in folders named after their faults")
    parser.add_argument("--half", choices=HALVES, default="held_out", help="which half of the drawn set")
    parser.add_argument("--each", type=int, default=100, help="pictures of each fault")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-reference", action="store_true", help="judge without the cameras' reference views")
    parser.add_argument("--mistakes", action="store_true", help="name every picture that was told wrongly")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table between the marks of this page")
    return parser


if __name__ == "__main__":
    sys.exit(main())
