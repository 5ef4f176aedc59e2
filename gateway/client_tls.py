"""TLS of connections that we open: the configured files as a context of Python's ssl."""

import ssl

from gateway.errors import ConfigError
from gateway.settings import ClientTls


def client_context(tls: ClientTls | None) -> ssl.SSLContext:
    """Without ``tls`` the system's authorities are trusted. Raises ConfigError where a file cannot be used."""
    wanted = tls or ClientTls()
    try:
        context = ssl.create_default_context(cafile=wanted.ca)
        if wanted.certificate is not None:
            context.load_cert_chain(wanted.certificate, wanted.key)
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(str(path) for path in (wanted.ca, wanted.certificate, wanted.key) if path is not None)
        raise ConfigError([f"tls: cannot use {names}: {error.strerror or error}"]) from error
    return context
