"""Which cameras somebody may name for a household's terminal: its alarm links them, shows their pictures to whoever may see
the alarm, and opens a household's camera."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.console.auth import Caller, covers
from gateway.console.households import not_here
from gateway.model import Camera, Scene

_WHOSE = "a household's camera is linked to a terminal by an administrator alone"


class Linking:
    """What one caller may name. Cameras that the terminal named before stay allowed. ``said`` and ``before`` (None: it is
    new): terminals as in the configuration."""

    def __init__(self, found: Caller, cameras: Iterable[Camera]) -> None:
        self._cameras = {camera.id: camera for camera in cameras if covers(found.principal, camera.place.area_code)}
        self._opens_homes = found.principal.role == "admin"

    def absent(self, said: Mapping[str, Any], before: Mapping[str, Any] | None) -> str | None:
        """The sentence for a camera that is not there; the same for one outside the caller's areas, of which nothing is told."""
        for key, name in _new(said, before):
            if name not in self._cameras:
                return not_here(key, "camera", name, self._cameras)
        return None

    def opens_a_home(self, said: Mapping[str, Any], before: Mapping[str, Any] | None) -> str | None:
        """Why the caller may not link one of those that are there."""
        if self._opens_homes:
            return None
        scenes = (self._cameras[name].scene for _, name in _new(said, before) if name in self._cameras)
        return _WHOSE if Scene.HOUSEHOLD in scenes else None


def _new(said: Mapping[str, Any], before: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """(key, camera) of those that the terminal did not name before. A preset links nothing, and may be of what is linked."""
    stands = before or {}
    linked = set(stands.get("cameras") or ())
    turned = linked.union(stands.get("presets") or ())
    yield from (("cameras", name) for name in said.get("cameras") or () if name not in linked)
    presets = (said.get("presets") or {}).items()
    yield from (("presets", name) for name, preset in presets if preset is not None and name not in turned)
