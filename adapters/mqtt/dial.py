"""Dialling a broker: TCP, TLS with the broker's verdict on our certificate, and what went wrong there in words."""

import contextlib
import select
import socket
import ssl
from typing import Any

from paho.mqtt.client import Client

from adapters.mqtt.settings import MqttSettings
from adapters.mqtt.tls_words import refusal
from gateway.errors import AuthFailed, GatewayError, Unreachable
from gateway.settings import ClientTls

DIAL_DEADLINE = 5.0  # seconds each for TCP and TLS
_VERDICT_MS = 500  # most brokers send tickets at once; one that sends none is waited for in vain, once a connection


class BrokerClient(Client):
    """paho's client, but a failed TLS handshake closes its socket (paho leaves it to the garbage collector), and what the
    broker's TLS said at the end is kept (paho lets it go)."""

    alert: str | None = None

    def _sock_recv(self, bufsize: int) -> bytes:
        try:
            return super()._sock_recv(bufsize)
        except ssl.SSLError as error:
            self.alert = error.reason
            raise

    def _create_socket(self) -> Any:
        sock = self._create_socket_connection()
        if self._ssl_context is None:
            return sock
        try:
            sock.settimeout(DIAL_DEADLINE)
            secured = self._ssl_context.wrap_socket(sock, server_hostname=self._host)
        finally:
            sock.close()  # wrapped, it is detached and this does nothing
        try:
            _hear_verdict(secured)
        except BaseException:
            secured.close()
            raise
        return secured


def tls_context(tls: ClientTls | None) -> ssl.SSLContext:
    """Raises OSError where a file of the ``tls`` section cannot be used."""
    try:
        context = ssl.create_default_context(cafile=tls.ca if tls else None)
        if tls and tls.certificate:
            context.load_cert_chain(tls.certificate, tls.key)
    except OSError as error:  # ssl.SSLError is one
        raise OSError(f"a file named in its tls section cannot be used ({error.strerror or error})") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def without_delay(_client: Client, _userdata: Any, sock: Any) -> None:
    """Nagle with delayed acknowledgements costs 40 ms an answer."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def unreached(error: OSError | ValueError, settings: MqttSettings) -> GatewayError:
    """Why dialling failed, naming the broker: AuthFailed where it does not take our certificate, else Unreachable."""
    where = f"broker {settings.url}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unreachable(
            f"{where}: its certificate is not trusted ({error.verify_message}); check tls.ca and the host name in url"
        )
    if isinstance(error, ssl.SSLError):
        told = refusal(error.reason, settings.tls)
        if told is not None:
            return AuthFailed(f"{where}: {told}")
        return Unreachable(f"{where}: TLS failed ({error.reason or error}); is it a TLS port?")
    if isinstance(error, OSError):
        return Unreachable(f"{where}: {_plain(error)}")
    return Unreachable(f"{where}: its host name cannot be used ({error})")


def _hear_verdict(sock: ssl.SSLSocket) -> None:
    """With TLS 1.3 the handshake is over for us before the broker has looked at our certificate; then it sends tickets, or
    says what it does not like. A CONNECT that crosses that would have it reset the connection, and its word be lost.
    Raises ssl.SSLError with the broker's alert."""
    if sock.version() != "TLSv1.3":
        return
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    if poll.poll(_VERDICT_MS):
        sock.setblocking(False)
        with contextlib.suppress(ssl.SSLWantReadError):
            sock.recv(1)  # no broker speaks MQTT before CONNECT: there is nothing else to read


def _plain(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused; is Mosquitto running?"
    if isinstance(error, ConnectionResetError):
        return "it reset the connection at once; is it an MQTT broker, and a TLS port only if url says mqtts?"
    if isinstance(error, socket.gaierror):
        return "its host name is not known; check url"
    if isinstance(error, TimeoutError):
        return f"no answer within {DIAL_DEADLINE:g} s; is the host reachable?"
    return error.strerror or str(error)
