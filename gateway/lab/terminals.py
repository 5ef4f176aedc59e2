"""Simulated TV terminals: they press, repeat until they hear ``received``, and time every answer (CONTRACT "MQTT")."""

import asyncio
import contextlib
import json
import secrets
import socket
import ssl
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import SecretStr

from gateway.errors import AuthFailed, Unreachable
from gateway.model import Kind, Stage, rfc3339, utc_now
from gateway.settings import ClientTls

_REPEAT_EVERY = 2.0  # CONTRACT: "A terminal repeats a press until it hears `received`"
_CONNECT_WITHIN = 5.0
_REMEMBERED = 256  # presses a terminal still takes answers for
_KEEP_ALIVE = 30


@dataclass(frozen=True, slots=True)
class Login:
    """Where a broker is and who we are to it."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


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
    ) -> None:
        self.id = terminal
        self._login = login
        self._announce = announce
        self._on_stage = on_stage
        self._presses: OrderedDict[str, _Pending] = OrderedDict()
        self._link = _Link(login, client_id or terminal, self._on_message)
        if announce:
            self._link.client.will_set(f"tv/{terminal}/status", "offline", qos=1, retain=True)

    async def connect(self) -> None:
        """Connect and listen for answers. Raises Unreachable or AuthFailed."""
        await self._link.connect()
        await self._link.subscribe(f"tv/{self.id}/ack")
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


class _Link:
    """paho driven by the asyncio loop, MQTT 3.1.1, with TCP_NODELAY (Nagle's 40 ms would drown what is measured)."""

    def __init__(self, login: Login, client_id: str, on_payload: Callable[[bytes], None]) -> None:
        self._login = login
        self._loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._subscribed: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, reconnect_on_failure=False)
        self.client.connect_timeout = _CONNECT_WITHIN
        if login.username is not None:
            self.client.username_pw_set(login.username, login.password)
        if login.tls is not None:
            self.client.tls_set_context(login.tls)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: _settle(self._subscribed)
        self.client.on_message = lambda _client, _data, message: on_payload(bytes(message.payload))
        self.client.on_socket_open = self._on_socket_open
        self.client.on_socket_close = self._on_socket_close
        self.client.on_socket_register_write = lambda _client, _data, sock: self._loop.add_writer(sock, self._write)
        self.client.on_socket_unregister_write = self._on_nothing_to_write

    async def connect(self) -> None:
        try:
            # Blocks, at most _CONNECT_WITHIN: it is the terminal's first act and there is nothing else to wait for.
            self.client.connect(self._login.host, self._login.port, _KEEP_ALIVE)
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
            raise Unreachable(f"cannot reach the broker {self._login}: {reason}; is it running?") from error
        self._timer = self._loop.call_later(1, self._tick)
        await self._within(self._connected, "did not answer the connection")

    async def subscribe(self, topic: str) -> None:
        self.client.subscribe(topic, qos=1)
        await self._within(self._subscribed, f"did not answer the subscription of {topic}")

    async def publish_and_wait(self, topic: str, payload: str, *, retain: bool, within: float = 1.0) -> None:
        """Publish and give the broker a moment to acknowledge it."""
        acknowledged = asyncio.Event()
        info = self.client.publish(topic, payload, qos=1, retain=retain)
        self.client.on_publish = lambda _client, _data, mid, *_: acknowledged.set() if mid == info.mid else None
        if info.rc == paho.MQTT_ERR_SUCCESS and not info.is_published():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(acknowledged.wait(), within)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.client.disconnect()
        self.client.loop_write()
        self.client.loop_read()
        sock = self.client.socket()
        if sock is not None:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)
            sock.close()

    async def _within(self, answer: "asyncio.Future[None]", fault: str) -> None:
        try:
            async with asyncio.timeout(_CONNECT_WITHIN):
                await answer
        except TimeoutError:
            self.close()
            raise Unreachable(f"the broker {self._login} {fault} within {_CONNECT_WITHIN:.0f} s") from None
        except AuthFailed:
            self.close()
            raise

    def _on_connect(self, _client: object, _data: object, _flags: object, reason: ReasonCode, _props: object) -> None:
        if reason.is_failure:
            text = f"the broker {self._login} refused the connection: {reason}; check user name and password"
            _settle(self._connected, AuthFailed(text))
        else:
            _settle(self._connected)

    def _on_socket_open(self, _client: object, _data: object, sock: Any) -> None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.add_reader(sock, self._read, sock)

    def _on_socket_close(self, _client: object, _data: object, sock: Any) -> None:
        self._loop.remove_reader(sock)

    def _on_nothing_to_write(self, _client: object, _data: object, sock: Any) -> None:
        self._loop.remove_writer(sock)

    def _read(self, sock: Any) -> None:
        self.client.loop_read()
        # What TLS has already decrypted does not make the socket readable again.
        while self.client.socket() is sock and isinstance(sock, ssl.SSLSocket) and sock.pending():
            self.client.loop_read()

    def _write(self) -> None:
        self.client.loop_write()

    def _tick(self) -> None:
        self.client.loop_misc()
        self._timer = self._loop.call_later(1, self._tick)


def _settle(future: "asyncio.Future[None]", error: Exception | None = None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


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
