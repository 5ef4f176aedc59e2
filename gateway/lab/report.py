"""What the lab says: lines, tables and JSON on stdout; progress on stderr."""

import json
import os
import platform
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table


def say(line: str) -> None:
    """A line for the user, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def complain(sentence: str) -> None:
    """What went wrong, on stderr."""
    sys.stderr.write(f"gateway: {sentence}\n")


def machine() -> dict[str, str | int]:
    """The machine that figures were measured on."""
    model = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            model = value.strip()
            break
    return {
        "cpu": model,
        "cores": os.cpu_count() or 1,
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def machine_line() -> str:
    facts = machine()
    return f"{facts['cpu']}, {facts['cores']} cores, Linux {facts['kernel']}, Python {facts['python']}"


def quantile(values: Sequence[float], share: float) -> float:
    """The nearest-rank quantile: a value that was truly measured."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-round(share * 1000) * len(ordered) // 1000) - 1))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def print_json(result: dict[str, Any]) -> None:
    say(json.dumps(result, ensure_ascii=False, indent=2))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table whose first column is text and whose others are figures."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120).print(table)


class Steps:
    """Progress of a measurement in named steps."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=1.0)

    def step(self, name: str, share: float = 0.0) -> None:
        """``share`` of this step is done, 0 to 1."""
        self._progress.update(self._task, description=name, completed=share)


@contextmanager
def steps() -> Iterator[Steps]:
    """Show progress on stderr while the measurement runs."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), console=console, transient=True
    ) as progress:
        yield Steps(progress)
