"""Reference views (基准画面): what each camera usually shows, by day and by night, on disk over restarts.

A view is a small masked picture of the decoder child's making; nobody is ever shown one. Who sets it is a person, or the
camera's own good days: a fleet of a thousand cameras whose views somebody would have to set one by one never has any.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gateway.model import Mask
from gateway.observability.logs import logger

PERIODS = ("day", "night")
LEARNED = "learned"
LEARN_LOOKS = 12
LEARN_S = 6 * 3600.0
"""A view is learned from so many looks without any fault, over so long, that all show the same view: a camera that is still
being mounted, or a dome on its tour, never comes so far. Six hours, not days: until it is learned a turned camera is not
seen, and a wrong one is put right by one button."""
RENEW_S = 30 * 86_400.0
"""A learned view is taken anew from a good look after so long: trees lose their leaves, walls are painted."""
_MOST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class View:
    """``at``: seconds since 1970; ``by``: who set it, or LEARNED; ``masks``: the digest of those it was made under."""

    content: bytes = field(repr=False)
    at: float
    by: str
    masks: str

    @property
    def learned(self) -> bool:
        return self.by == LEARNED


@dataclass(slots=True)
class _Candidate:
    content: bytes
    since: float
    masks: str
    looks: int = 1


class Views:
    """``directory`` None: nothing outlives us. A view of other masks than now in force is thrown away: it may show what
    nobody is to see any more."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._known: dict[tuple[str, str], View | None] = {}
        self._candidates: dict[tuple[str, str], _Candidate] = {}

    def get(self, camera: str, period: str, masks: Sequence[Mask]) -> View | None:
        key = (camera, period)
        if key not in self._known:
            self._known[key] = self._read(camera, period)
        view = self._known[key]
        if view is not None and view.masks != digest(masks):
            self.forget(camera, period)
            return None
        return view

    def candidate(self, camera: str, period: str, masks: Sequence[Mask]) -> bytes | None:
        """What may become its view. One of other masks than now in force is thrown away, as a view is."""
        found = self._candidate(camera, period, masks)
        return None if found is None else found.content

    def put(self, camera: str, period: str, content: bytes, by: str, now: float, masks: Sequence[Mask]) -> View:
        """Keep it, on disk too."""
        view = View(content, now, by, digest(masks))
        self._known[camera, period] = view
        self._candidates.pop((camera, period), None)
        self._write(camera, period, view)
        return view

    def forget(self, camera: str, period: str) -> bool:
        """Whether there was one."""
        known = self._known.get((camera, period)) or self._read(camera, period)
        self._known[camera, period] = None
        self._candidates.pop((camera, period), None)
        if self._directory is not None:
            self._path(camera, period).unlink(missing_ok=True)
        return known is not None

    def learn(
        self, camera: str, period: str, fresh: bytes | None, now: float, masks: Sequence[Mask], *, agrees: bool
    ) -> View | None:
        """A look without fault of a camera that has no view: it begins a candidate, or agrees with it, or does not. The view,
        once there is one."""
        key = (camera, period)
        held = self._candidate(camera, period, masks)
        if held is None or not agrees:
            self._candidates.pop(key, None)
            if fresh is not None:
                self._candidates[key] = _Candidate(fresh, now, digest(masks))
            return None
        held.looks += 1
        if held.looks < LEARN_LOOKS or now - held.since < LEARN_S:
            return None
        return self.put(camera, period, held.content, LEARNED, now, masks)

    def keep(self, cameras: Sequence[str]) -> None:
        """Of others nothing is held in memory; their files stay, for a camera that comes back or moves to another worker."""
        wanted = set(cameras)
        self._known = {key: view for key, view in self._known.items() if key[0] in wanted}
        self._candidates = {key: held for key, held in self._candidates.items() if key[0] in wanted}

    def _candidate(self, camera: str, period: str, masks: Sequence[Mask]) -> _Candidate | None:
        found = self._candidates.get((camera, period))
        if found is not None and found.masks != digest(masks):
            del self._candidates[camera, period]
            return None
        return found

    def _path(self, camera: str, period: str) -> Path:
        assert self._directory is not None
        return self._directory / f"{quote(camera, safe='')}.{period}.view"

    def _read(self, camera: str, period: str) -> View | None:
        if self._directory is None:
            return None
        try:
            raw = self._path(camera, period).read_bytes()
            head, _, content = raw.partition(b"\n")
            said: dict[str, Any] = json.loads(head)
            whole = said["sha256"] == hashlib.sha256(content).hexdigest() and 0 < len(content) <= _MOST_BYTES
            return View(content, float(said["at"]), str(said["by"]), str(said["masks"])) if whole else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger("video").warning(
                "a reference view cannot be read; it is learned anew", camera=camera, reason=str(error)
            )
            return None

    def _write(self, camera: str, period: str, view: View) -> None:
        if self._directory is None:
            return
        head = {"at": view.at, "by": view.by, "masks": view.masks}
        head["sha256"] = hashlib.sha256(view.content).hexdigest()
        path = self._path(camera, period)
        beside = path.with_suffix(f".{os.getpid()}.new")
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(json.dumps(head).encode() + b"\n" + view.content)
            beside.replace(path)
        except OSError as error:
            logger("video").warning("a reference view could not be kept", camera=camera, reason=error.strerror)


def digest(masks: Sequence[Mask]) -> str:
    return hashlib.sha256(json.dumps([[list(corner) for corner in mask] for mask in masks]).encode()).hexdigest()[:16]
