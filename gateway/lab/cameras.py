"""A park of simulated cameras in a process of its own: ``python -m gateway.lab.cameras``, or ``gateway lab cameras``.

It prints one line of JSON, ``{"port": …}``, once it listens, tells its progress on stderr, and ends on SIGTERM, SIGINT
or, started with ``--leashed``, when its standard input is closed (so that it never outlives who started it). Leashed,
it also takes orders there (``gateway.lab.control``).
"""

import argparse
import asyncio
import json
import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.errors import UsageError
from gateway.lab.control import Control, fault_table, obey_standard_input
from gateway.lab.encoder import Coding, encode_clip
from gateway.lab.faults import Assignment, parse
from gateway.lab.feeds import ClipFeed, Feed, LiveFeed
from gateway.lab.rtsp_server import RtspServer, loopback_hosts
from gateway.lab.serving import credential_of, run, tell, write_table
from gateway.model import Credential, Scene

SCENES = (Scene.STREET, Scene.RURAL, Scene.VILLAGE)
SUB = Coding(640, 360, fps=15, gop=15, bitrate=768_000)
MAIN = Coding(1920, 1080, fps=25, gop=50, bitrate=4_000_000, preset="superfast")
PROFILES = {"sub": replace(SUB, fps=25, gop=50, bitrate=512_000), "main": MAIN}
_NAMES = {Scene.STREET: "CROSSING EAST", Scene.RURAL: "LANE TO THE FIELDS", Scene.VILLAGE: "VILLAGE GATE"}
_PHASES = 50


@dataclass(frozen=True, slots=True)
class Churn:
    """Faults that change by themselves: each ``every`` seconds another ``share`` (0 to 1) of the cameras has some."""

    every: float
    share: float = 0.5


@dataclass(frozen=True, slots=True)
class Park:
    """Which cameras to simulate: ``live`` scenes (main and sub-stream), or one clip of ``coding`` played to all.

    ``hosts``: over how many loopback addresses they are spread. ``write``: a cameras file for a node, written once the
    port is known; its passwords name the environment variable ``password_env``.
    """

    cameras: int
    live: bool = True
    coding: Coding = MAIN
    clip_seconds: float = 8.0
    host: str = "127.0.0.1"
    port: int = 0
    credential: Credential | None = None
    hosts: int = 1
    faults: tuple[Assignment, ...] = ()
    churn: Churn | None = None
    seed: int = 1
    write: Path | None = None


def path(number: int, stream: str = "sub") -> str:
    """The mount of camera ``number`` (from 1). In a park of clips both streams are the clip."""
    return f"/cam/{number}/{stream}"


def scene_of(number: int) -> Scene:
    """Which scene a live camera shows."""
    return SCENES[(number - 1) % len(SCENES)]


async def open_park(park: Park, hosts: Sequence[str] = ()) -> RtspServer:
    """Encode what has to be encoded and listen; ``hosts``: these addresses in turn instead of the park's. Raises
    ListenFailed, and UsageError for faults that cannot be."""
    hosts = hosts or (loopback_hosts(park.hosts) if park.hosts > 1 else ())
    server = RtspServer(host=park.host, port=park.port, hosts=hosts, credential=park.credential)
    feeds = _live_feeds(park.coding.codec) if park.live else await asyncio.to_thread(_clip_feeds, park)
    for number in range(1, park.cameras + 1):
        streams = feeds[(number - 1) % len(feeds)]
        for stream, feed in streams.items():
            server.mount(path(number, stream), feed, number)
        server.mount(f"/cam/{number}", streams["sub"], number)
    control = Control(server, random.Random(park.seed))
    for assignment in park.faults:
        await control.assign(assignment)
    await server.start()
    return server


def _live_feeds(codec: str) -> list[dict[str, Feed]]:
    codings = {"sub": replace(SUB, codec=codec), "main": replace(MAIN, codec=codec)}
    return [{stream: LiveFeed(scene, _NAMES[scene], coding) for stream, coding in codings.items()} for scene in SCENES]


def _clip_feeds(park: Park) -> list[dict[str, Feed]]:
    clip = encode_clip(Scene.STREET, park.coding, park.clip_seconds, _TenthsTold())
    family = ClipFeed.family(clip, min(park.cameras, _PHASES))
    return [{"main": feed, "sub": feed} for feed in family]


class _TenthsTold:
    """Progress of the encoding, said once each tenth."""

    def __init__(self) -> None:
        self._tenth = -1

    def __call__(self, share: float) -> None:
        if int(share * 10) > self._tenth:
            self._tenth = int(share * 10)
            tell(f"encoding {self._tenth * 10}%")


def write_cameras(file: Path, server: RtspServer, park: Park) -> None:
    """A cameras file in the columns of ``cameras_file``. A park of clips has one stream, which stands as the main one.

    Passwords are written as they are: they are the lab's. Raises UsageError where it cannot be written.
    """
    login = (
        {"rtsp.username": park.credential.username, "rtsp.password": park.credential.password}
        if park.credential
        else {}
    )
    rows = []
    for number in sorted(server.cameras):
        streams = {"rtsp.main": server.url(path(number, "main"))}
        if park.live:
            streams["rtsp.sub"] = server.url(path(number, "sub"))
        rows.append(
            {"id": f"lab-{number:04d}", "name": f"lab {number}", "scene": scene_of(number).value} | streams | login
        )
    write_table(file, rows)


