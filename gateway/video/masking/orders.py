"""What is to be covered, as core and child say it to each other. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway.model import Mask

Style = Literal["black", "mosaic"]


@dataclass(frozen=True, slots=True)
class Cover:
    """A polygon that somebody drew, in parts of the picture (0 to 1). ``from_ms`` and ``to_ms``: in a clip, from its beginning;
    None: to its ends."""

    polygon: Mask
    from_ms: int | None = None
    to_ms: int | None = None

    def at(self, ms: float) -> bool:
        return (self.from_ms is None or ms >= self.from_ms) and (self.to_ms is None or ms <= self.to_ms)


def packed(kind: str, covers: Sequence[Cover], style: Style) -> bytes:
    told = [[[list(corner) for corner in each.polygon], each.from_ms, each.to_ms] for each in covers]
    return json.dumps({"kind": kind, "style": style, "covers": told}).encode()


def unpacked(content: bytes) -> tuple[str, list[Cover], Style]:
    told: dict[str, Any] = json.loads(content)
    covers = [
        Cover(tuple((float(x), float(y)) for x, y in polygon), since, until) for polygon, since, until in told["covers"]
    ]
    return told["kind"], covers, told["style"]
