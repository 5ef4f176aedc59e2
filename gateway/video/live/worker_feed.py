"""A camera's frames from the video worker that receives it."""

from collections.abc import AsyncGenerator, Sequence
from urllib.parse import quote

import aiohttp

from gateway.errors import ProtocolFault, Unreachable
from gateway.video.live.frames import Frame, FrameReader

CHUNK = 256 * 1024
ANSWER_S = 15.0
"""A main stream is dialled first, and waited for until its next keyframe."""


async def frames(sockets: Sequence[str], camera_id: str, stream: str) -> AsyncGenerator[Frame]:
    """From the newest complete GOP on (else a still of the newest keyframe, then from the next one), until the worker ends
    it. ``sockets`` are tried in turn: a camera moves to another worker when its own has died. Raises Unreachable in words;
    ProtocolFault where the worker sends no frames."""
    reason = f"camera {camera_id} is with no video worker"
    for path in sockets:
        try:
            async with _session(path) as http, http.get(_path(camera_id, stream)) as answer:
                if answer.status != 200:
                    reason = await _said(answer, reason)
                    continue
                reader = FrameReader()
                async for data in answer.content.iter_any():
                    for frame in reader.feed(data):
                        yield frame
                return
        except (aiohttp.ClientError, OSError) as error:
            reason = f"the video worker of camera {camera_id} broke off: {error or type(error).__name__}"
        except ValueError as error:
            raise ProtocolFault(f"the video worker of camera {camera_id}: {error}") from None
    raise Unreachable(reason)


def _session(path: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        "http://worker",
        connector=aiohttp.UnixConnector(path=path),
        timeout=aiohttp.ClientTimeout(total=None, connect=ANSWER_S),
        read_bufsize=CHUNK,
        auto_decompress=False,
    )


def _path(camera_id: str, stream: str) -> str:
    return f"/cameras/{quote(camera_id, safe='')}/units?stream={quote(stream, safe='')}"


async def _said(answer: aiohttp.ClientResponse, else_: str) -> str:
    """What the worker says, unless it merely does not know the camera."""
    try:
        detail = str((await answer.json())["detail"])
    except (ValueError, KeyError, TypeError, aiohttp.ClientError):
        return f"the video worker answered {answer.status}"
    return else_ if "is not known to the video worker" in detail else detail
