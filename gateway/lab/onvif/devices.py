"""Simulated ONVIF devices with their RTSP cameras in a process of its own: ``gateway lab onvif``.

It prints one line of JSON, ``{"port": …, "rtsp_port": …, "discovery": …}``, once it listens, and ends on SIGTERM, SIGINT or, started
with ``--leashed``, when its standard input is closed; leashed, it takes orders there (``gateway.lab.onvif.control``).
"""

import argparse
import asyncio
import json
import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import GatewayError, UsageError
from gateway.lab.cameras import PROFILES, Park, open_park, scene_of
from gateway.lab.control import obey_standard_input
from gateway.lab.onvif.control import DeviceControl, fault_table
from gateway.lab.onvif.discovery import PORT
from gateway.lab.onvif.park import OnvifPark
from gateway.lab.rtsp_server import RtspServer, loopback_hosts
from gateway.lab.serving import credential_of, run, tell, write_table
from gateway.model import Credential


@dataclass(frozen=True, slots=True)
class Village:
    """Which devices to simulate. ``profile``: one clip for all streams, live scenes where None, ``none`` no video.
    ``plain``: so many cameras of RTSP alone come before theirs. ``discovery_needed``: False goes on without where there is
    no room for it. ``subnet``: at 127.SUBNET.0.1 and on, with identities of their own."""

    devices: int
    channels: int = 1
    port: int = 0
    profile: str | None = None
    credential: Credential | None = None
    faults: tuple[str, ...] = ()
    discovery: str | None = None
    discovery_port: int = PORT
    seed: int = 1
    write: Path | None = None
    plain: int = 0
    discovery_needed: bool = True
    subnet: int = 1


async def open_village(village: Village) -> tuple[OnvifPark, DeviceControl]:
    """Encode what has to be encoded and listen. Raises ListenFailed, and UsageError for faults that cannot be."""
    hosts, draw = loopback_hosts(village.devices, village.subnet), random.Random(village.seed)
    rtsp: RtspServer | None = None
    if village.profile != "none":
        of_devices = [host for host in hosts for _ in range(village.channels)]
        of_cameras = ["127.0.0.1"] * village.plain + of_devices
        cameras = Park(len(of_cameras), credential=village.credential)
        if village.profile is not None:
            cameras = Park(len(of_cameras), False, PROFILES[village.profile], credential=village.credential)
        rtsp = await open_park(cameras, of_cameras)
    park = OnvifPark(
        village.devices,
        hosts=hosts,
        port=village.port,
        channels=village.channels,
        credential=village.credential,
        rtsp=rtsp,
        discovery=village.discovery,
        discovery_port=village.discovery_port,
        draw=draw,
        before=village.plain,
        discovery_needed=village.discovery_needed,
        batch=village.subnet,
    )
    control = DeviceControl(park, draw)
    try:
        for text in village.faults:
            await control.assign(text)
        await park.start()
    except (UsageError, GatewayError):
        await close_village(park)
        raise
    return park, control


async def close_village(park: OnvifPark) -> None:
    await park.stop()
    if park.rtsp is not None:
        await park.rtsp.stop()


def write_cameras(file: Path, park: OnvifPark, credential: Credential | None) -> None:
    """A cameras file in the columns of ``cameras_file``: no stream stands in it, the devices name them.

    Passwords are written as they are: they are the lab's. Raises UsageError where it cannot be written.
    """
    login = {"onvif.username": credential.username, "onvif.password": credential.password} if credential else {}
    rows = [
        {
            "id": f"lab-{camera:04d}",
            "name": f"lab {camera}",
            "scene": scene_of(camera).value,
            "onvif.host": device.host,
            "onvif.port": str(device.port),
            "onvif.source": f"VS{source}" if device.plate.channels > 1 else "",
            "onvif.identity": device.plate.endpoint,
        }
        | login
        for device in park.devices.values()
        for source, camera in enumerate(device.channels, 1)
    ]
    write_table(file, rows)


