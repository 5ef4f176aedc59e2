"""A park of simulated cameras in a process of its own: ``python -m gateway.lab.cameras``.

It prints one line of JSON, ``{"port": …}``, once it listens, tells its progress on stderr, and ends on SIGTERM, SIGINT
or, started with ``--leashed``, when its standard input is closed (so that it never outlives who started it).
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass, replace

import uvloop

from gateway.errors import ListenFailed
from gateway.lab.encoder import Coding, encode_clip
from gateway.lab.feeds import ClipFeed, Feed, LiveFeed
from gateway.lab.rtsp_server import RtspServer
from gateway.model import Credential, Scene

SCENES = (Scene.STREET, Scene.RURAL, Scene.VILLAGE)
SUB = Coding(640, 360, fps=15, gop=15, bitrate=768_000)
MAIN = Coding(1920, 1080, fps=25, gop=50, bitrate=4_000_000, preset="superfast")
_NAMES = {Scene.STREET: "CROSSING EAST", Scene.RURAL: "LANE TO THE FIELDS", Scene.VILLAGE: "VILLAGE GATE"}
_PHASES = 50


@dataclass(frozen=True, slots=True)
class Park:
    """Which cameras to simulate: ``live`` scenes (main and sub-stream), or one clip of ``coding`` played to all."""

    cameras: int
    live: bool = True
    coding: Coding = MAIN
    clip_seconds: float = 8.0
    host: str = "127.0.0.1"
    port: int = 0
    credential: Credential | None = None


def path(number: int, stream: str = "sub") -> str:
    """The mount of camera ``number`` (from 1). In a park of clips both streams are the clip."""
    return f"/cam/{number}/{stream}"


def scene_of(number: int) -> Scene:
    """Which scene a live camera shows."""
    return SCENES[(number - 1) % len(SCENES)]


async def open_park(park: Park) -> RtspServer:
    """Encode what has to be encoded and listen. Raises ListenFailed."""
    server = RtspServer(host=park.host, port=park.port, credential=park.credential)
    feeds = _live_feeds() if park.live else await asyncio.to_thread(_clip_feeds, park)
    for number in range(1, park.cameras + 1):
        streams = feeds[(number - 1) % len(feeds)]
        for stream, feed in streams.items():
            server.mount(path(number, stream), feed)
        server.mount(f"/cam/{number}", streams["sub"])
    await server.start()
    return server


def _live_feeds() -> list[dict[str, Feed]]:
    codings = {"sub": SUB, "main": MAIN}
    return [{stream: LiveFeed(scene, _NAMES[scene], coding) for stream, coding in codings.items()} for scene in SCENES]


def _clip_feeds(park: Park) -> list[dict[str, Feed]]:
    def tell(share: float) -> None:
        print(f"encoding {share:.0%}", file=sys.stderr, flush=True)  # noqa: T201 - the parent reads it as progress

    clip = encode_clip(Scene.STREET, park.coding, park.clip_seconds, tell)
    family = ClipFeed.family(clip, min(park.cameras, _PHASES))
    return [{"main": feed, "sub": feed} for feed in family]


async def run_park(park: Park, *, leashed: bool = False) -> None:
    """Serve until told to end."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server = await open_park(park)
    print(json.dumps({"port": server.port}), flush=True)  # noqa: T201 - the answer to who started it
    if leashed:
        loop.add_reader(sys.stdin.fileno(), _watch_leash, ended)
    try:
        await ended.wait()
    finally:
        await server.stop()


def _watch_leash(ended: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        ended.set()


def run_lab_cameras(park: Park, *, leashed: bool = False) -> int:
    """Run a park until SIGTERM or SIGINT; the exit code."""
    try:
        uvloop.run(run_park(park, leashed=leashed))
    except ListenFailed as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m gateway.lab.cameras", description="Simulated RTSP cameras.")
    parser.add_argument("--cameras", type=int, default=3)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--clip", action="store_true", help="one 1080p clip for all, encoded once")
    parser.add_argument("--clip-seconds", type=float, default=8.0)
    parser.add_argument("--small", action="store_true", help="a clip of 640x360 at 512 kbit/s instead")
    parser.add_argument("--leashed", action="store_true", help="end when standard input is closed")
    return parser.parse_args()


def main() -> int:
    given = _arguments()
    coding = replace(SUB, fps=25, gop=50, bitrate=512_000) if given.small else MAIN
    park = Park(given.cameras, not given.clip, coding, given.clip_seconds, given.host, given.port)
    return run_lab_cameras(park, leashed=given.leashed)


if __name__ == "__main__":
    raise SystemExit(main())
