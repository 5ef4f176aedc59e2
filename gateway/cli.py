"""The command line (CONTRACT "Command line"): parse, call, and say in plain sentences what went wrong.

Exit codes: 0 well, 1 it failed while running, 2 usage or configuration.
"""

import getpass
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gateway import __version__
from gateway.errors import ConfigError, GatewayError, UsageError

if TYPE_CHECKING:  # rooms are imported by the command that needs them: --help and check stay quick
    from gateway.console.accounts import Accounts


def _end_with(code: int | None, **_options: object) -> None:
    raise typer.Exit(code or 0)


app = typer.Typer(
    name="gateway",
    help="Feed gateway for township centres: presses and cameras in, alerts with pictures out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    result_callback=_end_with,
)
users = typer.Typer(help="Console users.", no_args_is_help=True)
tokens = typer.Typer(help="Bearer tokens for nodes and programs.", no_args_is_help=True)
bench = typer.Typer(help="The measurements of the README, on this machine.", no_args_is_help=True)
audit = typer.Typer(help="The record of who did and saw what.", no_args_is_help=True)
app.add_typer(users, name="user")
app.add_typer(tokens, name="token")
app.add_typer(bench, name="bench")
lab = typer.Typer(help="Simulated devices for tests and benchmarks.", no_args_is_help=True)
app.add_typer(audit, name="audit")
app.add_typer(lab, name="lab")