async def run_village(village: Village, *, leashed: bool = False) -> None:
    """Serve until told to end."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    park, control = await open_village(village)
    tasks = []
    try:
        if village.write is not None:
            write_cameras(village.write, park, village.credential)
        rtsp_port = park.rtsp.port if park.rtsp else None
        ports = {"port": park.port, "rtsp_port": rtsp_port, "discovery": park.discoverable}
        print(json.dumps(ports), flush=True)  # noqa: T201 - the answer to who started it
        if leashed:
            tasks.append(asyncio.create_task(obey_standard_input(control)))
            tasks[0].add_done_callback(lambda _: ended.set())
        await ended.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await control.close()
        await close_village(park)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gateway lab onvif", description="Simulated ONVIF devices, each at an address of its own, with RTSP video."
    )
    parser.add_argument("--count", type=int, default=3, metavar="N", help="how many devices (3)")
    parser.add_argument(
        "--channels", type=int, default=1, metavar="N", help="cameras of each: more than 1 is a recorder"
    )
    parser.add_argument(
        "--plain", type=int, default=0, metavar="N", help="so many cameras of RTSP alone, at 127.0.0.1, before theirs"
    )
    parser.add_argument(
        "--subnet",
        type=int,
        default=1,
        metavar="N",
        help="they are at 127.N.0.1 and on (1); others have other identities",
    )
    parser.add_argument("--port", type=int, default=0, help="HTTP port of all of them; 0 takes a free one")
    parser.add_argument(
        "--profile",
        choices=[*sorted(PROFILES), "none"],
        help="one clip for all streams (sub: 512 kbit/s, main: 4 Mbit/s), or no video; else live scenes",
    )
    parser.add_argument("--user", help="ask for a login, over ONVIF and RTSP")
    parser.add_argument("--password-env", metavar="NAME", help="the environment variable that holds its password")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[=ARG][:DEVICES]",
        help="DEVICES: all, 10%%, or 1-50,60; may be repeated; the cameras' faults are known too",
    )
    parser.add_argument("--list-faults", action="store_true", help="name every fault of the devices, and end")
    parser.add_argument("--discovery", metavar="ADDRESS", help="answer WS-Discovery on the interface of this address")
    parser.add_argument("--discovery-optional", action="store_true", help="go on without where the port is taken")
    parser.add_argument("--discovery-port", type=int, default=PORT, help=f"another UDP port than {PORT}")
    parser.add_argument("--seed", type=int, default=1, help="of everything drawn (1)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write a cameras_file (.csv) for a node")
    parser.add_argument("--leashed", action="store_true", help="take orders on standard input, and end with it")
    return parser


def village_of(given: argparse.Namespace) -> Village:
    """The village that a command line asks for. Raises UsageError."""
    if not 1 <= given.count <= 2000:
        raise UsageError(f"--count {given.count}: 1 to 2000 devices are simulated")
    if not 1 <= given.channels <= 64:
        raise UsageError(f"--channels {given.channels}: a device has 1 to 64 cameras")
    if not 1 <= given.subnet <= 255:
        raise UsageError(f"--subnet {given.subnet}: 1 to 255 is accepted, for 127.1.0.0 to 127.255.0.0")
    if not 0 <= given.plain <= 2000:
        raise UsageError(f"--plain {given.plain}: 0 to 2000 cameras are simulated")
    for option, port in (("--port", given.port), ("--discovery-port", given.discovery_port)):
        if not 0 <= port <= 65535:
            raise UsageError(f"{option} {port}: 0 to 65535 is accepted")
    return Village(
        given.count,
        given.channels,
        given.port,
        given.profile,
        credential_of(given.user, given.password_env),
        tuple(given.fault),
        given.discovery,
        given.discovery_port,
        given.seed,
        given.write,
        given.plain,
        not given.discovery_optional,
        given.subnet,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    if given.list_faults:
        for name, text in fault_table():
            print(f"{name:28} {text}")  # noqa: T201 - what was asked for
        return 0
    try:
        village = village_of(given)
    except UsageError as error:
        tell(str(error))
        return 2
    return run(run_village(village, leashed=given.leashed))


if __name__ == "__main__":
    raise SystemExit(main())
