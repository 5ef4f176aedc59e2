"""What is commonly done, as a yardstick: ``python -m gateway.lab.bench.opencv_reader URL`` decodes every picture.

Prints ``{"ready": true}`` before it opens the stream, then ``{"pictures": n}`` about once a second, and ends when its
standard input is closed.
"""

import json
import os
import sys
import threading


def main() -> int:
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp"
    import cv2

    cv2.setNumThreads(1)
    _print({"ready": True})
    ended = threading.Event()
    threading.Thread(target=_wait_for_the_end, args=(ended,), daemon=True).start()
    capture = cv2.VideoCapture(sys.argv[1], cv2.CAP_FFMPEG)
    pictures = 0
    while not ended.is_set():
        good, _ = capture.read()
        if not good:
            sys.stderr.write("the stream ended\n")
            return 1
        pictures += 1
        if pictures % 25 == 0:
            _print({"pictures": pictures})
    return 0


def _wait_for_the_end(ended: threading.Event) -> None:
    sys.stdin.buffer.read()
    ended.set()


def _print(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
