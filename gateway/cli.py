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
from gateway.camera_commands import cameras, discover
from gateway.errors import ConfigError, GatewayError, UsageError
from gateway.lab.bench.commands import bench
from gateway.ledger_commands import ledger
from gateway.pki_commands import pki
from gateway.report_commands import report
from gateway.terminal_commands import terminals

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
audit = typer.Typer(help="The record of who did and saw what.", no_args_is_help=True)
app.add_typer(users, name="user")
app.add_typer(tokens, name="token")
app.add_typer(bench, name="bench")
lab = typer.Typer(help="Simulated devices for tests and benchmarks.", no_args_is_help=True)
app.add_typer(audit, name="audit")
app.add_typer(cameras, name="cameras")
app.add_typer(terminals, name="terminals")
app.add_typer(lab, name="lab")
app.add_typer(ledger, name="ledger")
app.add_typer(report, name="report")
app.add_typer(pki, name="pki")

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
    """Run one node until SIGTERM or SIGINT; SIGHUP reads the configuration anew, SIGUSR1 asks cameras once more that
    refused their password."""
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
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


@app.command()
def check(
    config: ConfigFile,
    plan: Annotated[bool, typer.Option("--plan", help="Say what a reload would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Approve the plan, however many cameras it removes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Validate a configuration; every fault with file, line, key and what is accepted."""
    from gateway.check import run_check

    run_check(config, plan=plan, yes=yes, as_json=as_json)


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


app.command()(discover)


@lab.command("cameras", context_settings={"ignore_unknown_options": True, "help_option_names": []})
def lab_cameras(arguments: Annotated[list[str] | None, typer.Argument(metavar="[OPTIONS]")] = None) -> int:
    """Simulated RTSP cameras, by the thousand, with every fault by name; --help tells more."""
    from gateway.lab.cameras import main as run_cameras

    return run_cameras(arguments or [])


@lab.command("onvif", context_settings={"ignore_unknown_options": True, "help_option_names": []})
def lab_onvif(arguments: Annotated[list[str] | None, typer.Argument(metavar="[OPTIONS]")] = None) -> int:
    """Simulated ONVIF devices with RTSP video, events and every odd habit by name; --help tells more."""
    from gateway.lab.onvif.devices import main as run_devices

    return run_devices(arguments or [])


@lab.command("faults")
def lab_faults(
    seed: Annotated[int | None, typer.Option(help="Brings the same faults again; else one is drawn and told.")] = None,
    presses: Annotated[int, typer.Option(min=1, help="Shared out among the scenes.")] = 20_000,
    scene: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.1, help="Go on with further seeds for so long.")] = None,
    rate: Annotated[float, typer.Option(min=0.1, help="Presses a second, in each scene.")] = 50.0,
    beside: Annotated[int, typer.Option(min=1, help="Scenes at a time: most of one is waiting.")] = 1,
    report: Annotated[
        Path | None, typer.Option(help="Write the report, with every fault and its time, here as JSON.")
    ] = None,
    table: Annotated[Path | None, typer.Option(help="Write the table of deploy/RELIABILITY.md here.")] = None,
    as_json: AsJson = False,
) -> int:
    """Real processes under real faults; a checker outside counts what was lost. Exit code 2 where a scene needs what is
    not here."""
    from gateway.lab.faultlab.run import run_faults

    names = scene or ()
    return run_faults(
        seed=seed,
        presses=presses,
        names=names,
        minutes=minutes,
        rate=rate,
        beside=beside,
        as_json=as_json,
        to=report,
        table=table,
    )


@lab.command("simulate")
def lab_simulate(
    presses: Annotated[int, typer.Option(min=1, help="Presses in all.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the first history; the next has the next.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 1,
    history: Annotated[int, typer.Option(min=1, help="Presses in one history.")] = 1000,
    only: Annotated[str | None, typer.Option(metavar="FAULT", help="This fault alone.")] = None,
    sabotage: Annotated[str | None, typer.Option(metavar="NAME", help="Break the gateway: it must be found.")] = None,
    as_json: AsJson = False,
) -> int:
    """Presses by the million under faults, in virtual time; exit 1 where one was lost or doubled, with its seed."""
    from gateway.lab.simulation.campaign import run_campaign

    return run_campaign(presses, seed, jobs=jobs, history=history, only=only, sabotage=sabotage, as_json=as_json)


@lab.command("terminals", context_settings={"ignore_unknown_options": True, "help_option_names": []})
def lab_terminals(arguments: Annotated[list[str] | None, typer.Argument(metavar="[OPTIONS]")] = None) -> int:
    """Simulated TV terminals at a broker, with every bad habit by name; --help tells more."""
    from gateway.lab.village_terminals import main as run_terminals

    return run_terminals(arguments or [])


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
def audit_verify(
    bundle: Annotated[Path | None, typer.Argument(help="A case bundle; without one the node's own record.")] = None,
    config: Annotated[
        Path | None, typer.Option("-c", "--config", metavar="FILE", help="The node's configuration file.")
    ] = None,
) -> int:
    """Check a case bundle, with -c also against the record of the node that made it; or that record's hash chain. Exit 1 and
    what does not hold if it fails."""
    from gateway.commands import verify_audit

    if bundle is not None:
        return _verify_bundle(bundle, config)
    if config is None:
        raise UsageError("say what to check: a case bundle, or -c FILE for a node's own record")
    broken = verify_audit(config)
    if broken is None:
        _say("the chain is whole")
        return 0
    sys.stderr.write(f"gateway: the chain is broken: {broken}\n")
    return 1


def _verify_bundle(bundle: Path, config: Path | None) -> int:
    from gateway.commands import verify_bundle
    from gateway.console.bundle_check import NotWhole

    try:
        found = verify_bundle(bundle, config)
    except NotWhole as fault:
        sys.stderr.write(f"gateway: {bundle} is not what a node signed: {fault}\n")
        return 1
    _say(f"{bundle} is whole: alert {found.alert}, made by node {found.node} ({found.node_name})")
    _say(
        f"made at {found.made_at} by {found.made_by}; {found.files} files, {found.entries} entries, {found.audit} lines of the audit"
    )
    if found.missing:
        _say(f"{found.missing} of its pictures and clips were not at the node when it was made")
    if config is None:
        _say(
            f"signed with the key {found.key}: whether that is the node's, its administrator knows; or check there with -c FILE"
        )
    else:
        _say(f"signed with this node's key ({found.key}), and its lines stand in this node's ledger")
    return 0
