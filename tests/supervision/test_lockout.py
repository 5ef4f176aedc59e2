import asyncio

import pytest

from gateway.errors import AuthFailed
from gateway.supervision.lockout import Lockout, Visit
from gateway.supervision.place import Login

NVR = Login("10.0.0.5", 554, "admin", "old")


class Door:
    """Cameras that try logins, and which of them were told that they may try again."""

    def __init__(self) -> None:
        self.lockout = Lockout()
        self.released: list[str] = []

    async def enter(self, camera: str, login: Login = NVR) -> Visit:
        return await self.lockout.enter(login, camera, lambda: self.released.append(camera))

    def entering(self, camera: str, login: Login = NVR) -> "asyncio.Task[Visit]":
        return asyncio.create_task(self.enter(camera, login))


@pytest.fixture
def door() -> Door:
    return Door()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_sixty_four_channels_with_a_wrong_password_ask_the_recorder_once(door: Door) -> None:
    tasks = [door.entering(f"c{number}") for number in range(64)]
    await settled()
    assert [task.done() for task in tasks].count(True) == 1
    visit = tasks[0].result()
    visit.refused("wrong password")
    visit.leave()
    await settled()
    for task in tasks[1:]:
        assert isinstance(task.exception(), AuthFailed)
        assert str(task.exception()) == "wrong password"
    assert door.lockout.refusal("c0") == "wrong password"


async def test_once_one_is_let_in_the_others_may_all_come(door: Door) -> None:
    tasks = [door.entering(f"c{number}") for number in range(8)]
    await settled()
    tasks[0].result().proven()
    await settled()
    assert all(task.done() for task in tasks)
    for task in tasks:
        task.result().leave()
    assert door.lockout._accounts == {}


async def test_an_attempt_that_fails_otherwise_lets_the_next_one_try(door: Door) -> None:
    tasks = [door.entering(f"c{number}") for number in range(3)]
    await settled()
    tasks[0].result().leave()
    await settled()
    assert [task.done() for task in tasks] == [True, True, False]
    tasks[1].result().leave()
    (await tasks[2]).leave()
    assert door.lockout._accounts == {}


async def test_other_devices_and_other_credentials_are_not_concerned(door: Door) -> None:
    visit = await door.enter("a")
    visit.refused("wrong password")
    visit.leave()
    for login in (Login("10.0.0.6", 554, "admin", "old"), Login("10.0.0.5", 554, "admin", "new")):
        (await door.enter("b", login)).leave()
    with pytest.raises(AuthFailed, match="wrong password"):
        await door.enter("b")


async def test_main_and_sub_stream_of_a_camera_stop_together(door: Door) -> None:
    visit = await door.enter("a", Login("10.0.0.5", 554, "u", "p"))
    visit.refused("no")
    visit.leave()
    with pytest.raises(AuthFailed, match="no"):
        await door.enter("a", Login("10.0.0.9", 8554, "u", "p"))


async def test_released_by_one_all_may_try_again_one_at_a_time(door: Door) -> None:
    visit = await door.enter("a")
    visit.refused("wrong")
    visit.leave()
    for camera in ("b", "c"):
        with pytest.raises(AuthFailed):
            await door.enter(camera)
    door.lockout.release("a", NVR)
    assert door.released == ["b", "c"]
    tasks = [door.entering(camera) for camera in ("a", "b", "c")]
    await settled()
    assert [task.done() for task in tasks] == [True, False, False]
    tasks[0].result().refused("still wrong")
    tasks[0].result().leave()
    await settled()
    assert [str(task.exception()) for task in tasks[1:]] == ["still wrong", "still wrong"]


async def test_a_channel_without_rights_does_not_stop_those_that_are_let_in(door: Door) -> None:
    inside = await door.enter("a")
    inside.proven()
    barred = await door.enter("b")
    barred.refused("no right to this channel")
    barred.leave()
    other = await door.enter("c")
    other.proven()
    with pytest.raises(AuthFailed, match="no right"):
        await door.enter("b")


async def test_the_second_refusal_without_a_welcome_between_stops_all(door: Door) -> None:
    inside = await door.enter("a")
    inside.proven()
    for camera in ("b", "c"):
        visit = await door.enter(camera)
        visit.refused("wrong password")
        visit.leave()
    with pytest.raises(AuthFailed):
        await door.enter("d")


async def test_a_login_in_doubt_is_tried_one_at_a_time(door: Door) -> None:
    (await door.enter("a")).proven()
    visit = await door.enter("b")
    visit.refused("hm")
    visit.leave()
    tasks = [door.entering(camera) for camera in ("c", "d", "e")]
    await settled()
    assert [task.done() for task in tasks] == [True, False, False]
    tasks[0].result().proven()
    await settled()
    assert all(task.done() for task in tasks)


async def test_a_refusal_of_another_worker_is_remembered(door: Door) -> None:
    door.lockout.remember("a", "refused before the worker died")
    with pytest.raises(AuthFailed, match="before the worker died"):
        await door.enter("a")
    (await door.enter("b")).leave()
    door.lockout.release("a", NVR)
    (await door.enter("a")).leave()
    assert door.lockout._accounts == {}


async def test_a_camera_that_is_gone_leaves_nothing(door: Door) -> None:
    visit = await door.enter("a")
    visit.refused("wrong")
    visit.leave()
    with pytest.raises(AuthFailed):
        await door.enter("b")
    door.lockout.forget("a", NVR)
    door.lockout.forget("b", NVR)
    door.lockout.keep(set())
    assert (door.lockout._accounts, door.lockout._cameras, door.released) == ({}, {}, [])
    (await door.enter("a")).leave()


async def test_who_is_cancelled_while_waiting_holds_nobody_up(door: Door) -> None:
    tasks = [door.entering(f"c{number}") for number in range(4)]
    await settled()
    tasks[1].cancel()
    await settled()
    tasks[0].result().leave()
    tasks[2].cancel()  # in the moment in which it is called
    await settled()
    assert tasks[3].done()
    visit = tasks[3].result()
    visit.leave()
    visit.leave()
    visit.proven()  # too late to count
    assert door.lockout._accounts == {}


async def test_who_stands_and_what_is_refused_can_be_asked(door: Door) -> None:
    lockout = door.lockout
    assert not lockout.stands(NVR)
    assert lockout.login_refusal(NVR) is None
    first = await lockout.enter(NVR, "c1", lambda: None)
    assert not first.others_stand
    first.proven()
    assert lockout.stands(NVR)
    assert not first.others_stand
    second = await lockout.enter(NVR, "c2", lambda: None)
    assert second.others_stand
    second.proven()
    assert first.others_stand
    first.leave()
    assert not second.others_stand
    second.leave()
    assert not lockout.stands(NVR)
    third = await lockout.enter(NVR, "c3", lambda: None)
    third.refused("no")
    third.leave()
    assert lockout.login_refusal(NVR) == "no"
