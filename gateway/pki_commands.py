"""``gateway pki``: certificates for the broker, the console, terminals and nodes. No password and no key is ever an argument."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.errors import UsageError

if TYPE_CHECKING:
    from gateway.pki.authority import Authority, Made

pki = typer.Typer(help="Certificates: an authority of the box's own.", no_args_is_help=True)

_Dir = Annotated[Path, typer.Option("--dir", metavar="DIR", help="The authority's directory; keep it, and back it up.")]
_Days = Annotated[
    int | None, typer.Option(min=1, max=3650, help="How long it is good; else what is usual for its kind.")
]
_Csr = Annotated[
    Path | None, typer.Option("--csr", metavar="FILE", help="A signing request (PEM): the key stays where it was made.")
]
_HERE = Path("pki")
_BROKER = "put {ca} and {crl} where the broker reads them, and restart it: a reload lets whoever is connected stay"


@pki.command("init")
def init(
    directory: _Dir = _HERE,
    name: Annotated[str, typer.Option(help="Of the authority, as people read it.")] = "gateway authority",
) -> None:
    """Make the authority: its key stays in DIR, ca.crt is what everybody trusts."""
    if not name.strip() or len(name) > 40 or not name.isprintable():
        raise UsageError("--name: 1 to 40 printable characters are accepted")
    trusted = _authority(directory).create(name)
    _say(f"{trusted}: give this to the broker, to terminals and to nodes; the key beside it to nobody")
    _say(
        f"next: gateway pki server broker --host NAME --dir {directory}; gateway pki node gateway; gateway pki terminal ID"
    )


@pki.command("server")
def server(
    name: Annotated[str, typer.Argument(help="What it is called here: broker, console.")],
    host: Annotated[
        list[str] | None, typer.Option("--host", help="A name or address at which it is reached; repeat it.")
    ] = None,
    directory: _Dir = _HERE,
    days: _Days = None,
    csr: _Csr = None,
) -> None:
    """A certificate for the broker or for the console (http.tls)."""
    from gateway.pki.hosts import checked_hosts
    from gateway.pki.making import Kind

    hosts = checked_hosts(host or [])
    _tell(_authority(directory).issue(Kind.SERVER, [_named(name)], hosts, days, csr))


@pki.command("terminal")
def terminal(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids of terminals: each is its user name at the broker.")
    ] = None,
    directory: _Dir = _HERE,
    days: _Days = None,
    csr: _Csr = None,
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", metavar="FILE", help="For every terminal of this node that has none yet."),
    ] = None,
) -> None:
    """Certificates for terminals."""
    from gateway.pki.making import Kind

    authority = _authority(directory)
    names = [_named(each) for each in ids or ()]
    if config is not None:
        from gateway.commands import read_config

        names = authority.without([*names, *(each.id for each in read_config(config).settings.terminals)])
        if not names:
            _say("every terminal has a certificate")
            return
    if not names:
        raise UsageError("name the terminals, or give -c FILE for all of a node")
    if csr is not None and len(names) != 1:
        raise UsageError("--csr is the request of one terminal; name that one")
    _tell(authority.issue(Kind.TERMINAL, names, (), days, csr))


@pki.command("node")
def node(
    name: Annotated[str, typer.Argument(help="gateway for its login at the broker; else the node's id.")],
    directory: _Dir = _HERE,
    days: _Days = None,
    csr: _Csr = None,
) -> None:
    """A certificate for a gateway's own connections: to its broker, to the node above, of its Prometheus agent."""
    from gateway.pki.making import Kind

    _tell(_authority(directory).issue(Kind.NODE, [_named(name)], (), days, csr))


@pki.command("rotate")
def rotate(
    name: Annotated[str | None, typer.Argument(help="Whose certificate is renewed.")] = None,
    directory: _Dir = _HERE,
    days: _Days = None,
    csr: _Csr = None,
    revoke_old: Annotated[
        bool, typer.Option("--revoke", help="Revoke the one before at once; else it ends by itself.")
    ] = False,
    authority: Annotated[
        bool, typer.Option("--ca", help="The authority itself: both are trusted until --finish.")
    ] = False,
    finish: Annotated[bool, typer.Option("--finish", help="With --ca: trust the newest authority alone.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --finish: though certificates of the old one are in use.")
    ] = False,
) -> None:
    """Renew a certificate, or the authority, without a gap."""
    if (name is None) is not authority or (finish and not authority) or (yes and not finish):
        raise UsageError(
            "gateway pki rotate NAME renews a certificate; rotate --ca, and then rotate --ca --finish, the authority"
        )
    own = _authority(directory)
    if name is not None:
        _tell([own.renew(name, days, csr, revoke=revoke_old)])
        if revoke_old:
            _say_what_the_broker_needs(directory)
        return
    if not finish:
        own.renew_authority()
        _say(f"{directory / 'ca.crt'} holds both authorities: bring it to the broker, terminals and nodes first,")
        _say("then rotate each certificate, then gateway pki rotate --ca --finish")
    else:
        left = own.retire(anyway=yes)
        _say("the newest authority alone is trusted" + (f"; {len(left)} certificates were let go" if left else ""))
    _say_what_the_broker_needs(directory)


@pki.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="Whose certificates are no longer good.")], directory: _Dir = _HERE
) -> None:
    """Revoke what somebody had: a terminal that was lost."""
    count = _authority(directory).revoke(name)
    _say(f"{name}: {count} certificates are revoked" if count != 1 else f"{name}: its certificate is revoked")
    _say_what_the_broker_needs(directory)


@pki.command("list")
def show(
    directory: _Dir = _HERE, as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False
) -> None:
    """What was issued, and until when it is good."""
    own = _authority(directory)
    index, issued = own.issued()
    if as_json:
        told = [
            {"name": each.name, "kind": each.kind, "state": own.state(index, each), "ends_at": each.ends_at, "hosts": each.hosts,
             "serial": each.serial, "authority": each.issuer} for each in issued
        ]  # fmt: skip
        _say(json.dumps({"authorities": index.authorities, "certificates": told}, ensure_ascii=False))
        return
    for each in issued:
        before = "" if each.issuer == index.authorities[-1] else "  (authority before)"
        _say(
            f"{each.name}\t{each.kind}\t{own.state(index, each)}\tuntil {each.ends_at[:10]}\t{' '.join(each.hosts)}{before}".rstrip()
        )


def _authority(directory: Path) -> "Authority":
    from gateway.pki.authority import Authority

    return Authority(directory, datetime.now(UTC))


def _named(name: str) -> str:
    from pydantic import TypeAdapter, ValidationError

    from gateway.values import Identifier

    try:
        return TypeAdapter(Identifier).validate_python(name)
    except ValidationError:
        raise UsageError(f"{name!r} can be no name here: 1 to 64 of A-Z a-z 0-9 . _ - are accepted") from None


def _tell(made: "list[Made]") -> None:
    for each in made:
        key = f"key {each.key}" if each.key is not None else "its key is where the request was made"
        _say(f"{each.name}: certificate {each.certificate}, {key}, good until {each.ends_at:%Y-%m-%d}")


def _say_what_the_broker_needs(directory: Path) -> None:
    _say(_BROKER.format(ca=directory / "ca.crt", crl=directory / "crl.pem"))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
