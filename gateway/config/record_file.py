"""Writing cameras or terminals back to where they stand: the configuration itself, or its ``cameras_file`` or
``terminals_file``.

A change is tried before it is written (the whole configuration is read as it would be, and nothing but the records that
were meant may differ), then written whole or not at all, and never over what somebody else wrote meanwhile.
"""

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.config import csv_table, yaml_list
from gateway.config.load import Loaded
from gateway.config.settings import Settings
from gateway.config.yaml_list import Patch
from gateway.errors import ConfigError, RunningError, UsageError

Read = Callable[[Path, Mapping[Path, str]], Loaded]
"""Reads the configuration at a path, with what some files shall be taken to hold."""

_TRIES = 3
_TICK_NS = 50_000_000
"""Coarser than any file system's clock that keeps fractions of a second."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What shall be different. ``added``: records as in the YAML file; ``changed``: by id, which may be changed too."""

    added: Sequence[Mapping[str, Any]] = ()
    changed: Mapping[str, Patch] = field(default_factory=dict)
    removed: Sequence[str] = ()

    @property
    def touched(self) -> set[str]:
        return self.coming | set(self.changed) | set(self.removed)

    @property
    def coming(self) -> set[str]:
        """Ids that stand there afterwards and did not before."""
        renamed = {str(patch["id"]) for patch in self.changed.values() if "id" in patch}
        return {str(record["id"]) for record in self.added} | renamed

    @property
    def going(self) -> set[str]:
        renamed = {name for name, patch in self.changed.items() if patch.get("id", name) != name}
        return set(self.removed) | renamed


@dataclass(frozen=True, slots=True)
class _Known:
    """What the configuration was when the files of the records held these texts."""

    texts: Mapping[Path, str]
    settings: Settings


