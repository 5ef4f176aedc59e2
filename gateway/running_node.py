"""The API of the node that runs with a configuration, for commands: so what they do is checked and audited as anybody's."""

import http.client
import json
import secrets
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.errors import RunningError, UsageError

if TYPE_CHECKING:
    from gateway.config.sections.node import HttpSettings

_PATIENCE_S = 120.0


class RunningNode:
    """What answers where ``http`` says that the node listens."""

    def __init__(self, http_settings: "HttpSettings", token: str) -> None:
        listen = http_settings.listen
        self._port, self._tls, self._token = listen.port, http_settings.tls is not None, token
        self._host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)  # noqa: S104 -- compared, not listened on

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        """``path`` behind ``/api/v1``. Raises UsageError with the node's own sentence, RunningError where it cannot be
        reached."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            with closing(self._connection()) as connection:
                connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
                answer = connection.getresponse()
                said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise RunningError(f"the node does not answer at {self._host}:{self._port}: {error}") from None
        if answer.status >= 400:
            raise UsageError(_sentence(said, answer.status))
        return said

    def _connection(self) -> http.client.HTTPConnection:
        if not self._tls:
            return http.client.HTTPConnection(self._host, self._port, timeout=_PATIENCE_S)
        return http.client.HTTPSConnection(self._host, self._port, timeout=_PATIENCE_S, context=_own_certificate())


@contextmanager
def running_node(config: Path, purpose: str, role: str) -> Iterator[RunningNode]:
    """Whoever may write its data_dir may do all, so a token is made for the moment, named after ``purpose``. Raises
    RunningError where none runs."""
    from gateway.commands import open_accounts, read_config
    from gateway.lock import holder

    settings = read_config(config).settings
    if holder(settings.data_dir) is None:
        raise RunningError(f"no node runs with {config}; start it with gateway run -c {config}")
    accounts = open_accounts(config)
    name = f"{purpose}-{secrets.token_hex(4)}"
    token = accounts.add_token(name, role)
    try:
        yield RunningNode(settings.http, token)
    finally:
        accounts.revoke_token(name)


def _sentence(said: bytes, status: int) -> str:
    try:
        return str(json.loads(said)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the node answered {status}"


def _own_certificate() -> ssl.SSLContext:
    """It is our own node on this machine, under a name that its certificate need not have."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
