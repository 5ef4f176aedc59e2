"""Simulated terminals' habits, at a real broker and in front of a small gateway that stands here."""

import asyncio
import json
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import paho.mqtt.client as paho
import pytest

from gateway.errors import UsageError
from gateway.lab.behaviours import BEHAVIOURS, Actor
from gateway.lab.mqtt_link import Login
from gateway.lab.village_terminals import _casts, main
from gateway.model import utc_now


class Ear:
    """Hears everything, and answers a press once it has heard it ``deaf_for`` + 1 times."""

    def __init__(self, port: int) -> None:
        self.deaf_for = 0
        self.heard: list[tuple[str, str, Any]] = []
        ready = threading.Event()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="ear")
        self.client.on_connect = lambda client, *_: client.subscribe("tv/#", 1)
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_message = self._hear
        self.client.connect("127.0.0.1", port, 30)
        self.client.loop_start()
        assert ready.wait(60)

    def _hear(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        _, terminal, what = message.topic.split("/")
        text = message.payload.decode()
        said = json.loads(text) if text.startswith("{") else text
        self.heard.append((terminal, what, said))
        if what == "alarm" and sum(each == (terminal, what, said) for each in self.heard) > self.deaf_for:
            answer = {"press_id": said["press_id"], "stage": "received"}
            self.client.publish(f"tv/{terminal}/ack", json.dumps(answer), qos=1)

    def said(self, what: str) -> list[Any]:
        return [said for _, topic, said in self.heard if topic == what]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def ear(mosquitto: Any) -> Iterator[Ear]:
    made = Ear(mosquitto.port)
    yield made
    made.close()


@pytest.fixture
def playing(mosquitto: Any) -> Callable[..., Any]:
    @asynccontextmanager
    async def play(name: str, every: float = 0.1) -> AsyncIterator[Actor]:
        actor = Actor(Login("127.0.0.1", mosquitto.port), "tv-1", every, random.Random(7))
        task = asyncio.create_task(BEHAVIOURS[name](actor))  # type: ignore[arg-type]
        yield actor
        task.cancel()
        await asyncio.wait([task])
        actor.close()

    return play


async def until(look: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not look():
            await asyncio.sleep(0.02)


async def test_a_well_behaved_one_announces_itself_and_presses_until_it_is_heard(ear, playing) -> None:
    ear.deaf_for = 1
    async with playing("well") as actor:
        await until(lambda: len(actor.tally.received) >= 1)
        assert actor.tally.sent > len(actor.tally.received)
    assert ear.said("status")[0] == "online"
    assert all(said["test"] for said in ear.said("alarm"))


async def test_a_replay_is_a_store_of_hours_at_once(ear, playing) -> None:
    async with playing("replay") as actor:
        await until(lambda: len(actor.tally.received) == 96)
        assert not actor.tally.unanswered
    times = sorted(datetime.fromisoformat(said["pressed_at"]) for said in ear.said("alarm"))
    assert (utc_now() - times[0]).total_seconds() > 7 * 3600
    assert len({said["press_id"] for said in ear.said("alarm")}) == 96


async def test_a_flood_does_not_wait_for_answers(ear, playing) -> None:
    async with playing("flood") as actor:
        await until(lambda: len(actor.tally.pressed) >= 300)


async def test_one_that_flaps_leaves_without_a_goodbye(ear, playing) -> None:
    async with playing("flap"):
        await until(lambda: ear.said("status").count("offline") >= 2)


async def test_one_without_a_clock_presses_in_1970(ear, playing) -> None:
    async with playing("old_clock") as actor:
        await until(lambda: actor.tally.received)
    assert ear.said("alarm")[0]["pressed_at"].startswith("1970-01-01")


async def test_a_deaf_one_says_it_again_and_hears_nothing(ear, playing) -> None:
    async with playing("deaf") as actor:
        await until(lambda: len(ear.said("alarm")) >= 2)
        assert actor.tally.received == set()
    assert len({said["press_id"] for said in ear.said("alarm")[:2]}) == 1


async def test_one_of_heartbeats_alone(ear, playing) -> None:
    async with playing("heartbeat"):
        await until(lambda: len(ear.said("heartbeat")) >= 2)
    assert ear.said("status") == []


def test_who_plays_what() -> None:
    assert _casts(["well=2", "flood"]) == ["well", "well", "flood"]
    for wrong in (["nobody"], ["well=x"], ["well=0"], ["well=3000"]):
        with pytest.raises(UsageError, match="--behave"):
            _casts(wrong)


async def test_on_the_command_line(ear, mosquitto, capsys) -> None:
    def play(seconds: int) -> dict[str, int]:
        words = ["--broker", mosquitto.url, "--behave", "stuck=2", "--seconds", str(seconds), "--json"]
        with pytest.raises(SystemExit, match="0"):
            main(words)
        told: dict[str, int] = json.loads(capsys.readouterr().out)["stuck"]
        return told

    for seconds in (1, 5, 25, 60):  # as many as this machine needs to connect and to hear an answer
        told = await asyncio.to_thread(play, seconds)
        if told["received"]:
            break
    assert told["terminals"] == 2
    assert 0 < told["received"] <= told["presses"] == told["sent"]
