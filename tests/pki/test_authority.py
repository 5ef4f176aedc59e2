"""The authority, judged by OpenSSL: what it issues is good, what it revoked or what has ended is not."""

import json
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.errors import UsageError
from gateway.pki.authority import GATEWAY, Authority
from gateway.pki.expiry import ends_at
from gateway.pki.making import Kind

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def at(directory: Path, days: float = 0) -> Authority:
    return Authority(directory, NOW + timedelta(days=days))


@pytest.fixture
def own(tmp_path: Path) -> Authority:
    authority = at(tmp_path / "pki")
    authority.create("Zhuyang")
    authority.issue(Kind.SERVER, ["broker"], ["127.0.0.1", "broker.example.cn"], None)
    authority.issue(Kind.NODE, [GATEWAY], (), None)
    authority.issue(Kind.TERMINAL, ["tv-1", "tv-2"], (), None)
    return authority


def verify(own: Authority, certificate: Path, days: float = 0, *words: str) -> str:
    """OpenSSL's verdict: OK, or why not."""
    when = str(int((NOW + timedelta(days=days)).timestamp()))
    done = subprocess.run(
        ["openssl", "verify", "-attime", when, "-CAfile", own.directory / "ca.crt", "-CRLfile", own.directory / "crl.pem",
         "-crl_check", "-x509_strict", *words, certificate],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    told = done.stdout + done.stderr
    return "OK" if done.returncode == 0 and told.strip().endswith("OK") else told


def certificate(own: Authority, name: str) -> Path:
    return own.directory / "issued" / f"{name}.crt"


def shown(path: Path, *words: str) -> str:
    done = subprocess.run(
        ["openssl", "x509", "-in", path, "-noout", *words], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def states(own: Authority, name: str) -> list[str]:
    index, issued = own.issued()
    return [own.state(index, each) for each in issued if each.name == name]


def test_openssl_takes_each_for_its_purpose_alone(own: Authority) -> None:
    assert verify(own, certificate(own, "broker"), 0, "-purpose", "sslserver", "-verify_ip", "127.0.0.1") == "OK"
    assert verify(own, certificate(own, "broker"), 0, "-verify_hostname", "broker.example.cn") == "OK"
    assert "hostname mismatch" in verify(own, certificate(own, "broker"), 0, "-verify_hostname", "other.example.cn")
    assert "purpose" in verify(own, certificate(own, "broker"), 0, "-purpose", "sslclient")
    for name in (GATEWAY, "tv-1"):
        assert verify(own, certificate(own, name), 0, "-purpose", "sslclient") == "OK"
        assert "purpose" in verify(own, certificate(own, name), 0, "-purpose", "sslserver")
    assert shown(certificate(own, "tv-1"), "-subject").strip().endswith("CN = tv-1")
    assert "prime256v1" in shown(certificate(own, "tv-1"), "-text")


def test_keys_are_their_owners_and_what_is_public_is_readable(own: Authority) -> None:
    for path in own.directory.rglob("*"):
        mode = path.stat().st_mode & 0o777
        secret = path.suffix == ".key" or path.name == "index.json"
        assert mode == (0o700 if path.is_dir() else 0o600 if secret else 0o644), path
    assert own.directory.stat().st_mode & 0o777 == 0o700
    assert not list(own.directory.rglob(".draft-*"))


def test_what_has_ended_is_not_good_and_its_end_is_known(own: Authority) -> None:
    end = ends_at(certificate(own, "tv-1"))
    assert end == NOW + timedelta(days=1825)
    assert verify(own, certificate(own, "tv-1"), 1824) == "OK"
    assert "expired" in verify(own, certificate(own, "tv-1"), 1826)
    assert states(at(own.directory, 1826), "tv-1") == ["ended"]


def test_a_revoked_one_is_refused_and_the_others_are_not(own: Authority) -> None:
    assert own.revoke("tv-1") == 1
    assert "revoked" in verify(own, certificate(own, "tv-1"))
    assert verify(own, certificate(own, "tv-2")) == "OK"
    assert own.revoke("tv-1") == 0
    with pytest.raises(UsageError, match="gateway pki list"):
        own.revoke("tv-9")


def test_the_list_of_the_revoked_does_not_run_out_before_the_authority(own: Authority) -> None:
    """Nobody renews it once a month on a box in a village, and a broker whose list has run out lets nobody in."""
    young = at(own.directory, 3000).issue(Kind.TERMINAL, ["tv-3"], (), None)[0]
    assert verify(own, young.certificate, 3640) == "OK"
    assert young.ends_at == NOW + timedelta(days=3650)  # no longer than the authority


def test_the_next_certificate_is_another_and_the_one_before_stays_good(own: Authority, tmp_path: Path) -> None:
    before = tmp_path / "before.crt"
    before.write_bytes(certificate(own, "tv-1").read_bytes())
    made = at(own.directory, 1500).renew("tv-1", None, None, revoke=False)
    assert made.certificate.read_bytes() != before.read_bytes()
    assert verify(own, before, 1500) == verify(own, made.certificate, 1500) == "OK"
    assert states(own, "tv-1") == ["replaced", "good"]
    own.revoke("tv-1")  # a box that was lost: both
    assert "revoked" in verify(own, before, 1500) and "revoked" in verify(own, made.certificate, 1500)


def test_the_one_before_can_be_revoked_with_the_renewal(own: Authority, tmp_path: Path) -> None:
    before = tmp_path / "before.crt"
    before.write_bytes(certificate(own, "broker").read_bytes())
    made = own.renew("broker", None, None, revoke=True)
    assert "revoked" in verify(own, before)
    assert verify(own, made.certificate, 0, "-verify_ip", "127.0.0.1") == "OK"  # its names went along


def test_the_authority_is_changed_without_a_gap(own: Authority, tmp_path: Path) -> None:
    only_old = tmp_path / "old-ca.crt"
    only_old.write_bytes((own.directory / "ca.crt").read_bytes())
    later = at(own.directory, 3000)
    later.issue(Kind.TERMINAL, ["tv-3"], (), None)
    later.renew_authority()
    with pytest.raises(UsageError, match="--finish"):
        later.renew_authority()
    later.revoke("tv-3")
    fresh = later.issue(Kind.TERMINAL, ["tv-4"], (), None)[0].certificate
    assert verify(own, fresh, 3001) == "OK"
    assert "revoked" in verify(own, certificate(own, "tv-3"), 3001)
    later.issue(Kind.SERVER, ["console"], ["console.example.cn"], None)
    assert later.retire(anyway=False) == []  # all of the one before have ended or are revoked
    assert verify(own, fresh, 3001) == "OK"
    assert (own.directory / "ca.crt").read_bytes().count(b"BEGIN") == 1
    assert len(list(own.directory.glob("ca-*.key"))) == 1


def test_the_one_before_is_not_let_go_while_it_is_needed(own: Authority) -> None:
    own.renew_authority()
    own.renew("tv-1", None, None, revoke=False)
    with pytest.raises(UsageError, match=r"3 certificates .*\(broker, gateway, tv-2\)"):
        own.retire(anyway=False)
    assert verify(own, certificate(own, "tv-2")) == "OK"
    assert own.retire(anyway=True) == ["broker", GATEWAY, "tv-2"]
    assert verify(own, certificate(own, "tv-2")) != "OK"
    assert verify(own, certificate(own, "tv-1")) == "OK"


def test_what_was_let_go_is_not_good_and_can_be_issued_anew(own: Authority) -> None:
    own.renew_authority()
    own.renew("tv-1", None, None, revoke=False)
    own.retire(anyway=True)
    assert (states(own, "tv-1"), states(own, "tv-2")) == (["retired", "good"], ["retired"])
    assert own.without(["tv-1", "tv-2"]) == ["tv-2"]
    assert own.revoke("tv-2") == 0
    assert verify(own, own.issue(Kind.TERMINAL, ["tv-2"], (), None)[0].certificate) == "OK"
    assert own.renew(GATEWAY, None, None, revoke=False).name == GATEWAY, "its kind and names are known still"


def test_a_name_said_twice_gets_one_certificate(own: Authority) -> None:
    made = own.issue(Kind.TERMINAL, ["tv-8", "tv-9", "tv-8"], (), None)
    assert [each.name for each in made] == ["tv-8", "tv-9"]
    assert states(own, "tv-8") == ["good"]


def test_a_key_that_is_made_elsewhere_stays_there(own: Authority, tmp_path: Path) -> None:
    def request(name: str, *key: str) -> Path:
        subprocess.run(
            ["openssl", "req", "-new", "-nodes", *key, "-keyout", tmp_path / "k.key", "-out", tmp_path / name, "-subj", "/CN=gateway"],
            capture_output=True, timeout=60, check=True,
        )  # fmt: skip
        return tmp_path / name

    good = request("a.csr", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    made = own.issue(Kind.TERMINAL, ["tv-7"], (), None, good)[0]
    assert made.key is None and not (own.directory / "issued" / "tv-7.key").exists()
    assert shown(made.certificate, "-subject").strip().endswith("CN = tv-7")  # whatever the request calls itself
    assert verify(own, made.certificate) == "OK"
    with pytest.raises(UsageError, match="--csr"):
        own.renew("tv-7", None, None, revoke=False)
    assert own.renew("tv-7", None, request("b.csr", "-newkey", "rsa:2048"), revoke=False).key is None
    with pytest.raises(UsageError, match="2048 bits"):
        own.issue(Kind.TERMINAL, ["tv-8"], (), None, request("c.csr", "-newkey", "rsa:1024"))
    (tmp_path / "d.csr").write_text("not one")
    with pytest.raises(UsageError, match="no signing request"):
        own.issue(Kind.TERMINAL, ["tv-8"], (), None, tmp_path / "d.csr")


def test_nobody_gets_the_gateways_name_or_a_name_twice(own: Authority) -> None:
    fresh = at(own.directory.parent / "other")
    fresh.create("other")
    with pytest.raises(UsageError, match="gateway's own name"):
        fresh.issue(Kind.TERMINAL, [GATEWAY], (), None)
    with pytest.raises(UsageError, match="gateway pki rotate tv-1"):
        own.issue(Kind.NODE, ["tv-1"], (), None)
    assert own.without(["tv-1", "tv-9", "tv-9"]) == ["tv-9"]
    own.revoke("tv-2")
    assert verify(own, own.issue(Kind.TERMINAL, ["tv-2"], (), None)[0].certificate) == "OK"


def test_a_box_whose_clock_was_never_set_makes_nothing(tmp_path: Path) -> None:
    early = Authority(tmp_path / "pki", datetime(1970, 1, 2, tzinfo=UTC))
    with pytest.raises(UsageError, match=r"1970-01-02.*set the clock"):
        early.create("x")
    assert not (tmp_path / "pki").exists()


def test_what_is_wrong_with_the_directory_is_said(own: Authority, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gateway pki init"):
        at(tmp_path / "nowhere").issued()
    with pytest.raises(UsageError, match="gateway pki init"):
        at(tmp_path / "nowhere").issue(Kind.NODE, ["x"], (), None)
    with pytest.raises(UsageError, match="rotate --ca"):
        own.create("again")
    (key,) = own.directory.glob("ca-*.key")
    key.write_text("gone")
    with pytest.raises(UsageError, match="restore"):
        own.issue(Kind.NODE, ["x"], (), None)
    (own.directory / "index.json").write_text("{}")
    with pytest.raises(UsageError, match="restore"):
        own.issued()


def test_two_at_once_lose_nothing(own: Authority) -> None:
    def issue(first: int) -> None:
        for number in range(5):
            at(own.directory).issue(Kind.TERMINAL, [f"box-{first}-{number}"], (), None)

    threads = [threading.Thread(target=issue, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    told = json.loads((own.directory / "index.json").read_text())
    assert len([each for each in told["issued"] if each["name"].startswith("box-")]) == 20
