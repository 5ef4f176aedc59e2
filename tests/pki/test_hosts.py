"""Names and addresses of a server's certificate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UsageError
from gateway.pki.hosts import checked_hosts, dns_name


def test_each_is_written_as_certificates_write_it_and_once() -> None:
    told = ["10.0.0.5", "Gateway.Example.CN.", "gateway.example.cn", "[fd00::1]", "竹阳.中国"]
    assert checked_hosts(told) == ("10.0.0.5", "gateway.example.cn", "fd00::1", "xn--2uzp17c.xn--fiqs8s")


@pytest.mark.parametrize("host", ["*.example.cn", "a b", "https://a.cn", "a.cn:8883", "-a.cn", "", "10.0.0", "0.0.0.0", "::", "224.0.0.1", "a" * 64])  # fmt: skip
def test_what_no_client_could_ask_for_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="--host"):
        checked_hosts([host])


def test_a_server_without_any_is_refused() -> None:
    with pytest.raises(UsageError, match="needs --host"):
        checked_hosts([])


@given(st.text(max_size=300))
def test_whatever_is_given_becomes_a_plain_name_or_a_sentence(host: str) -> None:
    try:
        found = dns_name(host)
    except UsageError:
        return
    assert found.isascii() and found == found.lower() and set(found) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
