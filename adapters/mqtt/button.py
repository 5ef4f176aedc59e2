"""A terminal of the gateway's own: it presses through the broker as a household's does, and hears what it is told."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable

from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion

from adapters.mqtt.client import Connection
from adapters.mqtt.refusals import VersionRefused
from adapters.mqtt.settings import MqttSettings
from adapters.mqtt.subscriptions import Subscription
from adapters.mqtt.topics import ack_topic, alarm_topic
from gateway.model import Kind, Stage, rfc3339, utc_now
from gateway.ports import PressHeard

_VERSIONS = {
    "auto": (MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311),
    "5": (MQTTProtocolVersion.MQTTv5,),
    "3.1.1": (MQTTProtocolVersion.MQTTv311,),
}


class MqttButton:
    """``settings``: of the broker, with the gateway's own login, which has to be allowed to write ``tv/{terminal}/alarm``
    and to read ``tv/{terminal}/ack``."""

    def __init__(self, settings: MqttSettings, node_id: str, terminal: str) -> None:
        self._settings = settings
        # One name for all its connections: the broker keeps late answers for the next, so that none waits here for ever.
        self._client_id = f"gateway-{node_id}-{terminal}"
        self._terminal = terminal

    async def press(self, press_id: str, kind: Kind, text: str, until: Stage, within: float) -> PressHeard:
        """One test press; what was heard until ``until``, or within ``within`` seconds. Raises GatewayError."""
        answers = _Answers(press_id, until)
        connection = await self._connect(answers.hear)
        answers.acknowledge = connection.acknowledge
        try:
            await connection.subscribe([Subscription(ack_topic(self._terminal), retained=1, needed=True)])
            said = {
                "press_id": press_id,
                "kind": kind.value,
                "pressed_at": rfc3339(utc_now()),
                "test": True,
                "text": text,
            }
            began = time.monotonic()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await connection.publish(alarm_topic(self._terminal), json.dumps(said, ensure_ascii=False).encode())
                    await answers.enough.wait()
        finally:
            await connection.close()
        return PressHeard(answers.alert_id, {stage: at - began for stage, at in answers.stages.items()})

    async def _connect(self, heard: Callable[[MQTTMessage], None]) -> Connection:
        """With the newest version that the broker speaks. Raises GatewayError."""
        versions = _VERSIONS[self._settings.protocol]
        for version in versions:
            connection = Connection(self._settings, self._client_id, version, heard)
            try:
                await connection.open()
            except BaseException as error:
                await connection.close()
                if not isinstance(error, VersionRefused) or version is versions[-1]:
                    raise
            else:
                return connection
        raise AssertionError("a protocol setting without versions")


class _Answers:
    """What was heard of one press; of earlier ones the broker may have kept some."""

    def __init__(self, press_id: str, until: Stage) -> None:
        self.alert_id: str | None = None
        self.stages: dict[Stage, float] = {}
        self.enough = asyncio.Event()
        self.acknowledge: Callable[[int, int], None] = lambda mid, qos: None
        self._press_id = press_id
        self._until = until

    def hear(self, message: MQTTMessage) -> None:
        self.acknowledge(message.mid, message.qos)
        try:
            answer = json.loads(message.payload)
            press_id, stage, alert_id = answer["press_id"], Stage(answer["stage"]), str(answer["alert_id"])
        except (ValueError, KeyError, TypeError):
            return
        if press_id != self._press_id:
            return
        self.alert_id = alert_id
        self.stages.setdefault(stage, time.monotonic())
        if stage.rank >= self._until.rank:
            self.enough.set()