ConfigFile = Annotated[Path, typer.Option("-c", "--config", metavar="FILE", help="The node's configuration file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def main() -> NoReturn:
    """Entry point: every expected failure becomes one sentence on stderr and an exit code."""
    try:
        app()  # Typer itself says what is wrong with a command line, and leaves with 2
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")  # each line begins with FILE:LINE, for people and for editors
        sys.exit(2)
    except UsageError as error:
        _fail(str(error), 2)
    except GatewayError as error:
        _fail(str(error), 1)
    sys.exit(0)


def _fail(sentence: str, code: int) -> NoReturn:
    sys.stderr.write(f"gateway: {sentence}\n")
    sys.exit(code)


def _say(text: str) -> None:
    typer.echo(text)


def _version(wanted: bool) -> None:
    if wanted:
        _say(f"gateway {__version__}")
        raise typer.Exit


@app.callback()
def _root(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False) -> None:
    """Feed gateway for township centres."""


@app.command()
def run(config: ConfigFile) -> None:
    """Run one node until SIGTERM or SIGINT; SIGHUP reads the configuration anew."""
    _end_well_while_starting()
    from gateway.app import run_node

    run_node(config)


def _end_well_while_starting() -> None:
    """Until the node takes the signals over, there is nothing to end in order: SIGTERM is no failure, nor SIGHUP an end."""

    def leave(*_: object) -> NoReturn:
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@app.command()
def check(
    config: ConfigFile,
    plan: Annotated[bool, typer.Option("--plan", help="Say what the node would run.")] = False,
) -> None:
    """Validate a configuration; every fault with file, line, key and what is accepted."""
    from gateway.commands import read_config

    loaded = read_config(config)
    for warning in loaded.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    settings = loaded.settings
    if plan:
        _say(f"node {settings.node.id} ({settings.node.level.value}), data in {settings.data_dir}")
        for source in settings.sources:
            _say(f"source {source.id} ({source.kind})")
        _say(f"{len(settings.cameras)} cameras, {len(settings.terminals)} terminals")
        for sink in settings.sinks:
            _say(f"sink {sink.id} ({sink.kind})")
    _say(f"{config}: well")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration."""
    from gateway.commands import config_schema

    _say(json.dumps(config_schema(), indent=2, ensure_ascii=False))


@app.command()
def demo(
    cameras: Annotated[int, typer.Option(min=1, max=64, help="Simulated cameras.")] = 3,
    duration: Annotated[float | None, typer.Option(min=1, help="Seconds; else until Ctrl-C.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the console.")] = False,
    port: Annotated[
        int, typer.Option(min=1, max=65534, help="The county's console; the township's is the next.")
    ] = 8080,
) -> int:
    """A county, a township, cameras and TV terminals, simulated on this machine with the real code paths."""
    from gateway.lab.demo import run_demo

    return run_demo(cameras, duration, port, not no_browser)


@app.command()
def press(
    terminal: Annotated[str, typer.Argument(help="The terminal's id.")],
    config: ConfigFile,
    kind: Annotated[str, typer.Option(help="sos, fire, medical, intrusion or other.")] = "sos",
    drill: Annotated[bool, typer.Option("--drill", help="A test: shown apart, no siren.")] = False,
    wait: Annotated[float, typer.Option(min=1, help="Seconds to wait for R2.")] = 15.0,
) -> int:
    """Press a terminal's button through the configured broker; print the time to R1 and R2."""
    from gateway.commands import broker_of
    from gateway.lab.terminals import press_from_command_line
    from gateway.model import PRESS_KINDS

    if kind not in PRESS_KINDS:
        raise UsageError(f"--kind {kind}: accepted are {', '.join(sorted(PRESS_KINDS))}")
    if not terminal or set(terminal) & set("/+#\0"):
        raise UsageError(f"{terminal!r} can be no terminal: its id is one level of an MQTT topic, without / + and #")
    return press_from_command_line(broker_of(config), terminal, kind, drill=drill, wait=wait)


@bench.command("ingest")
def bench_ingest(
    as_json: AsJson = False,
    cameras: Annotated[int, typer.Option(min=1, max=2000)] = 50,
    seconds: Annotated[float, typer.Option(min=2)] = 20.0,
) -> int:
    """CPU and memory per 4 Mbit/s camera, beside ffmpeg -c copy and cv2.VideoCapture on the same streams."""
    from gateway.lab.bench_ingest import run_bench_ingest

    return run_bench_ingest(as_json, cameras=cameras, seconds=seconds)


@bench.command("alarms")
def bench_alarms(
    as_json: AsJson = False,
    presses: Annotated[int, typer.Option(min=1)] = 400,
    rate: Annotated[float, typer.Option(min=0.1, help="Presses a second.")] = 20.0,
) -> int:
    """Press → R1 and R2 through two real nodes and a real broker, pictures being taken meanwhile."""
    from gateway.lab.bench_alarms import run_bench_alarms

    return run_bench_alarms(as_json, presses=presses, rate=rate)


@lab.command("cameras")
def lab_cameras(
    count: Annotated[int, typer.Option("--count", min=1, max=5000, help="How many.")] = 3,
    clip: Annotated[
        bool, typer.Option("--clip", help="One 1080p clip for all, encoded once; else live scenes.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="RTSP port on loopback; 0 takes a free one.")] = 0,
) -> int:
    """Simulated RTSP cameras at /cam/N/main and /cam/N/sub, until Ctrl-C."""
    from gateway.lab.cameras import Park, run_lab_cameras

    return run_lab_cameras(Park(cameras=count, live=not clip, port=port))


# ------------------------------------------------------------------------------------------------ users and tokens


def _accounts(config: Path) -> "Accounts":
    from gateway.commands import open_accounts

    return open_accounts(config)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise UsageError("no terminal to ask for a password on: give it on standard input with --password-stdin")
    first = getpass.getpass("password: ")
    if getpass.getpass("again: ") != first:
        raise UsageError("the two passwords differ; nothing was changed")
    return first


FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
Areas = Annotated[str | None, typer.Option(help="Area codes, separated by commas; all unless told.")]


@users.command("add")
def user_add(
    name: str,
    config: ConfigFile,
    role: Annotated[str, typer.Option(help="admin, operator, viewer or maintainer.")],
    areas: Areas = None,
    password_stdin: FromStdin = False,
) -> None:
    """Add a console user."""
    accounts = _accounts(config)
    wanted = tuple(code.strip() for code in (areas or "").split(",") if code.strip())
    accounts.add_user(name, role, _password(password_stdin), areas=wanted)
    _say(f"user {name} ({role}) was added")


@users.command("disable")
def user_disable(name: str, config: ConfigFile) -> None:
    """Disable a user and end their sessions."""
    _accounts(config).disable_user(name)
    _say(f"user {name} is disabled")


@users.command("password")
def user_password(name: str, config: ConfigFile, password_stdin: FromStdin = False) -> None:
    """Set a user's password and end their sessions."""
    _accounts(config).set_password(name, _password(password_stdin))
    _say(f"the password of {name} was changed")


@users.command("list")
def user_list(config: ConfigFile) -> None:
    """List the users."""
    for user in _accounts(config).users():
        state = "disabled" if user.disabled else "active"
        _say(f"{user.name}\t{user.role}\t{','.join(user.areas) or 'all areas'}\t{state}")


@tokens.command("add")
def token_add(
    name: str,
    config: ConfigFile,
    role: Annotated[str, typer.Option(help="operator, viewer or node.")],
    node: Annotated[str | None, typer.Option("--node", metavar="ID", help="The lower node that will use it.")] = None,
) -> None:
    """Make a bearer token; it is printed once, alone on the last line."""
    _say(_accounts(config).add_token(name, role, node=node))


@tokens.command("list")
def token_list(config: ConfigFile) -> None:
    """List the tokens (never the secrets)."""
    for token in _accounts(config).tokens():
        state = "active" if token.revoked_at is None else "revoked"
        _say(f"{token.name}\t{token.role}\t{token.node or '-'}\t{state}")


@tokens.command("revoke")
def token_revoke(name: str, config: ConfigFile) -> None:
    """Revoke a token, in a running node too."""
    _accounts(config).revoke_token(name)
    _say(f"token {name} is revoked")


@audit.command("verify")
def audit_verify(config: ConfigFile) -> int:
    """Check the hash chain of the ledger; exit 1 and the first broken line if it fails."""
    from gateway.commands import verify_audit

    broken = verify_audit(config)
    if broken is None:
        _say("the chain is whole")
        return 0
    sys.stderr.write(f"gateway: the chain is broken: {broken}\n")
    return 1
