"""RTSP cameras: our own source, because it costs a tenth of what a library does (ARCHITECTURE.md, "Picture").

Without I/O: ``message``, ``address``, ``sdp``, ``route``, ``auth``, ``login``, ``refusal``, ``deadlines`` and ``session``
are the dialogue; ``protocol``, ``depacketiser`` and the codecs' modules the media; ``rtcp`` and ``reports`` what we tell of
it. ``transport`` and ``udp`` own the sockets, ``attempt`` one connection, and ``source`` is what the video worker runs.
"""

from adapters.rtsp.buffer import ReceiveBuffer
from adapters.rtsp.deadlines import Timeouts
from adapters.rtsp.source import RtspSource

__all__ = ["ReceiveBuffer", "RtspSource", "Timeouts"]
