"""``gateway report``: what is handed in, from the command line, through the API of the node that runs: so it is audited."""

import re
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer

from gateway.errors import RunningError, UsageError
from gateway.running_node import running_node

report = typer.Typer(help="Reports that are handed in.", no_args_is_help=True)

_ENDINGS = {".xlsx": "figures.xlsx", ".csv": "figures.csv"}


@report.command("figures")
def figures(
    config: Annotated[Path, typer.Option("-c", "--config", metavar="FILE", help="The node's configuration file.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where it goes: .xlsx, or .csv for one table.")],
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="The last whole one unless told.")] = None,
    area: Annotated[str, typer.Option(help="Beginning of the area code; all unless told.")] = "",
    table: Annotated[str, typer.Option(help="Which table a .csv holds: channels, outages, over, areas …")] = "channels",
    lang: Annotated[str, typer.Option(help="zh or en.")] = "zh",
) -> int:
    """Online and intact rates, outages, response times and tested terminals of a month."""
    route = _ENDINGS.get(out.suffix.lower())
    if route is None:
        raise UsageError(f"--out {out}: a .xlsx or .csv file is accepted")
    first, last = _month(month)
    query = {"from": first.isoformat(), "to": last.isoformat(), "area": area, "lang": lang, "part": table}
    with running_node(config, "report", "viewer") as node:
        content = node.ask("GET", f"/reports/{route}?{urlencode(query)}")
    try:
        out.write_bytes(content)
    except OSError as error:
        raise RunningError(f"{out}: cannot be written: {error.strerror}") from None
    sys.stdout.write(f"{out}: figures from {first} to {last}\n")
    return 0


def _month(text: str | None) -> tuple[date, date]:
    """Its first and its last day."""
    if text is None:
        last = date.today().replace(day=1) - timedelta(days=1)
        return last.replace(day=1), last
    match = re.fullmatch(r"(2\d{3})-(0[1-9]|1[0-2])", text)
    if match is None:
        raise UsageError(f"--month {text}: a year and a month are accepted, such as 2026-11")
    first = date(int(match[1]), int(match[2]), 1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
