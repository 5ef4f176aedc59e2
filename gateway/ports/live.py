"""Live views: what the console asks of the live process, and what the cascade asks of both nodes for one."""

from collections.abc import AsyncIterator
from typing import Protocol

from gateway.model import FeedSource, LiveSession, ViewFromAbove


class LiveService(Protocol):
    """Browsers' views (WHEP, draft-ietf-wish-whep), served by one live process of this node. One feed a camera and stream,
    however many watch; a view whose browser is gone ends by itself. Raises DeviceError in words: nothing is to be seen;
    NotSpoken: a codec that cannot be shown, with what would do instead."""

    async def warm(self) -> None:
        """Somebody may look soon: be ready for some minutes. Never raises."""

    async def open(self, source: FeedSource, offer: str, *, viewer: str) -> LiveSession:
        """``offer``: the browser's SDP. ``viewer``: who watches, for the figures and for ``end_of``."""

    async def trickle(self, session_id: str, fragment: str) -> bool:
        """More ICE candidates (application/trickle-ice-sdpfrag). Whether the session is still there."""

    async def close(self, session_id: str) -> bool:
        """Whether it was still there."""

    async def end_of(self, viewer: str) -> None:
        """End every view of that viewer: the login has ended."""

    async def feed(self, feed_id: str, units: AsyncIterator[bytes]) -> None:
        """Take a lower node's units until they end or nobody watches: each a frame of ``gateway.video.live.frames``."""


class Views(Protocol):
    """What the cascade's lower end may ask of this node's cameras, for a view from above."""

    def units(self, camera_id: str, stream: str) -> AsyncIterator[bytes]:
        """The stream from its newest complete GOP on (else its newest keyframe, then from the next one), a frame each,
        until closed. Raises DeviceError."""

    async def still(self, camera_id: str) -> bytes:
        """A JPEG of now, masks applied. Raises DeviceError."""


class Uplinks(Protocol):
    """What the console may ask of lower nodes through the cascade's upper end."""

    async def ask(self, node: str, camera_id: str, stream: str, viewer: str, reason: str) -> str:
        """Have that node send this stream; the feed's id, the same for all who watch it. Returns once it comes. Raises
        DeviceError: the node is not connected, refuses, or sends nothing within 8 s; NotAllowed: its rules keep the
        camera closed."""

    async def still(self, node: str, camera_id: str, viewer: str, reason: str) -> bytes:
        """A JPEG of now. Raises DeviceError | NotAllowed."""


class ViewsFromAbove(Protocol):
    """What upper nodes may see of this one and of those below it, by this node's own rules."""

    async def admit(self, wanted: ViewFromAbove) -> None:
        """Once it returns the view is in the audit. Raises DeviceError, NotAllowed: closed by this node's rules, or
        StoreFailed: then nothing is shown."""

    def units(self, wanted: ViewFromAbove) -> AsyncIterator[bytes]:
        """Frames until closed, of a view that was admitted. Raises DeviceError | NotAllowed."""

    async def still(self, wanted: ViewFromAbove) -> bytes:
        """A JPEG of now. Raises DeviceError | NotAllowed."""
