"""The picture of a simulated device's snapshot address."""

from functools import cache

import cv2
import numpy as np

_SIZE = (640, 360)


@cache
def still(channel: int) -> bytes:
    """A JPEG that shows the number of the channel."""
    picture = np.full((_SIZE[1], _SIZE[0], 3), (96, 120, 72), np.uint8)
    cv2.rectangle(picture, (0, 240), (640, 360), (88, 88, 88), -1)
    cv2.putText(picture, f"CH {channel}", (220, 200), cv2.FONT_HERSHEY_SIMPLEX, 3, (255, 255, 255), 6)
    written, jpeg = cv2.imencode(".jpg", picture)
    assert written
    return bytes(jpeg.tobytes())
