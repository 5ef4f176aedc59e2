"""``gateway discover`` and ``gateway cameras``: cameras from the command line, whether the node runs or not."""

import asyncio
import getpass
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TextIO
from urllib.parse import urlsplit

import typer

from gateway.errors import UsageError
from gateway.model import Scene
from gateway.table_commands import (
    AsJson,
    Coordinates,
    DryRun,
    HeadersOption,
    RefusedFile,
    Template,
    Whole,
    in_system,
    tell_import,
    write_template,
)

_NO_ADDRESS = "--onvif {}: HOST or HOST:PORT is accepted, such as 10.0.0.5 or 10.0.0.5:8000"

cameras = typer.Typer(help="The cameras of the configuration.", no_args_is_help=True)

_Config = Annotated[Path, typer.Option("-c", "--config", metavar="FILE", help="The node's configuration file.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def discover(
    timeout: Annotated[float, typer.Option(min=0.5, max=600, help="Seconds to wait for answers.")] = 5.0,
    interface: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Ask on this interface (name or own address); repeatable. All unless told."),
    ] = None,
    range_: Annotated[
        list[str] | None,
        typer.Option(
            "--range", metavar="RANGE", help="Ask these addresses one by one: 10.0.0.0/24, 10.0.0.20-60; repeatable."
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("-c", "--config", metavar="FILE", help="Mark what this node has enrolled already.")
    ] = None,
    as_json: _AsJson = False,
) -> int:
    """Find ONVIF devices on the network (WS-Discovery)."""
    return asyncio.run(_discover(timeout, interface or (), range_ or (), config, as_json))


async def _discover(
    timeout: float, interfaces: Sequence[str], ranges: Sequence[str], config: Path | None, as_json: bool
) -> int:
    from rich.console import Console

    from gateway.commands import read_config
    from gateway.enrolment.search import search_without_node

    settings = None if config is None else read_config(config).settings
    console = Console(stderr=True)
    found = []
    with console.status("searching …") as status:
        async for device in search_without_node(settings, timeout, ranges, interfaces):
            found.append(device)
            status.update(f"searching … {len(found)} found, the last at {device.host}")
    found.sort(key=lambda each: (each.host, each.port))
    if as_json:
        items = [{**_plain(each), "cameras": list(each.cameras)} for each in found]
        sys.stdout.write(json.dumps({"items": items}, ensure_ascii=False, indent=2) + "\n")
    elif found:
        Console().print(_table(found))
    else:
        console.print("no ONVIF device answered; name its addresses with --range where it is behind a router")
    return 0


def _plain(device: Any) -> dict[str, Any]:
    names = ("identity", "host", "port", "tls", "name", "hardware", "location")
    return {name: getattr(device, name) for name in names} | {"xaddrs": list(device.xaddrs)}


def _table(found: Sequence[Any]) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for column, whole in (("address", True), ("name", False), ("hardware", False), ("enrolled as", True)):
        table.add_column(column, overflow="fold", no_wrap=whole)
    for each in found:
        host = f"[{each.host}]" if ":" in each.host else each.host
        address = f"{'https://' if each.tls else ''}{host}:{each.port}"
        cells = (address, each.name, each.hardware, "\n".join(each.cameras) or "-")
        table.add_row(*map(Text, cells))  # Text: what a device calls itself is no markup
    return table


def _checked_id(value: str | None) -> str | None:
    """Before the camera is asked anything."""
    if value is not None and not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", value):
        raise typer.BadParameter("an id is 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    return value


@cameras.command("add")
def add(
    config: _Config,
    onvif: Annotated[
        str | None, typer.Option(metavar="HOST[:PORT]", help="Where it speaks ONVIF; it is asked what it is.")
    ] = None,
    rtsp: Annotated[str | None, typer.Option(metavar="URL", help="Its stream, where it speaks no ONVIF.")] = None,
    username: Annotated[str | None, typer.Option(help="Of an account on the camera.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    id_: Annotated[str | None, typer.Option("--id", callback=_checked_id, help="Made unless told.")] = None,
    name: Annotated[str | None, typer.Option(help="Taken from the device unless told.")] = None,
    scene: Annotated[Scene, typer.Option(help="What it looks at.")] = Scene.STREET,
    lon: Annotated[float | None, typer.Option(min=-180, max=180, help="WGS 84 degrees.")] = None,
    lat: Annotated[float | None, typer.Option(min=-90, max=90, help="WGS 84 degrees.")] = None,
    address: Annotated[str | None, typer.Option(help="Where it stands.")] = None,
    area: Annotated[str | None, typer.Option(help="Area code.")] = None,
    place_type: Annotated[str | None, typer.Option(help="What kind of place: corridor, 走廊.")] = None,
    source: Annotated[str | None, typer.Option(help="A recorder's channel.")] = None,
    channels: Annotated[str | None, typer.Option(metavar="all", help="Enrol every channel of a recorder.")] = None,
    tls: Annotated[bool, typer.Option("--tls", help="ONVIF over HTTPS.")] = False,
) -> int:
    """Ask a camera what it is, write it into the configuration, and tell a running node."""
    if (onvif is None) == (rtsp is None):
        raise UsageError("say where the camera is: --onvif HOST[:PORT] or --rtsp URL")
    if channels not in (None, "all"):
        raise UsageError(f"--channels {channels}: only all is accepted")
    credential = _credential(username, password_stdin)
    place = {"lon": lon, "lat": lat, "address": address, "area_code": area, "type": place_type}
    camera: dict[str, Any] = {
        "id": id_,
        "name": name,
        "scene": scene.value,
        "place": {k: v for k, v in place.items() if v is not None} or None,
    }
    if onvif is not None:
        camera["onvif"] = {
            **_host_and_port(onvif),
            **credential,
            **({"source": source} if source else {}),
            **({"tls": True} if tls else {}),
        }
    else:
        camera["rtsp"] = {"main": rtsp, **credential}
    added = asyncio.run(_add(config, {k: v for k, v in camera.items() if v is not None}, channels == "all"))
    for each in added:
        sys.stdout.write(f"camera {each} was added\n")
    tell_running(config)
    return 0


async def _add(config: Path, camera: dict[str, Any], all_channels: bool) -> Sequence[str]:
    from gateway.console.registrar import ChannelsToChoose, Enrolment

    async with _registrar(config) as registrar:
        try:
            ids: Sequence[str] = await registrar.enrol(Enrolment(camera, "onvif" in camera, all_channels), _unaudited)
            return ids
        except ChannelsToChoose as error:
            listed = "".join(f"\n  --source {source}  {name}" for source, name in error.channels)
            raise UsageError(f"{error}. Here that is --channels all, or one of{listed}") from None


@cameras.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    config: _Config,
    dry_run: DryRun = False,
    whole: Whole = False,
    coordinates: Coordinates = "",
    refused: RefusedFile = None,
    as_json: AsJson = False,
) -> int:
    """Take cameras from a .csv or .xlsx table (一机一档): new ids are added, known ones changed. Refused rows are named."""
    from gateway.enrolment.table import read_cameras

    table = read_cameras(file, in_system(coordinates))
    done = asyncio.run(_import(config, table, dry_run, whole))
    code = tell_import(file, done, dry_run=dry_run, as_json=as_json, refused=refused)
    if done.touches and not dry_run:
        tell_running(config, sys.stderr if as_json else sys.stdout)
    return code


async def _import(config: Path, table: Any, dry_run: bool, whole: bool) -> Any:
    async with _registrar(config) as registrar:
        return await registrar.take_table(table, _unaudited, dry_run=dry_run, whole=whole)


@cameras.command("export")
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    config: _Config,
    headers: HeadersOption = "keys",
    template: Template = False,
) -> int:
    """Write the cameras into a .csv or .xlsx table, without passwords."""
    from gateway.commands import read_config
    from gateway.config.camera_file import CameraFile
    from gateway.console.registers import Headers
    from gateway.enrolment.table import camera_template, write_cameras

    if template:
        return write_template(file, camera_template, headers)
    records = [record for _, record in CameraFile(config, read_config).records()]
    write_cameras(file, records, Headers(headers))
    sys.stdout.write(f"{len(records)} cameras in {file}\n")
    return 0


@asynccontextmanager
async def _registrar(config: Path) -> AsyncIterator[Any]:
    from adapters.onvif.inspection.inspector import Inspector
    from gateway.commands import read_config
    from gateway.config.camera_file import CameraFile
    from gateway.enrolment.registrar import CameraRegistrar
    from gateway.reach import Reach

    file = CameraFile(config, read_config)
    inspector = Inspector(reach=Reach.of(file.settings().allow.cameras))
    try:
        yield CameraRegistrar(file, file.settings, inspector.inspect, _nothing_runs_here)
    finally:
        await inspector.close()


async def _nothing_runs_here() -> None:
    """The node, if one runs, is told by a signal once all is written."""


async def _unaudited(action: str, object_: str, detail: str | None) -> None:
    """The ledger of a running node is never opened by another process; who may write the file may do all."""


def tell_running(config: Path, out: TextIO | None = None) -> None:
    """Have the node that runs with this configuration, if one does, take it over."""
    from gateway.commands import read_config
    from gateway.lock import holder

    running = holder(read_config(config).settings.data_dir)
    if running is None:
        return
    try:
        os.kill(running, signal.SIGHUP)
    except OSError as error:
        sys.stderr.write(f"the running node (process {running}) could not be told: {error.strerror}; reload it\n")
    else:
        (out or sys.stdout).write(f"the running node (process {running}) takes it over\n")


def _credential(username: str | None, from_stdin: bool) -> dict[str, str]:
    if username is None:
        if from_stdin:
            raise UsageError("--password-stdin needs --username NAME: whose password is it?")
        return {}
    if from_stdin:
        return {"username": username, "password": sys.stdin.readline().rstrip("\r\n")}
    if not sys.stdin.isatty():
        raise UsageError("give the camera's password on standard input with --password-stdin")
    return {"username": username, "password": getpass.getpass(f"password of {username} on the camera: ")}


def _host_and_port(text: str) -> dict[str, Any]:
    if "://" in text:
        return _of_address(text)
    host, colon, port = text.rpartition(":")
    if text.startswith("[") and text.endswith("]"):
        return {"host": text[1:-1]}
    if text and (not colon or (":" in host and not host.startswith("["))):
        return {"host": text}
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise UsageError(_NO_ADDRESS.format(text))
    return {"host": host.removeprefix("[").removesuffix("]"), "port": int(port)}


def _of_address(text: str) -> dict[str, Any]:
    """As a browser or a device's own page shows it: http://10.0.0.5:8000/onvif/device_service."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UsageError(_NO_ADDRESS.format(text)) from None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        raise UsageError(_NO_ADDRESS.format(text if parts.username is None else "ADDRESS"))
    tls = parts.scheme == "https"
    return {"host": host, "port": port or (443 if tls else 80), **({"tls": True} if tls else {})}
