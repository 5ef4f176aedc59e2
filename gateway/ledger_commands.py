"""``gateway ledger``: the ledger backed up, restored and checked from the command line."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.errors import UsageError

if TYPE_CHECKING:
    from gateway.ledger.backup import Progress

ledger = typer.Typer(help="The ledger: backed up, restored, checked.", no_args_is_help=True)

_Config = Annotated[Path, typer.Option("-c", "--config", metavar="FILE", help="The node's configuration file.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@ledger.command("backup")
def backup(
    file: Annotated[
        Path, typer.Argument(help="Where the copy goes; an older one there is replaced once this is whole.")
    ],
    config: _Config,
    media: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Copy pictures and clips there too, those that it has not yet.")
    ] = None,
    as_json: _AsJson = False,
) -> int:
    """Copy the ledger, whether the node runs or not; the copy is checked before it takes its name."""
    from gateway.commands import read_config
    from gateway.ledger.backup import back_up
    from gateway.ledger.media_copy import copy_missing

    data_dir = read_config(config).settings.data_dir
    with _progress() as progress:
        size = back_up(data_dir / "ledger.db", file, progress)
        files, media_size = (0, 0) if media is None else copy_missing(data_dir / "media", media, progress)
    if as_json:
        told = {"file": str(file), "bytes": size, "media_files": files, "media_bytes": media_size}
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
        return 0
    sys.stdout.write(f"{file}: the ledger's copy is whole ({size / 1e6:.1f} MB)\n")
    if media is not None:
        sys.stdout.write(f"{media}: {files} pictures and clips were added ({media_size / 1e6:.1f} MB)\n")
    return 0


@ledger.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="A backup of this node's ledger.")],
    config: _Config,
    media: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Copy pictures and clips back from there, those missing here.")
    ] = None,
) -> int:
    """Put a backup in the place of the ledger, which is kept aside. Not while the node runs."""
    from gateway.commands import read_config
    from gateway.ledger.media_copy import copy_missing
    from gateway.ledger.restore import restore as put_back
    from gateway.lock import hold
    from gateway.supervision.clock import SystemClock

    settings = read_config(config).settings
    path = settings.data_dir / "ledger.db"
    if not file.is_file():
        raise UsageError(f"{file}: there is no backup here")
    with hold(settings.data_dir), _progress() as progress:
        aside = put_back(path, file, settings.node.id, SystemClock(), progress)
        files, _ = (0, 0) if media is None else copy_missing(media, settings.data_dir / "media", progress)
    sys.stdout.write(f"{path}: restored from {file}\n")
    if aside.exists():
        sys.stdout.write(f"{aside}: the ledger that was there before; remove it when it is no longer needed\n")
    if media is not None:
        sys.stdout.write(f"{files} pictures and clips were copied back\n")
    return 0


@ledger.command("check")
def check(
    config: _Config,
    file: Annotated[Path | None, typer.Argument(help="A backup; the node's own ledger unless told.")] = None,
) -> int:
    """Check structure, tables and audit chain of the ledger or of a backup; exit 1 and the first fault if it is not whole."""
    from gateway.commands import read_config
    from gateway.ledger.soundness import first_fault

    path = file or read_config(config).settings.data_dir / "ledger.db"
    with _progress() as progress:
        progress("checking", 0.0)
        fault = first_fault(path)
    if fault is None:
        sys.stdout.write(f"{path}: whole\n")
        return 0
    sys.stderr.write(f"gateway: {path}: {fault}\n")
    return 1


@contextmanager
def _progress() -> "Iterator[Progress]":
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("…") as status:
        yield lambda what, part: status.update(f"{what} … {part:.0%}" if part else f"{what} …")
