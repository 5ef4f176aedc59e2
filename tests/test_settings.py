"""Secrets that systemd hands over."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.settings import Secret, Strict


class _Held(Strict):
    secret: Secret


def _read(name: str) -> str:
    return _Held.model_validate({"secret": {"credential": name}}).secret.get_secret_value()


def test_a_credential_is_read_where_systemd_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gateway_mqtt.password").write_text("secret\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert _read("mqtt.password") == "secret"


def test_roots_own_commands_read_where_systemd_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mqtt.password").write_text("secret")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr("gateway.settings._CREDENTIALS", tmp_path)
    assert _read("mqtt.password") == "secret"


@pytest.mark.parametrize("name", ["", "../shadow", "/etc/shadow", ".hidden", "a/b"])
def test_a_credential_is_a_name_and_no_path(name: str) -> None:
    with pytest.raises(ValidationError, match="is no credential"):
        _read(name)


def test_one_that_is_missing_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(ValidationError, match="as root put it into /etc/credstore/gateway"):
        _read("mqtt.password")
    (tmp_path / "gateway_binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ValidationError, match="is not UTF-8 text"):
        _read("binary")
