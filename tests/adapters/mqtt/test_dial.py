"""Why a broker was not reached, in words."""

import socket
import ssl
from pathlib import Path

import pytest

from adapters.mqtt.dial import tls_context, unreached
from adapters.mqtt.settings import MqttSettings
from gateway.errors import AuthFailed, GatewayError, Unreachable
from gateway.settings import ClientTls

BROKER = MqttSettings(kind="mqtt", id="box", url="mqtts://box")


def alert(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (ConnectionRefusedError(), Unreachable, "is Mosquitto running"),
        (ConnectionResetError(), Unreachable, "only if url says mqtts"),
        (socket.gaierror(), Unreachable, "its host name is not known"),
        (TimeoutError(), Unreachable, "no answer within 5 s"),
        (OSError(113, "No route to host"), Unreachable, "No route to host"),
        (UnicodeError("label too long"), Unreachable, "host name cannot be used (label too long)"),
        (alert("WRONG_VERSION_NUMBER"), Unreachable, "is it a TLS port"),
        (alert("SSLV3_ALERT_CERTIFICATE_REVOKED"), AuthFailed, "is revoked"),
        (ssl.SSLCertVerificationError(1, "no"), Unreachable, "check tls.ca"),
    ],
)
def test_each_failure_names_the_broker_and_what_to_do(
    error: OSError | ValueError, kind: type[GatewayError], words: str
) -> None:
    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_message = "self-signed certificate"
    told = unreached(error, BROKER)
    assert type(told) is kind
    assert str(told).startswith("broker mqtts://box: ") and words in str(told)


def test_a_file_that_cannot_be_used_is_said_to_be_of_the_tls_section(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="named in its tls section cannot be used"):
        tls_context(ClientTls(ca=tmp_path / "absent.crt"))


def test_nothing_older_than_tls_1_2_is_spoken() -> None:
    assert tls_context(None).minimum_version is ssl.TLSVersion.TLSv1_2
