"""A video worker with cameras that are no cameras: what their address says decides what they do.

file:///PATH shows the keyframe in PATH five times a second and appends a line to PATH.goodbye when it is hung up;
refuse:// does not take the credential; gone:// is not there.
"""

import asyncio
import sys
import time
from pathlib import Path

from gateway.errors import AuthFailed, Unreachable
from gateway.ports import AccessUnit, VideoOutlet
from gateway.video.wire import CameraOrder
from gateway.video.worker import main


class FileSource:
    width, height = 704, 576

    def __init__(self, order: CameraOrder) -> None:
        self._order = order

    async def run(self, outlet: VideoOutlet) -> None:
        url = self._order.url or ""
        if url.startswith("refuse:"):
            raise AuthFailed("the camera at 10.0.0.5:554 refused the user name or password")
        if url.startswith("gone:"):
            raise Unreachable("connection refused by 10.0.0.5:554")
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


if __name__ == "__main__":
    sys.exit(main(FileSource))
