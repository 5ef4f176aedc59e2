"""From a township's register to a county's subtree, and from there to a city's, with time turned by hand."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.alerts.register import Register
from gateway.errors import Refused, TryLater
from gateway.model import Camera, CameraHealth, CameraState, Terminal
from gateway.reporting.attendance import NodeState
from gateway.reporting.holding import NodeCard
from gateway.reporting.own import OwnDevices
from gateway.reporting.reporter import Reporter
from gateway.reporting.subtree import Subtree


@dataclass
class Video:
    states: dict[str, CameraHealth] = field(default_factory=dict)

    def health(self, camera_id: str) -> CameraHealth | None:
        return self.states.get(camera_id)


class Town:
    """A township of 250 cameras and 130 terminals."""

    def __init__(self, clock: Any, above: list[Any]) -> None:
        self.clock = clock
        self.video = Video()
        self.register = Register(
            [Camera(f"c{number:03}", f"东{number}") for number in range(250)],
            [Terminal(f"tv-{number:03}") for number in range(130)],
        )
        for camera in self.register.cameras():
            self.say(camera.id, "online")
        card = NodeCard("town", "镇", "township", "511724001", "5.0")
        self.below = Subtree("town", clock)
        own = OwnDevices(card, self.register, self.video)
        self.reporter = Reporter(above, own, self.below, lambda: {"alerts_open": 3.0}, clock)

    def say(self, camera: str, state: str, reason: str | None = None) -> None:
        self.video.states[camera] = CameraHealth(camera, CameraState(state), self.clock.now(), reason)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.reporter.run())
        await asyncio.sleep(0.01)
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def above(make_above, county):
    return make_above(county, "town")


@pytest.fixture
def town(clock, above) -> Town:
    return Town(clock, [above])


def kinds(above: Any, start: int = 0) -> list[str]:
    return [kind.split(".")[1] for kind, _ in above.said[start:]]


async def test_the_whole_picture_goes_up_when_the_downlink_connects_and_signs_of_life_before(
    town, clock, above, county
):
    async with town.running():
        await clock.turn(11)
        assert set(kinds(above)) == {"health"}
        assert county.state("town") is NodeState.ONLINE
        town.reporter.connected("county")
        await clock.turn(3)
    view = county.view("town")
    assert (view.card.name, view.card.level, view.card.version, view.card.parent) == ("镇", "township", "5.0", "county")
    assert (view.cameras, view.terminals) == ({"online": 250}, {"unknown": 130})
    assert view.figures == {"alerts_open": 3.0}
    assert kinds(above).count("inventory") == 5


async def test_a_state_goes_up_once_it_has_stood_and_within_five_seconds(town, clock, above, county):
    async with town.running():
        town.reporter.connected("county")
        await clock.turn(5)
        sent = len(above.said)
        town.say("c007", "offline", "no route")
        town.register.seen("tv-009", clock.now())
        town.register.seen("tv-010", clock.now(), online=False)
        await clock.turn(5)
        held = county.camera("town", "c007")
        assert held is not None and (held.state, held.health.reason) == ("offline", "no route")
        assert county.terminal("town", "tv-009").state == "online"
        assert county.terminal("town", "tv-010").state == "offline"
        assert "inventory" not in kinds(above, sent)


async def test_what_a_stream_is_goes_up_once_it_is_known(town, clock, above, county):
    """A node that starts has told of all its cameras before any has shown a picture."""
    town.say("c007", "connecting")
    async with town.running():
        town.reporter.connected("county")
        await clock.turn(1)
        shown = CameraHealth("c007", CameraState.ONLINE, clock.now(), codec="h265", width=1920, height=1080)
        town.video.states["c007"] = shown
        await clock.turn(10)
    assert kinds(above).count("inventory") == 5
    health = county.camera("town", "c007").health
    assert (health.state, health.codec, health.width, health.height) == (CameraState.ONLINE, "h265", 1920, 1080)


async def test_a_camera_that_flaps_is_told_once_as_that(town, clock, above, county):
    async with town.running():
        town.reporter.connected("county")
        await clock.turn(5)
        told = []
        for number in range(20):
            town.say("c007", "offline" if number % 2 else "online")
            await clock.turn(4)
            told.append(county.camera("town", "c007").health)
        changes = sum(1 for before, after in itertools.pairwise(told) if before.reason != after.reason)
        assert told[-1].reason.startswith("flapping") and changes == 1
        town.say("c007", "online")
        await clock.turn(62)
        assert county.camera("town", "c007").health.reason is None


async def test_a_reload_travels_as_what_changed(town, clock, above, county):
    async with town.running():
        town.reporter.connected("county")
        await clock.turn(5)
        sent = len(above.said)
        cameras = [replace(each, name="新") if each.id == "c001" else each for each in town.register.cameras()[1:]]
        town.register.replace(Register([*cameras, Camera("c999", "远")], town.register.terminals()))
        town.say("c999", "online")
        await clock.turn(5)
        assert county.camera("town", "c000") is None
        assert county.camera("town", "c001").camera.name == "新"
        assert county.camera("town", "c999").state == "online"
        [told] = [data for kind, data in above.said[sent:] if "inventory" in kind]
        assert (len(told["cameras"]), told["gone"]) == (2, {"cameras": ["c000"], "terminals": []})


async def test_a_link_that_was_away_gets_the_newest_state_and_no_backlog(town, clock, above, county):
    async with town.running():
        town.reporter.connected("county")
        await clock.turn(5)
        above.fault = TryLater("the link is down")
        for number in range(100):
            town.say(f"c{number:03}", "offline")
        await clock.turn(30)
        for number in range(100):
            town.say(f"c{number:03}", "online")
        await clock.turn(70)
        above.fault, sent = None, len(above.said)
        await clock.turn(12)
        assert county.view("town").cameras == {"online": 250}
        assert len(above.said) - sent < 12


async def test_a_county_that_was_started_anew_is_told_everything_again(town, clock, above, make_above):
    async with town.running():
        town.reporter.connected("county")
        await clock.turn(100)
        above.below = Subtree("county", clock)
        town.reporter.connected("county")
        await clock.turn(5)
        assert above.below.view("town").cameras == {"online": 250}


async def test_on_a_link_that_flaps_the_whole_picture_does_not_go_out_each_time(town, clock, above):
    async with town.running():
        town.reporter.connected("county")
        await clock.turn(3)
        for _ in range(10):
            town.reporter.connected("county")
            await clock.turn(1)
        assert kinds(above).count("inventory") == 5
        await clock.turn(15)
        assert kinds(above).count("inventory") == 10, "but once more when it has calmed: the county may be a new one"


async def test_an_older_county_that_refuses_is_left_alone_until_it_connects_again(town, clock, above, county):
    above.fault = Refused("type: not known here")
    async with town.running():
        town.reporter.connected("county")
        await clock.turn(20)
        above.fault = None
        await clock.turn(20)
        assert "inventory" not in kinds(above)
        town.reporter.connected("county")
        await clock.turn(3)
        assert len(county.holding("town").cameras) == 250


async def test_who_stops_says_so(town, clock, above, county):
    async with town.running():
        town.reporter.connected("county")
        await clock.turn(5)
    await town.reporter.goodbye(30)
    assert county.state("town") is NodeState.STOPPED
    assert county.view("town").figures["stopping"] == 1


async def test_a_city_sees_the_towns_of_its_county_and_how_the_county_hears_them(
    town, clock, above, county, make_above
):
    city = Subtree("city", clock)
    upward = make_above(city, "county", "city")
    own = OwnDevices(NodeCard("county", "县", "county"), Register(), Video())
    relay = Reporter([upward], own, county, dict, clock)
    running = asyncio.create_task(relay.run())
    async with town.running():
        town.reporter.connected("county")
        relay.connected("city")
        await clock.turn(10)
        views = {view.card.id: view for view in city.views()}
        assert (views["town"].card.parent, views["county"].card.parent) == ("county", "city")
        assert views["town"].cameras == {"online": 250}
        town.say("c007", "offline")
        await clock.turn(8)
        assert city.camera("town", "c007").state == "offline"
    county.attendance.look(clock.mono(), clock.now())
    for _ in range(20):
        await clock.turn(1)
        county.attendance.look(clock.mono(), clock.now())
    await clock.turn(3)
    assert city.state("town") is NodeState.SILENT
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
