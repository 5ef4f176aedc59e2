"""``gateway terminals``: the register of households from the command line, whether the node runs or not."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.camera_commands import tell_running
from gateway.errors import UsageError
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
from gateway.trial_commands import trials

if TYPE_CHECKING:
    from gateway.console.registers import Import
    from gateway.enrolment.terminal_registrar import TerminalRegistrar

terminals = typer.Typer(help="The households of the configuration and their terminals.", no_args_is_help=True)
terminals.add_typer(trials, name="test")

_Config = Annotated[Path, typer.Option("-c", "--config", metavar="FILE", help="The node's configuration file.")]
_MOST_SUGGESTED = 5


@terminals.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    config: _Config,
    replace: Annotated[
        bool, typer.Option("--replace", help="The table is the whole register: remove terminals that it does not name.")
    ] = False,
    dry_run: DryRun = False,
    whole: Whole = False,
    coordinates: Coordinates = "",
    refused: RefusedFile = None,
    as_json: AsJson = False,
) -> int:
    """Take households from a .csv or .xlsx table: new ids are added, known ones changed. Refused rows are named."""
    from gateway.enrolment.terminal_table import read_terminals

    table = read_terminals(file, in_system(coordinates))
    done: Import = _with_registrar(
        config,
        lambda registrar: registrar.take_table(table, _unaudited, replace=replace, dry_run=dry_run, whole=whole),
    )
    code = tell_import(file, done, dry_run=dry_run, as_json=as_json, refused=refused)
    if not as_json:
        _suggest_both_ways(done)
    if done.touches and not dry_run:
        tell_running(config, sys.stderr if as_json else sys.stdout)
    return code


def _suggest_both_ways(done: "Import") -> None:
    """十户联防 is mutual: whoever is told of a neighbour's press is usually heard by that neighbour too."""
    from gateway.enrolment.terminal_table import one_sided

    pairs = one_sided({row.id: row.record.get("neighbours", ()) for row in done.table.rows})
    for terminal, other in pairs[:_MOST_SUGGESTED]:
        sys.stderr.write(
            f"{terminal} names {other} as its neighbour, but {other} does not name {terminal}: is that meant?\n"
        )
    if len(pairs) > _MOST_SUGGESTED:
        sys.stderr.write(f"… and {len(pairs) - _MOST_SUGGESTED} more pairs\n")


@terminals.command("export")
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    config: _Config,
    headers: HeadersOption = "keys",
    template: Template = False,
) -> int:
    """Write the households into a .csv or .xlsx table."""
    from gateway.commands import read_config
    from gateway.config.terminal_file import TerminalFile
    from gateway.console.registers import Headers
    from gateway.enrolment.terminal_table import terminal_template, write_terminals

    if template:
        return write_template(file, terminal_template, headers)
    records = [record for _, record in TerminalFile(config, read_config).records()]
    write_terminals(file, records, Headers(headers))
    sys.stdout.write(f"{len(records)} terminals in {file}\n")
    return 0


@terminals.command("add")
def add(
    id_: Annotated[str, typer.Argument(metavar="ID")],
    config: _Config,
    name: Annotated[str | None, typer.Option(help="Of the household.")] = None,
    phone: Annotated[str | None, typer.Option(help="Where it is called back.")] = None,
    address: Annotated[str | None, typer.Option(help="Of the household.")] = None,
    instructions: Annotated[
        str | None, typer.Option(help="What whoever answers its alarm has to know, to 500 characters.")
    ] = None,
    lon: Annotated[float | None, typer.Option(min=-180, max=180, help="WGS 84 degrees.")] = None,
    lat: Annotated[float | None, typer.Option(min=-90, max=90, help="WGS 84 degrees.")] = None,
    area: Annotated[str | None, typer.Option(help="Area code.")] = None,
    camera: Annotated[list[str] | None, typer.Option(help="A camera of the household; repeatable.")] = None,
    neighbour: Annotated[list[str] | None, typer.Option(help="A neighbour's terminal; repeatable.")] = None,
    model: Annotated[str, typer.Option(help="What kind of device, see terminal_models.")] = "",
) -> int:
    """Add one household's terminal, and tell a running node."""
    record = {
        "id": id_,
        "household": {"name": name, "phone": phone, "address": address, "instructions": instructions},
        "place": {"lon": lon, "lat": lat, "area_code": area},
        "cameras": camera,
        "neighbours": neighbour,
        "model": model,
    }
    _with_registrar(config, lambda registrar: registrar.add(record, _unaudited))
    sys.stdout.write(f"terminal {id_} was added\n")
    tell_running(config)
    return 0


@terminals.command("remove")
def remove(id_: Annotated[str, typer.Argument(metavar="ID")], config: _Config) -> int:
    """Take a terminal out of the register; its alerts stay."""
    _known(id_, config, lambda registrar: registrar.remove(id_, _unaudited))
    sys.stdout.write(f"terminal {id_} was removed\n")
    tell_running(config)
    return 0


@terminals.command("replace")
def replace(
    old: Annotated[str, typer.Argument(metavar="OLD")],
    new: Annotated[str, typer.Argument(metavar="NEW")],
    config: _Config,
) -> int:
    """Another box in the same household: household, cameras and neighbours go to NEW, the history stays with OLD."""
    _known(old, config, lambda registrar: registrar.replace(old, new, _unaudited))
    sys.stdout.write(f"terminal {new} stands in for {old}\n")
    tell_running(config)
    return 0


def _known(id_: str, config: Path, work: "Callable[[TerminalRegistrar], Coroutine[Any, Any, Any]]") -> None:
    try:
        _with_registrar(config, work)
    except KeyError:
        raise UsageError(f"there is no terminal {id_} in {config} or its terminals_file") from None


def _with_registrar(config: Path, work: "Callable[[TerminalRegistrar], Coroutine[Any, Any, Any]]") -> Any:
    from gateway.commands import read_config
    from gateway.config.terminal_file import TerminalFile
    from gateway.enrolment.terminal_registrar import TerminalRegistrar

    return asyncio.run(work(TerminalRegistrar(TerminalFile(config, read_config), _nothing_runs_here)))


async def _nothing_runs_here() -> None:
    """The node, if one runs, is told by a signal once all is written."""


async def _unaudited(action: str, object_: str, detail: str | None) -> None:
    """The ledger of a running node is never opened by another process; who may write the file may do all."""
