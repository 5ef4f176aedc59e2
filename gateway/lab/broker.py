"""The demo's MQTT broker (amqtt) in a process of its own: ``python -m gateway.lab.broker --port PORT``.

The first line of standard input is ``{"username": …, "password": …}``; it prints one line of JSON once it listens and
ends when its standard input is closed, or on SIGTERM. For demonstrations only: it keeps nothing on disk.
"""

import argparse
import asyncio
import hmac
import json
import logging
import os
import signal
import sys
from _collections_abc import dict_items
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from amqtt.broker import Broker
from amqtt.errors import BrokerError
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session


class OneUser(BaseAuthPlugin):  # type: ignore[misc]  # amqtt ships no types
    """Lets in exactly one user name with one password."""

    @dataclass
    class Config:
        username: str
        password: str

    async def authenticate(self, *, session: Session) -> bool:
        known = f"{self.config.username}:{self.config.password}"
        given = f"{session.username or ''}:{session.password or ''}"
        return hmac.compare_digest(known.encode(), given.encode())


class _Subscriptions(dict[str, Any]):
    """Iterates over what there was when it was begun. amqtt awaits between two of them (``_handle_client_session``,
    ``_run_broadcast``); a client that subscribes meanwhile would end the service of another, or all deliveries."""

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self.keys()))

    def items(self) -> "dict_items[str, Any]":
        return dict(super().items()).items()


async def _serve(port: int, login: dict[str, str]) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    settings: dict[str, Any] = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {f"{OneUser.__module__}.OneUser": login},
    }
    broker = Broker(settings)
    broker._subscriptions = _Subscriptions()
    await broker.start()
    sys.stdout.write(json.dumps({"port": port}) + "\n")
    sys.stdout.flush()
    loop.add_reader(sys.stdin.fileno(), _watch_leash, ended)
    await ended.wait()
    loop.remove_reader(sys.stdin.fileno())
    await broker.shutdown()


def _watch_leash(ended: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        ended.set()


def _first_line() -> bytes:
    """Unbuffered, so that the loop sees the rest of standard input on the descriptor."""
    line = b""
    while not line.endswith(b"\n") and (more := os.read(sys.stdin.fileno(), 1)):
        line += more
    return line


def main() -> int:
    parser = argparse.ArgumentParser(description="An MQTT broker for demonstrations, on loopback.")
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    logging.basicConfig(level=logging.ERROR)
    login = json.loads(_first_line())
    try:
        asyncio.run(_serve(port, {"username": login["username"], "password": login["password"]}))
    except (BrokerError, OSError) as error:
        sys.stderr.write(f"the broker cannot listen on 127.0.0.1:{port}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
