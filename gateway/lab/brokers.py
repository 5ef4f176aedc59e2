"""Brokers as child processes: Mosquitto where the machine has it, else the embedded one."""

import asyncio
import json
import shutil
import socket
import time
from pathlib import Path

from gateway.errors import RunningError
from gateway.lab.children import Child, free_port
from gateway.lab.mqtt_link import Login

_LISTENS_WITHIN = 60.0


def mosquitto_program() -> str | None:
    """Mosquitto's path; Debian keeps it in /usr/sbin, which is not on everybody's PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


async def start_embedded(broker: Child, login: Login) -> None:
    """amqtt on ``login``'s port, for that one user."""
    greeting = json.dumps({"username": login.username, "password": login.password})
    await broker.start_leashed("-m", "gateway.lab.broker", "--port", str(login.port), greeting=greeting)


async def require_mosquitto(broker: Child, directory: Path) -> Login:
    """As ``start_mosquitto``. Raises RunningError where the machine has none."""
    program = mosquitto_program()
    if program is None:
        raise RunningError("Mosquitto is not on this machine; install it: presses are measured through a real broker")
    return await start_mosquitto(broker, program, directory)


async def start_mosquitto(broker: Child, program: str, directory: Path) -> Login:
    """Mosquitto on a free loopback port, open to all. Raises RunningError."""
    port, settings = free_port(), directory / "mosquitto.conf"
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "persistence false",
        "set_tcp_nodelay true",  # without it every answer may wait 40 ms for a delayed acknowledgement
        "max_queued_messages 100000",
    ]
    settings.write_text("\n".join(lines) + "\n", encoding="utf-8")
    await broker.start("-c", str(settings), program=program)
    deadline = time.monotonic() + _LISTENS_WITHIN
    while not _listens(port):
        if not broker.running or time.monotonic() > deadline:
            raise RunningError(f"Mosquitto did not start:\n{broker.tail()}")
        await asyncio.sleep(0.05)
    return Login("127.0.0.1", port)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
