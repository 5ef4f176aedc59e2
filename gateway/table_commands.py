"""What ``gateway cameras import`` and ``gateway terminals import`` say of a table, to people and to machines."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gateway.errors import RunningError, UsageError

if TYPE_CHECKING:
    from gateway.console.registers import Difference, Headers, Import

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Whole = Annotated[bool, typer.Option("--all-or-nothing", help="Write nothing where a single row is refused.")]
Coordinates = Annotated[
    str,
    typer.Option(
        metavar="SYSTEM",
        help="Of positions whose table names none: wgs84, cgcs2000, gcj-02 or bd-09. WGS 84 unless told.",
    ),
]
RefusedFile = Annotated[
    Path | None,
    typer.Option(
        "--refused", metavar="FILE", help="Write the refused rows and why into a .csv or .xlsx, to hand back."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
HeadersOption = Annotated[
    Literal["zh", "en", "keys"],
    typer.Option(help="What the columns are called: the field's Chinese names, English ones, our keys."),
]
Template = Annotated[bool, typer.Option("--template", help="Write an empty table with an example row instead.")]
_MOST_TOLD = 20


def in_system(coordinates: str) -> str:
    """The option as it was given. Raises UsageError for a system that is none."""
    from gateway.enrolment.coordinates import system_of

    try:
        return system_of(coordinates).value if coordinates else ""
    except ValueError as error:
        raise UsageError(f"--coordinates: {error}") from None


def write_template(file: Path, template: "Callable[[str, Headers], bytes]", headers: str) -> int:
    """Raises UsageError, RunningError."""
    from gateway.console.registers import Headers
    from gateway.enrolment.sheet import form_of

    content = template(form_of(file), Headers(headers))
    try:
        file.write_bytes(content)
    except OSError as error:
        raise RunningError(f"{file}: cannot be written: {error.strerror}") from None
    sys.stdout.write(f"an empty table in {file}\n")
    return 0


def tell_import(file: Path, done: "Import", *, dry_run: bool, as_json: bool, refused: Path | None) -> int:
    """Print it, write the refused rows where wanted; the exit code. Raises UsageError, RunningError."""
    if refused is not None:
        from gateway.enrolment.register_desk import refused_rows
        from gateway.enrolment.sheet import write_rows

        write_rows(refused, refused_rows(done.table), "refused")
    if as_json:
        sys.stdout.write(json.dumps(_machine(done, dry_run), ensure_ascii=False, indent=2) + "\n")
    else:
        _people(file, done, dry_run)
    return 1 if done.table.refused else 0


def _machine(done: "Import", dry_run: bool) -> dict[str, object]:
    table = done.table
    return {
        "added": list(done.added),
        "changed": list(done.changed),
        "removed": list(done.removed),
        "same": done.same,
        "differences": {name: [_told(each) for each in found] for name, found in done.differences.items()},
        "refused": [{"line": each.line, "id": each.id or None, "reason": each.reason} for each in table.refused],
        "warnings": [{"line": each.line or None, "id": each.id or None, "text": each.text} for each in table.remarks],
        "kept_columns": list(table.kept),
        "withheld": done.withheld,
        "dry_run": dry_run,
    }


def _told(each: "Difference") -> dict[str, str]:
    return {"key": each.key, "before": each.before, "after": each.after}


def _people(file: Path, done: "Import", dry_run: bool) -> None:
    for each in done.table.refused:
        sys.stderr.write(f"{file}:{each.line}: {each.id or 'no id'}: {each.reason}\n")
    for remark in done.table.remarks[:_MOST_TOLD]:
        where = f"{file}:{remark.line}: {remark.id}: " if remark.line else f"{file}: "
        sys.stderr.write(f"warning: {where}{remark.text}\n")
    if len(done.table.remarks) > _MOST_TOLD:
        sys.stderr.write(f"warning: … and {len(done.table.remarks) - _MOST_TOLD} more; --json names them all\n")
    if dry_run:
        _preview(done)
    if done.withheld is not None:
        sys.stderr.write(f"{done.withheld}\n")
    removed = f"{len(done.removed)} removed, " if done.removed else ""
    sys.stdout.write(
        f"{'would be: ' if dry_run or done.withheld else ''}{len(done.added)} added, {len(done.changed)} changed, {removed}"
        f"{done.same} as they were, {len(done.table.refused)} rows refused\n"
    )


def _preview(done: "Import") -> None:
    for name in _first("added", done.added):
        sys.stdout.write(f"+ {name}\n")
    for name in _first("changed", done.changed):
        told = ", ".join(
            f"{each.key}: {each.before or '–'} → {each.after or '–'}" for each in done.differences.get(name, ())
        )
        sys.stdout.write(f"~ {name} ({told})\n")
    for name in _first("removed", done.removed):
        sys.stdout.write(f"- {name}\n")


def _first(what: str, names: Sequence[str]) -> Sequence[str]:
    if len(names) > _MOST_TOLD:
        sys.stdout.write(f"of {len(names)} {what} the first {_MOST_TOLD}:\n")
    return names[:_MOST_TOLD]
