"""``gateway terminals test``: test runs from the command line, through the API of the node that runs."""

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.errors import UsageError
from gateway.model import rfc3339, utc_now
from gateway.running_node import running_node

trials = typer.Typer(help="Ask households' terminals to be tried, and see who answered.", no_args_is_help=True)

_Config = Annotated[Path, typer.Option("-c", "--config", metavar="FILE", help="The node's configuration file.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
_MOST_SHOWN = 50


@trials.command("start")
def start(
    name: Annotated[str, typer.Argument(help="What it is called, such as 2026-Q3.")],
    config: _Config,
    lasts: Annotated[str, typer.Option("--for", metavar="DURATION", help="How long it waits: 7d, 12h.")] = "7d",
    areas: Annotated[str | None, typer.Option(help="Area codes, separated by commas; all unless told.")] = None,
    as_json: _AsJson = False,
) -> int:
    """Ask every terminal, one every 50 ms, to be pressed once as a test."""
    until = utc_now() + timedelta(seconds=_duration(lasts))
    wanted = {
        "name": name,
        "until": rfc3339(until),
        "areas": [code.strip() for code in (areas or "").split(",") if code.strip()],
    }
    with running_node(config, "terminals-test", "operator") as node:
        run = json.loads(node.ask("POST", "/test-runs", wanted))
    if as_json:
        sys.stdout.write(json.dumps(run, ensure_ascii=False, indent=2) + "\n")
    else:
        sys.stdout.write(f"test run {run['id']}: {run['counts']['total']} terminals are asked, until {run['until']}\n")
    return 0


@trials.command("report")
def report(
    config: _Config,
    run: Annotated[str | None, typer.Argument(metavar="ID", help="The newest unless told.")] = None,
    as_json: _AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a table with every terminal.")] = False,
) -> int:
    """Who answered a test run, and who did not."""
    with running_node(config, "terminals-test", "operator") as node:
        if run is None:
            runs = json.loads(node.ask("GET", "/test-runs"))["items"]
            if not runs:
                raise UsageError("there has been no test run yet; begin one with gateway terminals test start")
            run = str(runs[0]["id"])
        if as_csv:
            sys.stdout.write(node.ask("GET", f"/test-runs/{run}?format=csv").decode())
            return 0
        found = json.loads(node.ask("GET", f"/test-runs/{run}"))
    if as_json:
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=2) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in _lines(found)))
    return 0


def _lines(run: dict[str, Any]) -> Iterator[str]:
    yield f"test run {run['name']} ({run['id']}), {run['state']}: {_counted(run['counts'])}"
    for area in run["by_area"]:
        yield f"  {area['area_code'] or 'no area':14} {_counted(area)}"
    unanswered = run["unanswered"]
    for each in unanswered[:_MOST_SHOWN]:
        heard = f"heard {each['heard_at']}" if each["heard_at"] else "silent"
        yield f"  {each['terminal']}  {each['name'] or '-'}  {each['address'] or '-'}  {heard}"
    if len(unanswered) > _MOST_SHOWN:
        yield "  … --csv names all"


def _counted(counts: dict[str, Any]) -> str:
    return (
        f"{counts['tested']} of {counts['total']} pressed, {counts['heard']} were only heard, {counts['silent']} silent"
    )


def _duration(text: str) -> float:
    from gateway.values import seconds

    try:
        found = seconds(text)
    except ValueError as error:
        raise UsageError(f"--for {text}: {error}") from None
    return float(str(found))
