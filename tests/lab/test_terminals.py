"""Simulated televisions against a real broker, answered by a small gateway that stands here."""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import SecretStr

from gateway.errors import AuthFailed, Unreachable
from gateway.lab.children import Child
from gateway.lab.mqtt_link import Login
from gateway.lab.terminals import PressTimes, Terminal, press_from_command_line, press_once
from gateway.model import Stage
from gateway.settings import ClientTls

AS_LONG_AS_IT_TAKES = (2, 10, 60)
"""Seconds to wait for what does not come, until this machine was quick enough for what comes before it."""


@dataclass
class FakeGateway:
    """Answers every press with ``stages``, once it has heard it ``deaf_for`` + 1 times."""

    port: int
    stages: tuple[str, ...] = ("received", "forwarded")
    deaf_for: int = 0
    presses: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[tuple[str, str, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.subscribed = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id="fake-gateway")
        self.client.on_message = self._on_message
        self.client.on_connect = lambda client, *_: client.subscribe([("tv/+/alarm", 1), ("tv/+/status", 1)])
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.connect("127.0.0.1", self.port)
        self.client.loop_start()
        assert self.subscribed.wait(60)

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        _, terminal, what = message.topic.split("/")
        if what == "status":
            self.statuses.append((terminal, message.payload.decode(), message.retain))
            return
        self.presses.append(json.loads(message.payload))
        if len(self.presses) > self.deaf_for:
            for stage in self.stages:
                self.answer(terminal, self.presses[-1]["press_id"], stage)

    def answer(self, terminal: str, press_id: str, stage: str) -> None:
        body = {"press_id": press_id, "alert_id": "alert-1", "stage": stage, "node": "zhuyang", "text": "…"}
        self.client.publish(f"tv/{terminal}/ack", json.dumps(body), qos=1)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


Gateway = Callable[..., FakeGateway]


@pytest.fixture
def gateway(mosquitto: Any) -> Iterator[Gateway]:
    open_ones: list[FakeGateway] = []

    def start(**wishes: Any) -> FakeGateway:
        open_ones.append(FakeGateway(mosquitto.port, **wishes))
        return open_ones[-1]

    yield start
    for one in open_ones:
        one.close()


@pytest.fixture
def login(mosquitto: Any) -> Login:
    return Login("127.0.0.1", mosquitto.port)


@asynccontextmanager
async def switched_on(login: Login, terminal: str, **wishes: Any) -> AsyncIterator[Terminal]:
    one = Terminal(login, terminal, **wishes)
    await one.connect()
    try:
        yield one
    finally:
        await one.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_press_is_timed_to_each_stage(gateway: Gateway, login: Login) -> None:
    fake = gateway()
    times = await press_once(login, "tv-0001", "fire", text="厨房冒烟")
    assert times.alert_id == "alert-1"
    assert times.r1 is not None and times.r2 is not None and times.r3 is None
    assert 0 < times.r1 <= times.r2
    assert times.r1 >= 1.9 * (times.sent - 1), "repeated only where the answer took its time"
    sent = fake.presses[0]
    assert (sent["press_id"], sent["kind"], sent["text"]) == (times.press_id, "fire", "厨房冒烟")
    assert sent["pressed_at"].endswith("Z")
    assert "test" not in sent


async def test_a_drill_says_so(gateway: Gateway, login: Login) -> None:
    fake = gateway()
    await press_once(login, "tv-0001", drill=True)
    assert fake.presses[0]["test"] is True


async def test_it_repeats_the_same_press_until_received(gateway: Gateway, login: Login) -> None:
    fake = gateway(deaf_for=1)
    times = await press_once(login, "tv-0001")
    assert times.sent >= 2
    assert times.r1 is not None and times.r1 >= 1.9 * (times.sent - 1), "heard only the repeat, two seconds later"
    assert {press["press_id"] for press in fake.presses} == {times.press_id}


async def test_silence_is_told_as_silence(gateway: Gateway, login: Login) -> None:
    gateway(stages=())
    times = await press_once(login, "tv-0001", within=0.5)
    assert (times.r1, times.r2, times.alert_id) == (None, None, None)


async def test_only_received_leaves_r2_open(gateway: Gateway, login: Login) -> None:
    gateway(stages=("received",))
    for within in AS_LONG_AS_IT_TAKES:
        times = await press_once(login, "tv-0001", within=within)
        if times.r1 is not None:
            break
    assert times.r1 is not None and times.r2 is None


async def test_a_later_stage_implies_the_earlier_ones(gateway: Gateway, login: Login) -> None:
    gateway(stages=("accepted",))
    times = await press_once(login, "tv-0001")
    assert times.r1 == times.r2 == times.r3 is not None


async def test_stages_after_the_wait_are_told(gateway: Gateway, login: Login) -> None:
    fake = gateway()
    heard: list[tuple[str, Stage]] = []
    async with switched_on(login, "tv-0001", on_stage=lambda times, stage: heard.append((times.press_id, stage))) as tv:
        times = await tv.press()
        fake.answer("tv-0001", times.press_id, "accepted")
        fake.answer("tv-0001", times.press_id, "accepted")
        fake.answer("tv-0001", "somebody else's", "closed")
        fake.client.publish("tv/tv-0001/ack", b"\xff not an answer")
        fake.answer("tv-0001", times.press_id, "closed")
        await until(lambda: Stage.CLOSED in times.heard)
    assert heard == [(times.press_id, stage) for stage in Stage]


async def test_presence_is_retained_and_the_will_stands(gateway: Gateway, login: Login) -> None:
    fake = gateway()
    async with switched_on(login, "tv-0007") as tv:
        await until(lambda: ("tv-0007", "online", False) in fake.statuses)
        tv._link.client.socket().shutdown(2)  # the plug is pulled: no DISCONNECT
        await until(lambda: ("tv-0007", "offline", False) in fake.statuses)
    later = gateway()
    await until(lambda: ("tv-0007", "offline", True) in later.statuses)


async def test_a_passing_press_says_nothing_about_presence(gateway: Gateway, login: Login) -> None:
    fake = gateway()
    await press_once(login, "tv-0001")
    assert fake.statuses == []


async def test_many_televisions_press_at_once(gateway: Gateway, login: Login) -> None:
    fake = gateway()
    televisions = [Terminal(login, f"tv-{number:04d}") for number in range(30)]
    for one in televisions:
        await one.connect()
    times = await asyncio.gather(*(one.press() for one in televisions))
    for one in televisions:
        await one.close()
    assert all(one.r2 is not None for one in times)
    assert len({press["press_id"] for press in fake.presses}) == 30


async def test_no_broker_is_said_in_words(free_port: Callable[[], int]) -> None:
    port = free_port()
    with pytest.raises(Unreachable, match=f"cannot reach the broker mqtt://127.0.0.1:{port}: Connection refused"):
        await press_once(Login("127.0.0.1", port), "tv-0001")


async def test_the_demos_broker_lets_in_one_user(tmp_path: Any, free_port: Callable[[], int]) -> None:
    broker, port = Child("the broker", tmp_path / "broker.log"), free_port()
    arguments = ("-m", "gateway.lab.broker", "--port", str(port))
    try:
        ready = await broker.start_leashed(*arguments, greeting='{"username": "u", "password": "right"}')
        assert ready == {"port": port}
        with pytest.raises(AuthFailed, match=r"refused the connection: .*; check user name and password"):
            await press_once(Login("127.0.0.1", port, "u", "wrong"), "tv-0001")
        with pytest.raises(AuthFailed):
            await press_once(Login("127.0.0.1", port), "tv-0001")
        assert (await press_once(Login("127.0.0.1", port, "u", "right"), "tv-0001", within=0.2)).sent == 1
    finally:
        ended_by_itself = await broker.stop(60)
    assert ended_by_itself
    assert broker.tail() == "", "a quiet broker"


@dataclass
class Configured:
    port: int
    host: str = "127.0.0.1"
    secure: bool = False
    username: str | None = None
    password: SecretStr | None = None
    tls: ClientTls | None = None


def test_the_command_prints_both_receipts(mosquitto: Any, gateway: Gateway, capsys: Any) -> None:
    gateway()
    assert press_from_command_line(Configured(mosquitto.port), "tv-0001", "sos") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("R1 received ") and first.endswith("alert alert-1")
    assert second.startswith("R2 forwarded ") and second.endswith(" ms")


def test_the_command_says_that_r2_did_not_come(mosquitto: Any, gateway: Gateway, capsys: Any) -> None:
    gateway(stages=("received",))
    for wait in AS_LONG_AS_IT_TAKES:
        with contextlib.suppress(Unreachable):
            assert press_from_command_line(Configured(mosquitto.port), "tv-0001", "sos", wait=wait) == 0
            break
    assert f"R2 forwarded  not within {wait} s" in capsys.readouterr().out


def test_the_command_fails_where_nobody_hears(mosquitto: Any) -> None:
    with pytest.raises(Unreachable, match="nobody received the press within 1 s"):
        press_from_command_line(Configured(mosquitto.port), "tv-0001", "sos", wait=1)


def test_times_of_a_press_nobody_heard() -> None:
    assert PressTimes("p").after(Stage.RECEIVED) is None
