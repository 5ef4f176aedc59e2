"""``gateway pki`` as a person uses it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.errors import UsageError


@pytest.fixture
def pki(tmp_path: Path):
    def run(*words: str) -> str:
        done = CliRunner().invoke(app, ["pki", *words, "--dir", str(tmp_path / "pki")], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    return run


def test_from_the_authority_to_a_lost_terminal(pki, tmp_path: Path) -> None:
    assert "ca.crt: give this to" in pki("init", "--name", "竹阳")
    assert "until" in pki("server", "broker", "--host", "10.0.0.5", "--host", "broker.example.cn")
    pki("node", "gateway")
    assert pki("terminal", "tv-1", "tv-2").count("certificate ") == 2
    assert "tv-1" in pki("rotate", "tv-1", "--days", "30")
    told = pki("revoke", "tv-1")
    assert "2 certificates are revoked" in told and "crl.pem" in told and "restart" in told
    listed = json.loads(pki("list", "--json"))
    states = [(each["name"], each["state"]) for each in listed["certificates"]]
    assert states == [
        ("broker", "good"),
        ("gateway", "good"),
        ("tv-1", "revoked"),
        ("tv-1", "revoked"),
        ("tv-2", "good"),
    ]
    assert "tv-2\tterminal\tgood" in pki("list")
    assert "holds both" in pki("rotate", "--ca")
    assert "(authority before)" in pki("list")
    assert "3 certificates were let go" in pki("rotate", "--ca", "--finish", "--yes")
    assert not any("PRIVATE" in path.read_text() for path in (tmp_path / "pki").rglob("*.crt"))


def test_every_terminal_of_a_node_at_once_and_only_those_without(pki, tmp_path: Path) -> None:
    rows = "\n".join(f"  - {{id: tv-{number}, household: {{name: n}}}}" for number in range(3))
    config = tmp_path / "node.yaml"
    config.write_text(f"node: {{id: n}}\ndata_dir: ./n\nterminals:\n{rows}\n", encoding="utf-8")
    pki("init")
    pki("terminal", "tv-1")
    assert pki("terminal", "-c", str(config)).count("certificate ") == 2
    assert pki("terminal", "-c", str(config)) == "every terminal has a certificate\n"
    pki("rotate", "--ca")
    pki("rotate", "--ca", "--finish", "--yes")
    assert pki("list").count("retired") == 3
    assert pki("terminal", "-c", str(config)).count("certificate ") == 3, "what was let go lets nobody in"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("server", "broker"), "needs --host"),
        (("server", "broker", "--host", "*.cn"), "neither a host name"),
        (("terminal",), "name the terminals"),
        (("terminal", "../x"), "can be no name"),
        (("terminal", "a/b"), "can be no name"),
        (("terminal", "+"), "can be no name"),
        (("terminal", "gateway"), "gateway's own name"),
        (("terminal", "a", "b", "--csr", "x"), "one terminal"),
        (("rotate",), "rotate NAME"),
        (("rotate", "x", "--ca"), "rotate NAME"),
        (("rotate", "x", "--finish"), "rotate NAME"),
        (("rotate", "nobody"), "no certificate"),
        (("rotate", "--ca", "--finish"), "one authority only"),
        (("revoke", "nobody"), "no certificate"),
        (("init",), "already"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(pki, words: tuple[str, ...], said: str) -> None:
    pki("init")
    with pytest.raises(UsageError, match=said):
        pki(*words)


def test_a_name_that_no_certificate_can_hold(pki) -> None:
    with pytest.raises(UsageError, match="--name"):
        pki("init", "--name", "x" * 41)
