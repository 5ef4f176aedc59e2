"""``gateway lab terminals``: terminals by the hundred at a broker, each behaving as it is told by name."""

import asyncio
import contextlib
import json
import random
import sys
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlsplit

import typer
from typer.main import get_command

from gateway.errors import UsageError
from gateway.lab.behaviours import BEHAVIOURS, Actor, Tally
from gateway.lab.mqtt_link import Login

_MOST = 2000


def main(arguments: Sequence[str]) -> int:
    """Ends the program with click's own exit code; raises GatewayError in words."""
    program = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    program.command()(lab_terminals)
    get_command(program).main(list(arguments), prog_name="gateway lab terminals")
    return 0


def lab_terminals(
    broker: Annotated[str, typer.Option(help="mqtt://HOST:PORT")] = "mqtt://127.0.0.1:1883",
    behave: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=COUNT", help=f"Repeatable; names: {', '.join(BEHAVIOURS)}. well=10 unless told."),
    ] = None,
    prefix: Annotated[str, typer.Option(help="Their ids are PREFIX-0001 and so on.")] = "tv",
    every: Annotated[float, typer.Option(min=0.05, help="Seconds between what they do by habit.")] = 10.0,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Then end; else until Ctrl-C.")] = None,
    seed: Annotated[int, typer.Option(help="Of their moods.")] = 1,
    username: Annotated[str | None, typer.Option()] = None,
    password: Annotated[str | None, typer.Option(envvar="LAB_PASSWORD")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> int:
    """Simulated terminals with every bad habit by name. All they send are test presses. At the end: what they sent, and
    what was answered."""
    casts = _casts(behave or ["well=10"])
    address = urlsplit(broker)
    if address.scheme != "mqtt" or not address.hostname:
        raise UsageError(f"--broker {broker}: mqtt://HOST:PORT is accepted")
    login = Login(address.hostname, address.port or 1883, username, password)
    tallies = asyncio.run(_play(login, casts, prefix, every, seconds, seed))
    told = {name: _told(some) for name, some in tallies.items()}
    if as_json:
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    else:
        for name, counts in told.items():
            sys.stdout.write(f"{name:10} " + "  ".join(f"{count} {what}" for what, count in counts.items()) + "\n")
    return 0


def _casts(words: list[str]) -> list[str]:
    """The behaviour of each terminal."""
    casts: list[str] = []
    for word in words:
        name, _, count = word.partition("=")
        if name not in BEHAVIOURS or not (count or "1").isdecimal():
            raise UsageError(f"--behave {word}: NAME=COUNT is accepted, where NAME is one of {', '.join(BEHAVIOURS)}")
        casts += [name] * int(count or "1")
    if not 0 < len(casts) <= _MOST:
        raise UsageError(f"--behave: 1 to {_MOST} terminals are played; these are {len(casts)}")
    return casts


async def _play(
    login: Login, casts: list[str], prefix: str, every: float, seconds: float | None, seed: int
) -> dict[str, list[Tally]]:
    actors = [
        (name, Actor(login, f"{prefix}-{number:04}", every, random.Random(seed * 100_003 + number)))
        for number, name in enumerate(casts, 1)
    ]
    try:
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                for name, actor in actors:
                    group.create_task(_act(name, actor))
    finally:
        for _, actor in actors:
            actor.close()
    tallies: dict[str, list[Tally]] = {}
    for name, actor in actors:
        tallies.setdefault(name, []).append(actor.tally)
    return tallies


async def _act(name: str, actor: Actor) -> None:
    await BEHAVIOURS[name](actor)


def _told(tallies: list[Tally]) -> dict[str, int]:
    return {
        "terminals": len(tallies),
        "presses": sum(len(each.pressed) for each in tallies),
        "sent": sum(each.sent for each in tallies),
        "received": sum(len(each.received & each.pressed.keys()) for each in tallies),
    }
