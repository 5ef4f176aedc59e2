"""Cameras: what the core asks of the video workers, and what a camera's connection is to a worker."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.model import CameraHealth, DeviceHealth, Footage, Keyframe, Picture, Preset, PtzMove


class VideoService(Protocol):
    """What the core asks of the video workers."""

    async def keyframes(self, camera_id: str) -> list[Keyframe]:
        """The keyframes in the camera's ring, oldest first. Raises Unreachable with the camera's state in words."""

    async def picture(self, camera_id: str, keyframe_id: str, width: int) -> Picture:
        """Decode one keyframe to a JPEG at most ``width`` wide. Raises DeviceError (gone, or undecodable)."""

    async def main_picture(self, camera_id: str, width: int) -> tuple[Keyframe, Picture]:
        """A keyframe of the main stream, which is opened for it and shared while open. Raises DeviceError."""

    async def hold(self, camera_id: str, from_mono: float, until_mono: float) -> None:
        """Keep the complete video of this span as far as it is here or will come: a clip will be asked for. Raises
        DeviceError."""

    async def footage(self, camera_id: str, from_mono: float, to_mono: float) -> Footage:
        """What is kept of this span, beginning with a keyframe at or before ``from_mono`` where there is one. Raises
        DeviceError: nothing is kept, or the codec has no MP4 that a browser plays."""

    def health(self, camera_id: str) -> CameraHealth | None: ...
    def all_health(self) -> Sequence[CameraHealth]: ...
    async def health_changed(self, seen: int) -> int:
        """Wait until the count of changes exceeds ``seen``; return the count. Starts at 0."""

    def health_changes(self, seen: int) -> Sequence[str]:
        """The ids of the cameras whose health changed after that count."""


class DeviceService(Protocol):
    """What the core asks of cameras over ONVIF, through the video workers. Every call raises DeviceError in words."""

    def device(self, camera_id: str) -> DeviceHealth | None:
        """None where the camera has no ONVIF address, or no worker has told of it."""

    async def device_picture(self, camera_id: str, width: int) -> tuple[Keyframe, Picture]:
        """A picture of now from the device's snapshot address: the second source, where the streams show none."""

    async def presets(self, camera_id: str) -> Sequence[Preset]: ...
    async def go_to_preset(self, camera_id: str, preset: str) -> None:
        """``preset``: token or name. Returns once the device has agreed to move."""

    async def move(self, camera_id: str, move: PtzMove) -> None: ...
    async def stop_moving(self, camera_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One picture as it came: ``payload`` is Annex B (start code + NAL unit each), parameter sets first if a keyframe.

    With codec ``mjpeg`` it is a JPEG, and each one a keyframe.
    """

    camera_id: str
    received_mono: float
    keyframe: bool
    codec: str
    payload: bytes = field(repr=False)
    rtp_time: int = 0


class VideoOutlet(Protocol):
    """Where a camera's connection puts what it receives. Neither call waits, nor may it raise."""

    wants_all: bool  # False: pass keyframes only, copy nothing else. May change at any time

    def playing(self) -> None:
        """The device has agreed to send: the dial is over, media may follow."""

    def online(self, codec: str) -> None:
        """The first keyframe came."""

    def unit(self, unit: AccessUnit) -> None: ...
    def received(self, size: int) -> None:
        """Bytes read from the camera since the last call (for counters; called at most about once a second)."""


class VideoSource(Protocol):
    """One camera connection. ``run`` is one attempt and raises Unreachable | AuthFailed | ProtocolFault."""

    async def run(self, outlet: VideoOutlet) -> None: ...
