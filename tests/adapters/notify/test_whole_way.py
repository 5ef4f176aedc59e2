"""From a press to a person's robot and back into the alert's entries, by the parts that a node runs."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.notify.settings import NotifySettings
from adapters.notify.sink import NotifySink
from gateway.alerts.intake import Intake
from gateway.alerts.policy import IntakePolicy
from gateway.alerts.register import Register
from gateway.config.settings import Settings
from gateway.delivery.forwarder import Forwarder
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Household, Kind, Place, Press, Signal, SourceRef, Terminal
from gateway.policies import duties_of
from gateway.supervision.clock import SystemClock


async def test_a_press_reaches_the_robot_and_the_entry_says_so(robot: Any, tmp_path: Path) -> None:
    people = [{"id": "wang", "role": "grid_worker", "addresses": ["wecombot://0a1b2c3d"]}]
    sink_settings = NotifySettings(kind="notify", id="people", people=people, robots={"wecombot": robot.url})
    said = {"node": {"id": "town"}, "data_dir": tmp_path, "sinks": [sink_settings]}
    settings = Settings.model_validate(said)
    clock = SystemClock()
    home = Terminal("tv-1", Household("张桂芳", "13800000001", "北大街 12 号"), Place(area_code="511724001001"))
    register = Register([], [home])
    duties = duties_of(settings, register, clock)
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "town", clock, duties.react)
    sink = NotifySink(sink_settings)
    forwarding = asyncio.create_task(Forwarder(ledger, [sink], duties.settle, clock).run())
    try:
        intake = Intake(ledger, register, IntakePolicy("town"), clock)
        source, press = SourceRef("terminal", "tv-1"), Press("p1", None, "d")
        accepted = await intake.emit(Signal("tv", source, Kind.FIRE, datetime.now(UTC), clock.mono(), press=press))
        async with asyncio.timeout(60):
            while not (told := await _told(ledger, accepted.alert_id)):
                await asyncio.sleep(0.02)
        heard, *_ = robot.heard
        content = heard.json()["text"]["content"]
        assert all(word in content for word in ("【警情】火情", "张桂芳", "13800000001", "北大街 12 号", "119"))
        (entry,) = told
        assert (entry.data["to"], entry.data["by"], entry.data["text"]) == ("wang", "wecombot", content)
        assert "0a1b2c3d" not in str(entry)
    finally:
        forwarding.cancel()
        await asyncio.gather(forwarding, return_exceptions=True)
        await sink.close()
        await ledger.close()


async def _told(ledger: SqliteLedger, alert_id: str) -> list[Any]:
    lines = await ledger.read(lambda reader: reader.entries(alert_id))
    return [line.entry for line in lines if line.entry.action == "notified"]