class RecordFile:
    """One node's cameras or terminals on disk. Every call blocks (reading a thousand takes seconds): call it on a thread."""

    section = "cameras"
    """The list in the configuration; a table beside it is named by ``{section}_file``."""

    def __init__(self, config: Path, read: Read) -> None:
        self._config = config
        self._read = read
        self._known: _Known | None = None

    def settings(self) -> Settings:
        """The configuration as it stands; of all else than these records, as it stood when their files were last others.
        Raises ConfigError."""
        known = self._known
        if known is not None and all(_text_or_none(path) == text for path, text in known.texts.items()):
            return known.settings
        return self.settings_anew()

    def settings_anew(self) -> Settings:
        """The configuration as it stands, all of it."""
        began = time.time_ns()
        self._known = None
        settings = self._read(self._config, {}).settings
        texts = {path: read_text(path) for path in self._paths(settings)}
        if all(path.stat().st_mtime_ns < began - _TICK_NS for path in texts):  # else it may have been read half changed
            self._known = _Known(texts, settings)
        return settings

    def write(self, changes: Changes) -> Settings:
        """Make the changes; give the configuration as it then stands. Raises ConfigError where it would have faults,
        KeyError for a record that is in none of the files, UsageError where a file is not of a form that can be changed
        without harm, RunningError where it cannot be written."""
        with _alone(self._config):
            for _ in range(_TRIES):
                before = self.settings()
                texts = {path: read_text(path) for path in self._paths(before)}
                after = self._changed(texts, changes, before)
                settings = self._tried(after, changes, before)
                if all(read_text(path) == texts[path] for path in texts):
                    for path, text in after.items():
                        if text != texts[path]:
                            _replace(path, text)
                    self._known = _Known(after, settings)
                    return settings
        raise UsageError(f"{self._config}: somebody keeps changing the file; nothing was written: try again")

    def records(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """(id, record as written), in order."""
        for path in self._paths(self.settings()):
            for record in self._records(path, read_text(path)):
                yield str(record.get("id", "")), record

    def _paths(self, settings: Settings) -> list[Path]:
        beside: Path | None = getattr(settings, f"{self.section}_file")
        return [self._config.resolve(), *([] if beside is None else [beside.resolve()])]

    def _adding_to(self, settings: Settings) -> Path:
        return self._paths(settings)[-1]

    def _changed(self, texts: Mapping[Path, str], changes: Changes, before: Settings) -> dict[Path, str]:
        named = (*changes.changed, *changes.removed)
        homes = {name: path for path in texts if named for name in self._ids(path, texts[path])}
        for name in named:
            if name not in homes:
                raise KeyError(name)
        made = dict(texts)
        for path in texts:
            added = changes.added if path == self._adding_to(before) else ()
            changed = {name: patch for name, patch in changes.changed.items() if homes[name] == path}
            removed = [name for name in changes.removed if homes[name] == path]
            if added or changed or removed:
                made[path] = self._rewritten(path, texts[path], added, changed, removed)
        return made

    def _rewritten(
        self,
        path: Path,
        text: str,
        added: Sequence[Mapping[str, Any]],
        changed: Mapping[str, Patch],
        removed: Sequence[str],
    ) -> str:
        try:
            if _is_csv(path):
                return csv_table.rewritten(text, added=added, changed=changed, removed=removed)
            return yaml_list.rewritten(
                text, added=added, changed=changed, removed=removed, whole=self._is_whole(path), key=self.section
            )
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None

    def _is_whole(self, path: Path) -> bool:
        return path != self._config.resolve()

    def _tried(self, texts: Mapping[Path, str], changes: Changes, before: Settings) -> Settings:
        after = self._read(self._config, texts).settings
        apart = self._apart(after, changes)
        # What is not ours may be another since ``before`` was read.
        if apart != self._apart(before, changes) and apart != self._apart(self.settings_anew(), changes):
            raise UsageError(
                f"{self._config}: the change would touch more than the {self.section} that were meant; nothing was written: "
                "change it by hand"
            )
        here = {record.id for record in getattr(after, self.section)}
        if not here.isdisjoint(changes.going - changes.coming) or not here.issuperset(changes.coming):
            raise UsageError(f"{self._config}: the change would not do what was meant; nothing was written")
        return after

    def _apart(self, settings: Settings, changes: Changes) -> dict[str, Any]:
        """Everything but the records that are meant. By field: each reading of a configuration makes a type of its own."""
        touched = changes.touched
        fields = {name: getattr(settings, name) for name in Settings.model_fields}
        return fields | {self.section: [each for each in fields[self.section] if each.id not in touched]}

    def _ids(self, path: Path, text: str) -> list[str]:
        try:
            if _is_csv(path):
                return csv_table.ids(text)
            return yaml_list.ids(text, whole=self._is_whole(path), key=self.section)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None

    def _records(self, path: Path, text: str) -> list[Mapping[str, Any]]:
        return csv_table.records(text) if _is_csv(path) else yaml_list.records(text, key=self.section)


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


# ------------------------------------------------------------------------------------------------ on disk


@contextlib.contextmanager
def _alone(config: Path) -> Iterator[None]:
    """One writer at a time, whichever process it is in: a lock on the directory, which is never replaced."""
    try:
        handle = os.open(config.resolve().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise RunningError(f"{config}: cannot be read: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def read_text(path: Path) -> str:
    """With its line ends as they are."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from None


def _text_or_none(path: Path) -> str | None:
    try:
        return read_text(path)
    except ConfigError:
        return None


def _replace(path: Path, text: str) -> None:
    """Whole or not at all, with the mode and the owner that it had."""
    try:
        had = path.stat()
        descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                if (had.st_uid, had.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(descriptor, had.st_uid, had.st_gid)
                os.fchmod(descriptor, had.st_mode & 0o7777)
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            Path(beside).replace(path)
        except OSError:
            Path(beside).unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)
    except OSError as error:
        raise RunningError(
            f"{path}: cannot be written: {error.strerror}; the gateway's user needs to own it and its directory"
        ) from None


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
