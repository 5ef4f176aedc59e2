"""A live view between two nodes: how it is asked for, what travels, and how it is refused. Pure."""

import json
import re
import struct
from dataclasses import dataclass

from gateway.errors import DeviceError, NotAllowed
from gateway.model import ViewFromAbove

STREAMS = ("sub", "main", "still")
MAX_FRAME = 4 * 1024 * 1024
"""Bytes of one WebSocket message: a frame of a live view, or a still picture."""
REFUSED = 4404
"""The WebSocket's closing code after a refusal."""

_SESSION = re.compile(r"[A-Za-z0-9_-]{8,64}")
_CAMERA = re.compile(r"[A-Za-z0-9._:-]{1,260}")
_MOST_WORDS = 500
_HEADER = struct.Struct(">BBBBqQI")  # what stands in it: README.md
_VERSION, _KEYFRAME = 1, 1


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """An upper node wants to see a camera of ours, or of a node below us. ``session`` names the WebSocket to be opened."""

    session: str
    camera_id: str
    stream: str
    viewer: str
    reason: str

    def view(self, node: str) -> ViewFromAbove:
        """``node``: who asks."""
        return ViewFromAbove(self.camera_id, self.stream, node, self.viewer, self.reason)


def request_event(request: LiveRequest) -> bytes:
    """As it comes down, without an id: who resumes later is not shown what was wanted before."""
    content = {
        "session": request.session,
        "camera": request.camera_id,
        "stream": request.stream,
        "viewer": request.viewer,
        "reason": request.reason,
    }
    return b"event: live\ndata: %b\n\n" % json.dumps(content).encode()


def read_request(value: object) -> LiveRequest:
    """Raises ValueError with a plain sentence."""
    if not isinstance(value, dict):
        raise ValueError("a request for a live view is a JSON object")
    session, camera, stream = (_text(value, name) for name in ("session", "camera", "stream"))
    if not _SESSION.fullmatch(session):
        raise ValueError("session: 8 to 64 of the characters A-Z a-z 0-9 _ - are accepted")
    if not _CAMERA.fullmatch(camera):
        raise ValueError("camera: an id, or node:id, is accepted")
    if stream not in STREAMS:
        raise ValueError(f"stream: {', '.join(STREAMS)} are accepted")
    return LiveRequest(session, camera, stream, _words(value, "viewer"), _words(value, "reason"))


def refusal(error: Exception) -> str:
    """The text message that ends a view. ``closed``: not a fault, but a rule."""
    return json.dumps({"reason": str(error), "closed": isinstance(error, NotAllowed)})


def read_refusal(text: str, node: str) -> DeviceError | NotAllowed:
    """What ``node`` said, as it is raised here."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    said = _words(value, "reason") if isinstance(value, dict) else ""
    if isinstance(value, dict) and value.get("closed") is True:
        return NotAllowed(said or f"{node} keeps this camera closed")
    return DeviceError(f"{node} cannot show it: {said or 'it gave no reason'}")


def is_keyframe(frame: bytes) -> bool:
    """Of a message that is one frame. Raises ValueError: it is none."""
    if len(frame) < _HEADER.size:
        raise ValueError(f"a frame of {len(frame)} bytes; its header alone has {_HEADER.size}")
    version, flags, _, _, _, _, size = _HEADER.unpack_from(frame)
    if version != _VERSION:
        raise ValueError(f"a frame of version {version}; {_VERSION} is spoken here")
    if len(frame) != _HEADER.size + size:
        raise ValueError(f"a frame says that its payload has {size} bytes, and has {len(frame) - _HEADER.size}")
    return bool(flags & _KEYFRAME)


def _text(value: dict[str, object], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise ValueError(f"{name}: a string is required")
    return found


def _words(value: dict[str, object], name: str) -> str:
    """A peer's words, on one line and not too long: they go into our audit and before our operators."""
    found = value.get(name)
    if not isinstance(found, str):
        return ""
    return "".join(each if each.isprintable() else " " for each in found[:_MOST_WORDS]).strip()
