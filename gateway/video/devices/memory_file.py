"""A worker's file of what it remembers, and those of the workers beside it."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from gateway.observability.logs import logger

LOOK_AGAIN_S = 1.0
"""A worker that dies leaves hundreds of devices to the others at once: its file is read once for all of them."""


class Entry(NamedTuple):
    """``at``: when it was put down (seconds since 1970). ``value``: what JSON can hold."""

    at: float
    value: Any


Entries = dict[tuple[str, str], Entry]
"""By what it is of which device."""


class MemoryFile:
    """Private (0600), replaced whole; a line of JSON for each entry, so that a spoilt one spoils no other.

    ``path`` None: nothing outlives us. The files of other workers end alike and lie in the same directory.
    """

    def __init__(self, path: Path | None, *, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self.entries: Entries = {} if path is None else _read(path)
        self._lines = {key: _line(key, entry) for key, entry in self.entries.items()}
        self._unwritten = False
        self._others: Entries = {}
        self._looked_at = float("-inf")

    def put(self, what: str, device: str, value: object) -> None:
        key, entry = (what, device), Entry(self._now(), value)
        self.drop(what, device)
        self.entries[key] = entry
        self._lines[key] = _line(key, entry)
        self._unwritten = True

    def drop(self, what: str, device: str) -> None:
        if self.entries.pop((what, device), None) is not None:
            del self._lines[what, device]
            self._unwritten = True

    def keep(self, most: int) -> None:
        """The latest ``most`` of each kind, and no more."""
        for what, count in Counter(what for what, _ in self.entries).items():
            of_it = (device for kind, device in self.entries if kind == what)
            for device in list(islice(of_it, max(0, count - most))):
                self.drop(what, device)

    def latest(self, what: str, device: str) -> Any:
        """What was put down last, by us or by a worker beside us; None where nobody did. Of others it is a second old at
        most."""
        if self._path is not None and abs(self._now() - self._looked_at) >= LOOK_AGAIN_S:
            self._looked_at = self._now()
            self._others = _newest(_read(path) for path in self._beside())
        found = [entries[what, device] for entries in (self.entries, self._others) if (what, device) in entries]
        return max(found, key=lambda entry: entry.at).value if found else None

    def write(self) -> None:
        if self._path is None or not self._unwritten:
            return
        self._unwritten = False
        beside = self._path.with_suffix(".new")
        try:
            with os.fdopen(
                os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
            ) as file:
                file.writelines(self._lines.values())
            beside.replace(self._path)
        except OSError as error:
            logger("video").warning("what is known of ONVIF devices could not be kept", reason=error.strerror)

    def _beside(self) -> Iterator[Path]:
        if self._path is not None:
            ending = "".join(self._path.suffixes)
            yield from (path for path in self._path.parent.glob(f"*{ending}") if path != self._path)


def _line(key: tuple[str, str], entry: Entry) -> str:
    return json.dumps([*key, *entry], separators=(",", ":")) + "\n"


def _read(path: Path) -> Entries:
    """What cannot be read is left out: it is found out again."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        logger("video").warning("what was known of ONVIF devices cannot be read", reason=error.strerror)
        return {}
    found: Entries = {}
    spoilt = 0
    for line in lines:
        try:
            what, device, at, value = json.loads(line)
            found[str(what), str(device)] = Entry(float(at), value)
        except (ValueError, TypeError, RecursionError):
            spoilt += 1
    if spoilt:
        logger("video").warning("some of what was known of ONVIF devices cannot be read", lines=spoilt)
    return found


def _newest(files: Iterator[Entries]) -> Entries:
    found: Entries = {}
    for entries in files:
        for key, entry in entries.items():
            if key not in found or found[key].at < entry.at:
                found[key] = entry
    return found
