"""Frozen pictures told as verdicts, also over the restart of a worker and over a changed order."""

from dataclasses import dataclass
from typing import Any

import pytest

from gateway.errors import Unreachable
from gateway.model import Credential, DeviceSignal
from gateway.video.devices.outbox import Outbox
from gateway.video.diagnosis.keyframes import Evidence
from gateway.video.diagnosis.stills import THAWED_S, Stills
from gateway.video.diagnosis.telling import Telling
from gateway.video.wire import CameraOrder

CAMERA = CameraOrder("c1", "rtsp://10.0.0.1/1")


@dataclass
class Watched:
    """Stills of a stage's one camera, watched once a second."""

    stage: Any
    outbox: Outbox
    stills: Stills

    def passes(self, seconds: float, *, shows: Any = None) -> None:
        """``shows``: the line whose keyframes keep the camera online."""
        for _ in range(round(seconds)):
            self.stage.clock.seconds += 1.0
            if shows is not None:
                shows.shows(self.stage.clock.seconds)
            self.stage.check()
            for session in self.stage.fleet.sessions():
                self.stills.watch(session, self.stage.clock.mono())

    def told(self) -> list[bool]:
        batch = self.outbox.after(None, 0, 1000).items
        return [item.active is True for item in batch if isinstance(item, DeviceSignal)]


@pytest.fixture
def watched(stage: Any) -> Watched:
    outbox = Outbox()
    return Watched(stage, outbox, Stills(stage.fleet.ring, Evidence(), Telling(outbox, stage.clock), stage.clock))


async def test_what_a_former_worker_found_frozen_thaws_a_minute_after_it_is_first_seen(watched) -> None:
    await watched.stage.fleet.apply([CAMERA])
    line = await watched.stage.line(0)
    watched.stills.adopt("c1")
    watched.passes(10 * THAWED_S)  # it is dialled, and nothing of it was seen yet
    watched.passes(THAWED_S, shows=line)
    assert watched.told() == []
    watched.passes(3, shows=line)
    assert watched.told() == [False]


async def test_what_is_found_frozen_again_was_never_told_to_move(watched) -> None:
    await watched.stage.fleet.apply([CAMERA])
    line = await watched.stage.line(0)
    watched.stills.adopt("c1")
    watched.passes(10 * THAWED_S)
    watched.passes(THAWED_S / 2, shows=line)
    watched.stage.fleet.session("c1").set_frozen(True)
    watched.passes(3 * THAWED_S, shows=None)
    assert watched.told() == [], "its verdict stands, and there is no second one"


async def test_the_minute_begins_anew_when_the_camera_was_away(watched) -> None:
    await watched.stage.fleet.apply([CAMERA])
    line = await watched.stage.line(0)
    watched.stills.adopt("c1")
    watched.passes(THAWED_S / 2, shows=line)
    line.breaks(Unreachable("the line is cut"))
    await watched.stage.settled()
    watched.passes(THAWED_S)
    watched.stage.patience.set()
    again = await watched.stage.line(1)
    watched.passes(THAWED_S - 1, shows=again)
    assert watched.told() == []
    watched.passes(4, shows=again)
    assert watched.told() == [False]


async def test_a_new_password_thaws_nothing_by_itself(watched) -> None:
    await watched.stage.fleet.apply([CAMERA])
    line = await watched.stage.line(0)
    watched.passes(1, shows=line)
    watched.stage.fleet.session("c1").set_frozen(True)
    watched.passes(1)
    await watched.stage.fleet.apply([CameraOrder("c1", CAMERA.main, credential=Credential("u", "new"))])
    again = await watched.stage.line(1)
    watched.passes(THAWED_S - 2, shows=again)
    assert watched.told() == [True]
    watched.passes(5, shows=again)
    assert watched.told() == [True, False]


async def test_the_session_that_found_it_frozen_tells_at_once_that_it_moves(watched) -> None:
    await watched.stage.fleet.apply([CAMERA])
    line = await watched.stage.line(0)
    watched.passes(1, shows=line)
    session = watched.stage.fleet.session("c1")
    session.set_frozen(True)
    watched.stills.adopt("c1")
    watched.passes(1)
    session.set_frozen(False)
    watched.passes(1)
    assert watched.told() == [False]
