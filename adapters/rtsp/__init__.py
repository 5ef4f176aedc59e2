"""RTSP cameras: our own source, because it costs a tenth of what a library does (ARCHITECTURE.md, "Picture").

``message``, ``protocol``, ``sdp``, ``auth``, ``h264``, ``h264_syntax`` and ``session`` do no I/O; ``transport`` owns the
socket and ``source`` is what the video worker runs. H.264 in interleaved TCP so far.
"""

from adapters.rtsp.session import Timeouts
from adapters.rtsp.source import RtspSource
from adapters.rtsp.transport import ReceiveBuffer

__all__ = ["ReceiveBuffer", "RtspSource", "Timeouts"]