async def run_park(park: Park, *, leashed: bool = False) -> None:
    """Serve until told to end."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server = await open_park(park)
    control, tasks = Control(server, random.Random(park.seed)), []
    try:
        if park.write is not None:
            write_cameras(park.write, server, park)
        print(json.dumps({"port": server.port}), flush=True)  # noqa: T201 - the answer to who started it
        if leashed:
            tasks.append(asyncio.create_task(obey_standard_input(control)))
            tasks[0].add_done_callback(lambda _: ended.set())
        if park.churn is not None:
            tasks.append(asyncio.create_task(control.churn(park.churn.every, park.churn.share, tell)))
        await ended.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.stop()


def run_lab_cameras(park: Park, *, leashed: bool = False) -> int:
    """Run a park until SIGTERM or SIGINT; the exit code."""
    return run(run_park(park, leashed=leashed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gateway lab cameras", description="Simulated RTSP cameras at /cam/N/main and /cam/N/sub."
    )
    parser.add_argument("--count", "--cameras", type=int, default=3, metavar="N", help="how many (3)")
    parser.add_argument("--host", default="127.0.0.1", help="the address that answers for all of them (127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="RTSP port; 0 takes a free one")
    parser.add_argument(
        "--hosts", type=int, default=1, metavar="N", help="spread them over N addresses of 127/8, fifty a /24"
    )
    parser.add_argument(
        "--clip", action="store_true", help="one clip for all, encoded once; else live scenes, drawn while watched"
    )
    parser.add_argument("--clip-seconds", type=float, default=8.0, metavar="S", help="its length (8)")
    parser.add_argument(
        "--profile", choices=sorted(PROFILES), help="a clip of 640x360 at 512 kbit/s, or of 1080p at 4 Mbit/s"
    )
    parser.add_argument("--small", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--kbit", type=int, help="bit rate of the clip in kbit/s")
    parser.add_argument("--fps", type=int, help="pictures a second of the clip")
    parser.add_argument("--gop", type=int, help="pictures between its keyframes")
    parser.add_argument("--codec", choices=("h264", "h265"), default="h264")
    parser.add_argument("--user", help="ask for a login: digest MD5")
    parser.add_argument("--password-env", metavar="NAME", help="the environment variable that holds its password")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[=ARG][:CAMERAS]",
        help="CAMERAS: all, 10%%, or 1-50,60; may be repeated",
    )
    parser.add_argument("--list-faults", action="store_true", help="name every fault, and end")
    parser.add_argument("--churn", type=float, metavar="S", help="draw faults anew each S seconds")
    parser.add_argument("--share", default="50%", help="of how many cameras (50%%)")
    parser.add_argument("--seed", type=int, default=1, help="of everything drawn (1)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write a cameras_file (.csv) for a node")
    parser.add_argument("--leashed", action="store_true", help="take orders on standard input, and end with it")
    return parser


def park_of(given: argparse.Namespace) -> Park:
    """The park that a command line asks for. Raises UsageError."""
    if not 1 <= given.count <= 5000:
        raise UsageError(f"--count {given.count}: 1 to 5000 cameras are simulated")
    if not 1 <= given.hosts <= 5000:
        raise UsageError(f"--hosts {given.hosts}: 1 to 5000 addresses are used")
    profile = given.profile or ("sub" if given.small else "main")
    rate = None if given.kbit is None else given.kbit * 1000
    changes = {"fps": given.fps, "gop": given.gop, "bitrate": rate, "codec": given.codec}
    if any(value is not None and not isinstance(value, str) and value < 1 for value in changes.values()):
        raise UsageError("--kbit, --fps and --gop are 1 or more")
    coding = replace(PROFILES[profile], **{key: value for key, value in changes.items() if value is not None})
    if given.churn is not None and not given.churn >= 1:
        raise UsageError(f"--churn {given.churn:g}: 1 second or more is accepted")
    if not 1 <= given.clip_seconds <= 600:
        raise UsageError(f"--clip-seconds {given.clip_seconds:g}: 1 to 600 seconds are accepted")
    if not 0 <= given.port <= 65535:
        raise UsageError(f"--port {given.port}: 0 to 65535 is accepted")
    told = (given.profile, given.kbit, given.fps, given.gop)
    live = not (given.clip or given.small or any(one is not None for one in told))
    return Park(
        given.count,
        live,
        coding,
        given.clip_seconds,
        given.host,
        given.port,
        credential_of(given.user, given.password_env),
        given.hosts,
        tuple(parse(text) for text in given.fault),
        Churn(given.churn, _share(given.share)) if given.churn is not None else None,
        given.seed,
        given.write,
    )


def _share(text: str) -> float:
    number = text.strip().removesuffix("%")
    try:
        share = float(number) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError(f"--share {text}: 0% to 100% is accepted")
    return share


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    if given.list_faults:
        for name, text in fault_table():
            print(f"{name:24} {text}")  # noqa: T201 - what was asked for
        return 0
    try:
        park = park_of(given)
    except UsageError as error:
        tell(str(error))
        return 2
    return run_lab_cameras(park, leashed=given.leashed)


if __name__ == "__main__":
    raise SystemExit(main())
