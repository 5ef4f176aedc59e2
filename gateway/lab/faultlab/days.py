"""Plays of ordinary days gone wrong: clocks, repeated messages, an upgrade, three levels that act while apart."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway.errors import RunningError
from gateway.lab.faultlab.processes import Node
from gateway.lab.faultlab.tracing import clock
from gateway.lab.faultlab.trial import Trial
from gateway.lab.link import CLEAR, Weather
from gateway.ledger.migrate import schema_steps

FORMER_STEP = 2
"""The newest step of the ledger's schema in 0.3.0."""

_JUMPS = 5  # at least
_SEEN_AFTER = 1.2  # seconds until a node looks at its clock's file again
_HOUR, _DAY = 3600, 86_400
_ACTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("acknowledge", {}),
    ("dispatch", {}),
    ("arrive", {}),
    ("note", {"comment": "on my way"}),
    ("close", {"disposition": "real"}),
    ("reopen", {}),
    ("close", {"disposition": "false_alarm"}),
)


async def clock_of_1970(trial: Trial) -> None:
    """The home node boots in 1970 and is never put right; presses are made, it is killed, it boots in 1970 again."""
    home, file = trial.town.home, trial.town.plan.directory / "clock"
    while True:
        _set(file, 100.0 - time.time())
        trial.write("the home node boots in 1970")
        await home.restart_with(lambda: clock(file))
        await home.until_ready()
        await trial.pause(1, 4)
        if not trial.pressing:
            return


async def clock_is_set(trial: Trial) -> None:
    """The home node boots in 1970; presses are stored, their terminals do not hear so; then the clock is set right, and
    they repeat their presses. They are the same presses still."""
    home, file = trial.town.home, trial.town.plan.directory / "clock"
    assert trial.town.households is not None
    while True:
        _set(file, 100.0 - time.time())
        trial.write("the home node boots in 1970, and terminals are deaf")
        trial.town.households.deaf = True
        await home.restart_with(lambda: clock(file))
        await home.until_ready()
        for _ in range(5):
            await trial.pressed_or(0.4)
        trial.write("the clock is set right, and terminals hear again")
        _set(file, 0)
        await asyncio.sleep(_SEEN_AFTER)
        trial.town.households.deaf = False
        await trial.pause(0.5, 3)
        if not trial.pressing:
            return


async def clocks_jump(trial: Trial) -> None:
    """Every node's clock jumps, by minutes, hours and years, both ways, while it runs."""
    files = [trial.town.plan.directory / f"clock-{number}" for number in range(len(trial.town.nodes))]
    for node, file in zip(trial.town.nodes, files, strict=True):
        _set(file, 0)
        await node.restart_with(lambda file=file: clock(file))  # type: ignore[misc]
    for node in trial.town.nodes:
        await node.until_ready()
    jumps = 0
    while True:
        await trial.pause(0.1, 1)
        number = trial.rng.randrange(len(files))
        off = trial.rng.choice((0, 90, -90, 5 * _HOUR, -5 * _HOUR, 300 * _DAY, 100 - int(time.time())))
        trial.write(f"{trial.town.nodes[number].name}'s clock is off by {off} s")
        _set(files[number], off)
        await trial.pressed_or(1.1)  # by then the node has seen it
        jumps += 1
        if not trial.pressing and jumps >= _JUMPS:
            return


def _set(file: Path, off: float) -> None:
    """The file is replaced and not written anew: its reader must never find it empty."""
    fresh = file.with_suffix(".new")
    fresh.write_text(f"{off:+.0f}\n", encoding="ascii")
    fresh.replace(file)


async def messages_repeat(trial: Trial) -> None:
    """Every press comes up to four times, in any order, while the connection to the broker breaks again and again."""
    assert trial.town.households is not None
    trial.town.households.copies = 3
    while True:
        await trial.pause(0.5, 2)
        trial.write(f"{trial.town.air.reset()} connections of terminals are reset")
        if not trial.pressing:
            return


async def upgrade(trial: Trial) -> None:
    """The former version's ledger, presses waiting in the broker, the present program; killed in the middle, too."""
    home = trial.town.home
    await trial.pause(1, 2)
    await home.down()
    steps = await asyncio.to_thread(former_schema, home.data_dir / "ledger.db")
    trial.write(f"the ledger is the former version's (schema {steps}); presses wait in the broker")
    await trial.pause(0.5, 2)
    for _ in range(trial.rng.randint(0, 3)):
        await home.start()
        await trial.pause(0.3, 1.2)
        trial.write("kill -9 while it starts")
        await home.down()
    await home.start()
    await home.until_ready()
    trial.write("the present version runs")
    await trial.promise_holds()


def former_schema(path: Path, step: int = FORMER_STEP) -> int:
    """Write the ledger anew as the version with schema ``step`` would have left it; nobody may have it open.

    What that schema has no place for is left behind. Returns ``step``.
    """
    former = path.with_suffix(".former")
    former.unlink(missing_ok=True)
    with closing(sqlite3.connect(former, isolation_level=None)) as connection:
        for number, sql in sorted(schema_steps().items()):
            if number <= step:
                connection.executescript(sql)
        connection.execute(f"PRAGMA user_version = {step}")
        connection.execute("ATTACH ? AS present", (str(path),))
        connection.execute("BEGIN")
        for (table,) in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            if not table.startswith("sqlite_"):
                _copy(connection, table)
        connection.execute("COMMIT")
        connection.execute("DETACH present")
        connection.execute("PRAGMA journal_mode = wal")
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    former.replace(path)
    path.chmod(0o600)
    return step


def _copy(connection: sqlite3.Connection, table: str) -> None:
    def columns(schema: str) -> list[str]:
        return [row[1] for row in connection.execute(f'PRAGMA {schema}.table_info("{table}")')]

    present = columns("present")
    names = ", ".join(f'"{name}"' for name in columns("main") if name in present)
    known = "WHERE notice IS NULL" if table == "parcel" and "notice" in present else ""
    connection.execute(f'DELETE FROM main."{table}"')  # noqa: S608 - names of our own schema
    connection.execute(f'INSERT INTO main."{table}" ({names}) SELECT {names} FROM present."{table}" {known}')  # noqa: S608


async def levels_act_apart(trial: Trial) -> None:
    """Village, township and county act on the same alerts while the links between them are down; in the end all agree."""
    town = trial.town
    while True:
        await trial.pause(0.5, 1.5)
        away = trial.rng.choice((*town.uplinks, None))
        if away is not None:
            trial.write(f"link {town.uplinks.index(away)} is a black hole")
            away.weather = Weather(black_hole=True)
        for node in town.nodes:
            await _acts(trial, node)
        await trial.pause(0.3, 2)
        if away is not None:
            away.weather = CLEAR
            away.reset()
        if not trial.pressing:
            return


async def _acts(trial: Trial, node: Node) -> None:
    dice = trial.dice()
    alerts = (await node.api.get("/api/v1/alerts?limit=50"))["items"]
    for alert in dice.sample(alerts, min(len(alerts), 6)):
        action, words = dice.choice(_ACTS)
        try:
            await node.act(alert["id"], action, **words)
        except RunningError as error:
            if "status 409" not in str(error):  # a step that the alert's state does not allow is no fault
                trial.broken(f"{node.name} does not take {action}: {error}")
        else:
            trial.write(f"{node.name}: {action} {alert['id']}")
