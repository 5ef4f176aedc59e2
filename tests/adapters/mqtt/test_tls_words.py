"""What a broker's TLS says of our certificate, in words."""

from pathlib import Path

import pytest

from adapters.mqtt.tls_words import refusal, silence
from gateway.settings import ClientTls

OWN = ClientTls(certificate=Path("/etc/gateway/gw.crt"), key=Path("/etc/gateway/gw.key"))


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("TLSV1_ALERT_UNKNOWN_CA", "an authority that it does not know"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "has ended"),
        ("SSLV3_ALERT_CERTIFICATE_REVOKED", "is revoked"),
        ("SSLV3_ALERT_BAD_CERTIFICATE", "is not taken"),
    ],
)
def test_each_alert_names_the_file_and_what_is_wrong(reason: str, said: str) -> None:
    told = refusal(reason, OWN)
    assert told is not None and said in told and "/etc/gateway/gw.crt" in told


@pytest.mark.parametrize("reason", ["TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE"])
def test_a_broker_that_wants_a_certificate_is_said_to(reason: str) -> None:
    told = refusal(reason, ClientTls())
    assert told is not None and "tls.certificate" in told


@pytest.mark.parametrize("reason", [None, "", "WRONG_VERSION_NUMBER", "TLSV1_ALERT_INTERNAL_ERROR"])
def test_what_is_no_word_about_our_certificate_is_not_taken_for_one(reason: str | None) -> None:
    assert refusal(reason, OWN) is None


def test_with_a_certificate_a_failed_handshake_is_not_put_down_to_none() -> None:
    assert refusal("SSLV3_ALERT_HANDSHAKE_FAILURE", OWN) is None


def test_silence_is_told_as_what_is_probable() -> None:
    assert "probably it does not take our certificate (/etc/gateway/gw.crt)" in silence(OWN)
    assert "probably it wants a certificate" in silence(None)
