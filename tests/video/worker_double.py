"""A video worker with cameras that are no cameras: what their address says decides what they do.

file:///PATH shows the keyframe in PATH five times a second and appends a line to PATH.goodbye when it is hung up;
stream:///PATH shows all pictures of PATH (raw H.264) again and again, fifty a second, unless PATH.off is there, and waits before the next
keyframe for as long as PATH.held is; mjpeg:///PATH is one in MJPEG;
refuse:///PATH does not take the credential, and appends a line to PATH if there is one; gone:// is not there.
"""

import asyncio
import itertools
import sys
import time
from pathlib import Path

import av

from gateway.errors import AuthFailed, Unreachable
from gateway.ports import AccessUnit, VideoOutlet
from gateway.video.wire import CameraOrder
from gateway.video.worker import main


class FileSource:
    width, height, dropped = 704, 576, 0

    def __init__(self, order: CameraOrder, url: str, keyframe_s: float) -> None:
        self._order = order
        self._url = url
        self._path = Path(url.partition("://")[2])

    async def run(self, outlet: VideoOutlet) -> None:
        url = self._url
        if url.startswith("refuse:"):
            if (path := url.removeprefix("refuse://")).startswith("/"):
                with Path(path).open("a") as dials:
                    dials.write(f"{self._order.id}\n")
            raise AuthFailed("the camera at 10.0.0.5:554 refused the user name or password")
        if url.startswith("gone:"):
            raise Unreachable("connection refused by 10.0.0.5:554")
        if url.startswith("mjpeg:"):
            await self._show([(Path(url.removeprefix("mjpeg://")).read_bytes(), True)], "mjpeg", outlet)
        if url.startswith("stream:"):
            with av.open(url.removeprefix("stream://"), format="h264") as stream:
                units = [(bytes(packet), packet.is_keyframe) for packet in stream.demux() if packet.size]
            await self._show(units, "h264", outlet)
        path = Path(url.removeprefix("file://"))
        payload = path.read_bytes()
        outlet.online("h264")
        try:
            while True:
                outlet.unit(AccessUnit(self._order.id, time.monotonic(), True, "h264", payload))
                outlet.received(len(payload))
                await asyncio.sleep(0.2)
        finally:
            with path.with_suffix(".goodbye").open("a") as goodbye:
                goodbye.write(f"{self._order.id}\n")

    async def _show(self, units: list[tuple[bytes, bool]], codec: str, outlet: VideoOutlet) -> None:
        outlet.online(codec)
        for number, (payload, keyframe) in enumerate(itertools.cycle(units)):
            while keyframe and self._path.with_suffix(".held").exists():
                await asyncio.sleep(0.02)
            if keyframe and self._path.with_suffix(".off").exists():
                raise Unreachable("connection reset by 10.0.0.5:554")
            if keyframe or outlet.wants_all:
                outlet.unit(AccessUnit(self._order.id, time.monotonic(), keyframe, codec, payload, number * 1800))
            outlet.received(len(payload))
            await asyncio.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main(FileSource))
