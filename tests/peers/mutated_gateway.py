"""``gateway`` with one promise taken out, for tests of the checker: it must notice each of these.

    python mutated_gateway.py MUTATION run -c FILE

ack-before-commit: the terminal is told ``received`` when the press is heard, and the ledger has it a while later.
synchronous-off: the ledger commits without waiting for the disk.
delivered-before-receipt: what goes up is taken out of the outbox when it is sent, whatever the upper node says.
repeats-not-known: a press that comes again is another press.
"""

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from ruamel.yaml import YAML

from gateway.errors import GatewayError
from gateway.model import uuid7

LAZY_S = 0.5  # what a group commit that nobody waits for might take


def acknowledge_before_commit(config: Path) -> None:
    from gateway.alerts.intake import Intake

    source = YAML().load(config.read_text(encoding="utf-8"))["sources"][0]
    host, _, port = source["url"].removeprefix("mqtt://").rpartition(":")
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="hasty")
    client.connect_async(host, int(port))
    client.loop_start()
    honest = Intake.emit

    async def hasty(self: Intake, signal: Any) -> Any:
        if signal.press is not None and signal.press.press_id is not None:
            answer = {"press_id": signal.press.press_id, "alert_id": uuid7(), "stage": "received", "node": "township"}
            client.publish(f"tv/{signal.source.id}/ack", json.dumps(answer), qos=1)
            asyncio.get_running_loop().create_task(later(self, signal))
            return None  # and the broker is told that it may forget the press
        return await honest(self, signal)

    async def later(intake: Intake, signal: Any) -> None:
        await asyncio.sleep(LAZY_S)
        await honest(intake, signal)

    Intake.emit = hasty  # type: ignore[method-assign]


def synchronous_off() -> None:
    from gateway.ledger import connection, sqlite

    honest = connection.open_writer

    def hasty(path: Path, *more: Any, **words: Any) -> Any:
        opened = honest(path, *more, **words)
        opened.pragma("synchronous", "off")
        return opened

    connection.open_writer = hasty
    sqlite.open_writer = hasty  # type: ignore[attr-defined]


def delivered_before_receipt() -> None:
    from adapters.cascade.sink import CascadeSink

    honest = CascadeSink.send

    async def hasty(self: CascadeSink, parcel: Any) -> Any:
        asyncio.get_running_loop().create_task(later(self, parcel))
        return None

    async def later(sink: CascadeSink, parcel: Any) -> None:
        with contextlib.suppress(GatewayError):
            await honest(sink, parcel)

    CascadeSink.send = hasty  # type: ignore[method-assign]


def repeats_not_known() -> None:
    from gateway.alerts.intake import Intake

    Intake._same_press = lambda self, tx, signal, press: None  # type: ignore[method-assign]


def main() -> None:
    mutation, *arguments = sys.argv[1:]
    if mutation == "ack-before-commit":
        acknowledge_before_commit(Path(arguments[-1]))
    elif mutation == "synchronous-off":
        synchronous_off()
    elif mutation == "delivered-before-receipt":
        delivered_before_receipt()
    elif mutation == "repeats-not-known":
        repeats_not_known()
    else:
        raise SystemExit(f"no mutation {mutation}")
    sys.argv[1:] = arguments
    from gateway.cli import main as gateway

    gateway()


if __name__ == "__main__":
    main()
