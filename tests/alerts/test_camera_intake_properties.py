"""Whatever order signals come in, and however often the core dies while it takes them: each is taken once."""

from dataclasses import dataclass
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.alerts.arming import Arming
from gateway.alerts.camera_intake import CameraIntake
from gateway.alerts.rules import Rules
from gateway.model import Camera, Condition, DeviceSignal, Kind, Place
from gateway.ports import AlertFilter

ZONE = ZoneInfo("Asia/Shanghai")
_examples = count(1)


@dataclass(frozen=True)
class Said:
    """What a camera says: that an input of it began or ended. ``late``: seconds it lay with its worker."""

    what: str
    active: bool
    late: int


@dataclass(frozen=True)
class Asked:
    """The core asks a worker for what follows: it is told so many signals, of which the ledger gets the first ``stored`` before
    the core dies; what it did not hear to the end it is told again."""

    worker: int
    told: int
    stored: int | None


said = st.builds(Said, st.sampled_from("123"), st.booleans(), st.sampled_from((0, 0, 0, 20, 500)))
asked = st.builds(Asked, st.integers(0, 1), st.integers(1, 6), st.none() | st.integers(0, 5))
acts = st.lists(st.tuples(st.integers(0, 1), said) | asked | st.sampled_from((5, 50, 90)), max_size=30)


class Workers:
    """Two, because a camera may have moved: each tells its signals in order until they are acknowledged."""

    def __init__(self, camera: str, house: Any) -> None:
        self.camera, self.house = camera, house
        self.told: dict[str, DeviceSignal] = {}  # in the order in which the ledger first got them
        self._waiting: tuple[list[DeviceSignal], list[DeviceSignal]] = ([], [])
        self._ids = count(1)

    def hears(self, worker: int, what: Said) -> None:
        self._waiting[worker].append(
            DeviceSignal(
                id=f"{self.camera}-{worker}-{next(self._ids)}",
                camera_id=self.camera,
                kind=Kind.DIGITAL_INPUT,
                received_at=self.house.clock.now(),
                received_mono=self.house.clock.mono(),
                active=what.active,
                detail={"what": what.what},
            )
        )
        self.house.clock.turn(what.late)

    async def tells(self, intake: CameraIntake, asked: Asked) -> None:
        waiting = self._waiting[asked.worker]
        batch = waiting[: asked.told]
        stored = batch if asked.stored is None else batch[: asked.stored]
        self.told |= {signal.id: signal for signal in stored}
        await intake.hear(stored)
        if asked.stored is None:
            del waiting[: len(batch)]

    async def tell_all(self, intake: CameraIntake) -> None:
        for worker in (0, 1):
            await self.tells(intake, Asked(worker, 999, None))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(acts)
async def test_no_beginning_is_lost_or_counted_twice_and_the_condition_ends_with_the_last(
    house: Any, acts: list[tuple[int, Said] | Asked | int]
) -> None:
    camera = f"c{next(_examples)}"
    house.register.replace(type(house.register)([Camera(camera, "门", place=Place(107.2, 30.7))], []))
    arming = Arming(house.ledger, (), ZONE)
    intake = CameraIntake(house.ledger, house.register, house.policy, Rules(ZONE, ()), arming)
    workers = Workers(camera, house)
    for act in acts:
        if isinstance(act, Asked):
            await workers.tells(intake, act)
        elif isinstance(act, int):
            house.clock.turn(act)
        else:
            workers.hears(*act)
    await workers.tell_all(intake)

    alerts = await alerts_of(house, camera)
    begun = [signal for signal in workers.told.values() if signal.active]
    assert sum(alert.count for alert in alerts) == len(begun)
    latest = {signal.detail["what"]: signal.active for signal in workers.told.values()}
    assert standing(alerts) == {what for what, active in latest.items() if active}
    for alert in alerts:
        assert (alert.condition is Condition.ACTIVE) == bool(alert.detail["standing"])

    for again in workers.told.values():
        await intake.hear([again])
    assert await alerts_of(house, camera) == alerts


async def alerts_of(house: Any, camera: str) -> list[Any]:
    found, _ = await house.ledger.read(lambda reader: reader.alerts(AlertFilter(), None, 100))
    return [stored.alert for stored in found if stored.alert.source.id == camera]


def standing(alerts: list[Any]) -> set[str]:
    return {what for alert in alerts for what in alert.detail["standing"]}
