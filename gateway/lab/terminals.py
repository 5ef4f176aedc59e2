"""Simulated TV terminals: they press, repeat until they hear ``received``, and time every answer (CONTRACT "MQTT")."""

import asyncio
import contextlib
import json
import secrets
import ssl
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import SecretStr

from gateway.errors import Unreachable
from gateway.lab.mqtt_link import Link, Login
from gateway.model import Kind, Stage, rfc3339, utc_now
from gateway.settings import ClientTls

_REPEAT_EVERY = 2.0  # CONTRACT: "A terminal repeats a press until it hears `received`"
_REMEMBERED = 256  # presses a terminal still takes answers for


@dataclass(slots=True)
class PressTimes:
    """What a terminal heard about one press: seconds from ``started`` (CLOCK_MONOTONIC) to each stage."""

    press_id: str
    started: float = 0.0
    alert_id: str | None = None
    heard: dict[Stage, float] = field(default_factory=dict)
    sent: int = 0

    def after(self, stage: Stage) -> float | None:
        """Seconds until this stage, or a later one, was first heard."""
        return min((seconds for heard, seconds in self.heard.items() if heard.rank >= stage.rank), default=None)

    @property
    def r1(self) -> float | None:
        return self.after(Stage.RECEIVED)

    @property
    def r2(self) -> float | None:
        return self.after(Stage.FORWARDED)

    @property
    def r3(self) -> float | None:
        return self.after(Stage.ACCEPTED)


Heard = Callable[[PressTimes, Stage], None]
Neighbour = Callable[[str, str], None]
"""(terminal that was pressed, what its neighbour's television shows)"""


class Terminal:
    """One TV terminal on the running asyncio loop. Announce it or stay silent about presence (``announce``)."""

    def __init__(
        self,
        login: Login,
        terminal: str,
        *,
        announce: bool = True,
        client_id: str | None = None,
        on_stage: Heard = lambda times, stage: None,
        on_neighbour: Neighbour | None = None,
    ) -> None:
        self.id = terminal
        self._login = login
        self._announce = announce
        self._on_stage = on_stage
        self._on_neighbour = on_neighbour
        self._presses: OrderedDict[str, _Pending] = OrderedDict()
        self._link = Link(login, client_id or terminal, self._on_message)
        if announce:
            self._link.client.will_set(f"tv/{terminal}/status", "offline", qos=1, retain=True)

    async def connect(self) -> None:
        """Connect and listen for answers. Raises Unreachable or AuthFailed."""
        await self._link.connect()
        await self._link.subscribe(f"tv/{self.id}/ack")
        if self._on_neighbour is not None:
            self._link.client.subscribe(f"tv/{self.id}/neighbour", qos=1)
        if self._announce:
            self._link.client.publish(f"tv/{self.id}/status", "online", qos=1, retain=True)

    async def press(
        self,
        kind: str = Kind.SOS,
        *,
        drill: bool = False,
        text: str | None = None,
        until: Stage = Stage.FORWARDED,
        within: float = 15.0,
    ) -> PressTimes:
        """Press once and wait for ``until``, at most ``within`` seconds; what was not heard by then is None."""
        pending = self._begin()
        payload: dict[str, Any] = {"press_id": pending.times.press_id, "kind": kind, "pressed_at": rfc3339(utc_now())}
        if drill:
            payload["test"] = True
        if text:
            payload["text"] = text
        pending.times.started = time.monotonic()
        repeating = asyncio.create_task(self._repeat_until_received(pending, json.dumps(payload, ensure_ascii=False)))
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    while pending.times.after(until) is None:
                        pending.news.clear()
                        await pending.news.wait()
        finally:
            repeating.cancel()
        return pending.times

    async def close(self) -> None:
        """Say goodbye: a last ``offline`` where presence was announced, then disconnect."""
        if self._announce:
            await self._link.publish_and_wait(f"tv/{self.id}/status", "offline", retain=True)
        self._link.close()

    def _begin(self) -> "_Pending":
        pending = _Pending(PressTimes(secrets.token_hex(8)))
        self._presses[pending.times.press_id] = pending
        while len(self._presses) > _REMEMBERED:
            self._presses.popitem(last=False)
        return pending

    async def _repeat_until_received(self, pending: "_Pending", payload: str) -> None:
        while not pending.times.heard:
            pending.times.sent += 1
            self._link.client.publish(f"tv/{self.id}/alarm", payload, qos=1)
            await asyncio.sleep(_REPEAT_EVERY)

    def _on_message(self, payload: bytes) -> None:
        now = time.monotonic()
        try:
            answer = json.loads(payload)
            if "stage" not in answer and self._on_neighbour is not None:
                self._on_neighbour(str(answer["terminal"]), str(answer["text"]))
                return
            stage, pending = Stage(answer["stage"]), self._presses.get(answer["press_id"])
        except (ValueError, KeyError, TypeError):
            return  # not an answer: a television has nobody to complain to
        if pending is None or stage in pending.times.heard:
            return
        pending.times.heard[stage] = now - pending.times.started
        pending.times.alert_id = answer.get("alert_id")
        pending.news.set()
        self._on_stage(pending.times, stage)


@dataclass(slots=True)
class _Pending:
    times: PressTimes
    news: asyncio.Event = field(default_factory=asyncio.Event)


async def press_once(
    login: Login,
    terminal: str,
    kind: str = Kind.SOS,
    *,
    drill: bool = False,
    text: str | None = None,
    until: Stage = Stage.FORWARDED,
    within: float = 15.0,
) -> PressTimes:
    """One press of ``terminal`` over a connection of its own; says nothing about the terminal's presence."""
    visitor = Terminal(login, terminal, announce=False, client_id=f"press-{secrets.token_hex(6)}")
    await visitor.connect()
    try:
        return await visitor.press(kind, drill=drill, text=text, until=until, within=within)
    finally:
        await visitor.close()


class BrokerSettings(Protocol):
    """What ``gateway press`` needs of a configured MQTT source."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def secure(self) -> bool: ...
    @property
    def username(self) -> str | None: ...
    @property
    def password(self) -> SecretStr | None: ...
    @property
    def tls(self) -> ClientTls | None: ...


def press_from_command_line(
    broker: BrokerSettings, terminal: str, kind: str, *, drill: bool = False, wait: float = 15.0
) -> int:
    """``gateway press``: print the times to R1 and R2. Raises Unreachable where nobody received the press."""
    password = None if broker.password is None else broker.password.get_secret_value()
    login = Login(broker.host, broker.port, broker.username, password, _tls(broker))
    times = asyncio.run(press_once(login, terminal, kind, drill=drill, within=wait))
    if times.r1 is None:
        raise Unreachable(
            f"nobody received the press within {wait:.0f} s; is the gateway running and connected to {login}?"
        )
    lines = [f"R1 received   {times.r1 * 1000:8.1f} ms   alert {times.alert_id}"]
    if times.r2 is None:
        lines.append(f"R2 forwarded  not within {wait:.0f} s: the node has no upper node, or its link is down")
    else:
        lines.append(f"R2 forwarded  {times.r2 * 1000:8.1f} ms")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _tls(broker: BrokerSettings) -> ssl.SSLContext | None:
    if not broker.secure:
        return None
    tls = broker.tls or ClientTls()
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise Unreachable(f"the broker's TLS files cannot be used: {error}") from error
    return context
