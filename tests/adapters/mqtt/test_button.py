"""The gateway's own terminal, through a real Mosquitto, with a gateway that is played."""

import asyncio
import itertools
import json
from typing import Any

import pytest

from adapters.mqtt.button import MqttButton
from adapters.mqtt.settings import MqttSettings
from gateway.errors import GatewayError, Unreachable
from gateway.model import Kind, Stage


def button(url: str, protocol: str) -> MqttButton:
    return MqttButton(
        MqttSettings.model_validate({"kind": "mqtt", "id": "tv", "url": url, "protocol": protocol}), "n1", "beat"
    )


@pytest.fixture
async def answering(terminal_of: Any, until: Any) -> Any:
    """``await answering(*stages)``: somebody who answers each press of ``beat`` so; an answer to another goes before."""
    told: list[asyncio.Task[None]] = []

    async def start(*stages: str) -> Any:
        gateway = terminal_of("gateway")
        await gateway.subscribe("tv/beat/alarm")

        async def answer() -> None:
            for number in itertools.count():
                await until(lambda number=number: len(gateway.heard) > number)
                press = json.loads(gateway.heard[number].payload)
                await gateway.publish("tv/beat/ack", {"press_id": "another", "alert_id": "b", "stage": "closed"})
                await gateway.publish("tv/beat/ack", b"\xff not json")
                for stage in stages:
                    said = {"press_id": press["press_id"], "alert_id": "a", "stage": stage}
                    await gateway.publish("tv/beat/ack", said)

        told.append(asyncio.create_task(answer()))
        return gateway

    yield start
    for task in told:
        task.cancel()
    await asyncio.gather(*told, return_exceptions=True)


async def test_it_presses_as_a_terminal_does_and_hears_each_stage(
    mosquitto: Any, protocol: str, answering: Any
) -> None:
    gateway = await answering("received", "forwarded")
    heard = await button(mosquitto.url, protocol).press("p1", Kind.OTHER, "drill", Stage.FORWARDED, 60)
    assert heard.alert_id == "a" and list(heard.stages) == [Stage.RECEIVED, Stage.FORWARDED]
    assert 0 < heard.stages[Stage.RECEIVED] <= heard.stages[Stage.FORWARDED] < 60
    (said,) = [json.loads(message.payload) for message in gateway.heard]
    assert (said["press_id"], said["kind"], said["test"], said["text"]) == ("p1", "other", True, "drill")
    assert not gateway.heard[0].retain


async def test_what_was_not_heard_in_time_is_missing(mosquitto: Any, protocol: str, answering: Any, until: Any) -> None:
    await answering("received")
    for within in (2, 30):  # the second time only where the machine was held up: then nothing at all was heard
        heard = await button(mosquitto.url, protocol).press("p1", Kind.OTHER, "drill", Stage.FORWARDED, within)
        if heard.stages:
            break
    assert (list(heard.stages), heard.after(Stage.FORWARDED)) == ([Stage.RECEIVED], None)


async def test_a_later_stage_is_enough(mosquitto: Any, answering: Any) -> None:
    await answering("received", "accepted")
    heard = await button(mosquitto.url, "auto").press("p1", Kind.OTHER, "drill", Stage.FORWARDED, 60)
    assert heard.after(Stage.FORWARDED) == heard.stages[Stage.ACCEPTED]


async def test_a_broker_that_is_away_is_said_to_be(free_port: Any) -> None:
    with pytest.raises(Unreachable, match="is Mosquitto running"):
        await button(f"mqtt://127.0.0.1:{free_port()}", "auto").press("p1", Kind.OTHER, "drill", Stage.RECEIVED, 2)


async def test_a_broker_that_lets_it_not_press_is_told_of(mosquitto: Any, tmp_path: Any) -> None:
    mosquitto.stop()
    (tmp_path / "acl").write_text("topic read tv/+/ack\n")
    mosquitto.extra = f"allow_anonymous true\nacl_file {tmp_path}/acl"
    mosquitto.start()
    with pytest.raises(GatewayError, match=r"refused a publish on tv/beat/alarm.*0x87"):
        await button(mosquitto.url, "5").press("p1", Kind.OTHER, "drill", Stage.RECEIVED, 20)
