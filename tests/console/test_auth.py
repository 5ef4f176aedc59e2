"""The gatekeeper: one password at a time, a bounded line, logins that stay in use."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher

from gateway.console.accounts import Accounts
from gateway.console.auth import RIGHTS, Gatekeeper, Right, covers
from gateway.console.problems import Problem
from gateway.model import Principal

PASSWORD = "a long enough password"


@pytest.fixture
def accounts(tmp_path):
    made = Accounts(tmp_path / "accounts.db", hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    made.add_user("wang", "operator", PASSWORD)
    return made


async def test_a_burst_of_guesses_cannot_outrun_the_lock_out(accounts) -> None:
    gatekeeper = Gatekeeper(accounts, secure_cookies=False)
    guesses = [gatekeeper.log_in("wang", f"guess {number}") for number in range(20)]
    problems = await asyncio.gather(*guesses, return_exceptions=True)
    assert [problem.status for problem in problems] == [401] * 5 + [429] * 15


async def test_many_who_log_in_at_once_all_come_in(accounts) -> None:
    gatekeeper = Gatekeeper(accounts, secure_cookies=False)
    opened = await asyncio.gather(*(gatekeeper.log_in("wang", PASSWORD) for _ in range(12)))
    assert all(gatekeeper.identify(None, secret) is not None for secret, _ in opened)


async def test_the_line_is_bounded_and_the_loop_goes_on(accounts, monkeypatch) -> None:
    gatekeeper = Gatekeeper(accounts, secure_cookies=False)
    go_on = threading.Event()
    monkeypatch.setattr(accounts, "log_in", lambda name, password, address: go_on.wait(30))
    waiting = [asyncio.create_task(gatekeeper.log_in("wang", PASSWORD)) for _ in range(32)]
    await asyncio.sleep(0)
    with pytest.raises(Problem) as refused:
        await gatekeeper.log_in("wang", PASSWORD)
    assert refused.value.status == 503
    assert "Retry-After" in refused.value.headers
    go_on.set()
    await asyncio.gather(*waiting)


async def test_a_login_in_use_does_not_become_idle(tmp_path) -> None:
    at = [datetime(2026, 1, 31, 8, tzinfo=UTC)]
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    accounts = Accounts(tmp_path / "accounts.db", now=lambda: at[0], hasher=quick)
    accounts.add_user("wang", "operator", PASSWORD)
    gatekeeper = Gatekeeper(accounts, secure_cookies=False)
    secret, _ = await gatekeeper.log_in("wang", PASSWORD)
    for _ in range(3):
        at[0] += timedelta(hours=7)
        found = gatekeeper.identify(None, secret)
        assert found is not None
        assert gatekeeper.still(found)
        while gatekeeper.identify(None, secret).session.seen_at != at[0]:
            await asyncio.sleep(0.01)
    at[0] += timedelta(hours=9)
    assert gatekeeper.identify(None, secret) is None
    assert not gatekeeper.still(found)


def test_roles_hold_the_rights_of_the_contract() -> None:
    assert RIGHTS["viewer"] == {Right.READ}
    assert RIGHTS["operator"] == {Right.READ, Right.ACT}
    assert RIGHTS["maintainer"] == {Right.READ, Right.CONFIGURE, Right.AUDIT}
    assert RIGHTS["admin"] == set(Right)
    assert RIGHTS["node"] == set()


@pytest.mark.parametrize(
    ("areas", "code", "covered"),
    [
        ((), None, True),
        ((), "511724001", True),
        (("511724",), "511724001", True),
        (("511724", "5118"), "511801", True),
        (("511724",), "5117", False),
        (("511724",), None, False),
        (("511724",), "", False),
    ],
)
def test_areas_are_beginnings_of_codes(areas, code, covered) -> None:
    assert covers(Principal("wang", "operator", areas), code) is covered
