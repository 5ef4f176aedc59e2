"""What a worker's patrol tells the core: verdicts, as signals of the camera that they are about."""

from typing import Any

from gateway.model import DeviceSignal, Kind
from gateway.observability.logs import logger
from gateway.ports import Clock
from gateway.video.devices.outbox import Outbox
from gateway.video.diagnosis.wire import TOPIC, Look

_log = logger("diagnosis")


class Telling:
    """Puts them into the worker's outbox, and into its log."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock

    def begun(self, look: Look, fault: str) -> None:
        """``look``: whose keyframe and measures the verdict stands on."""
        measures = {name: value for name, value in look.measures.items() if value is not None}
        what = _what(fault, look.night) | {"frame": look.frame, "frame_mono": look.frame_mono, "measures": measures}
        self._put(look.camera, True, what)
        _log.info("a camera's picture is at fault", camera=look.camera, fault=str(fault))

    def ended(self, camera_id: str, fault: str, *, night: bool = False) -> None:
        self._put(camera_id, False, _what(fault, night))
        _log.debug("a camera's picture is well again", camera=camera_id, fault=str(fault))

    def _put(self, camera_id: str, begun: bool, what: dict[str, Any]) -> None:
        now, mono = self._clock.now(), self._clock.mono()
        self._outbox.put(
            lambda name: DeviceSignal(name, camera_id, Kind.IMAGE_FAULT, now, mono, begun, topic=TOPIC, detail=what),
            f"{TOPIC}/{camera_id}",
        )


def _what(fault: str, night: bool) -> dict[str, Any]:
    return {"what": str(fault), "fault": str(fault), "night": night}
