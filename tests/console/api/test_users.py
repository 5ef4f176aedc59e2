"""Administrators and the console's users."""

from typing import Any

import pytest

PATH = "/api/v1/users"
NEAR, FAR = "511724001", "511725002"


@pytest.fixture
async def admin(log_in: Any) -> Any:
    return await log_in("admin")


async def ask(http: Any, method: str, path: str, headers: Any, body: Any = None) -> tuple[int, Any]:
    async with http.request(method, path, headers=headers, json=body) as answer:
        return answer.status, await answer.json()


async def logs_in(http: Any, name: str, password: str) -> int:
    login = {"username": name, "password": password}
    async with http.post("/api/v1/session", json=login) as answer:
        status: int = answer.status
        return status


async def audited(house: Any) -> list[tuple[str, str, str, str | None]]:
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 100))
    return [
        (line.actor, line.action, line.object, line.detail.get("detail"))
        for line in lines
        if line.action in ("add_user", "change_user")
    ]


async def test_a_user_is_added_with_a_password_that_is_shown_once_and_audited(house, http, admin) -> None:
    wanted = {"name": "wang", "role": "operator", "areas": [NEAR]}
    status, made = await ask(http, "POST", PATH, admin, wanted)
    assert (status, {key: made[key] for key in wanted}, made["disabled"]) == (201, wanted, False)
    assert len(set(made["password"])) > 4
    assert len(made["password"]) == 19
    assert await logs_in(http, "wang", made["password"]) == 200
    status, listed = await ask(http, "GET", PATH, admin)
    assert [each["name"] for each in listed["items"]] == ["admin", "maintainer", "operator", "viewer", "wang"]
    assert all("password" not in each for each in listed["items"])
    assert await audited(house) == [("admin", "add_user", "users/wang", f"role: operator; areas: {NEAR}")]
    status, problem = await ask(http, "POST", PATH, admin, wanted)
    assert (status, problem["detail"]) == (409, "There is a user wang already: choose another name.")


async def test_a_new_password_ends_the_former_one_and_a_disabled_user_is_let_in_no_more(house, http, log_in) -> None:
    theirs, admin = await log_in("operator"), await log_in("admin")
    status, made = await ask(http, "PATCH", f"{PATH}/operator", admin, {"new_password": True})
    assert status == 200
    assert (await ask(http, "GET", "/api/v1/session", theirs))[0] == 401
    assert await logs_in(http, "operator", "a long enough password") == 401
    assert await logs_in(http, "operator", made["password"]) == 200
    status, made = await ask(http, "PATCH", f"{PATH}/operator", admin, {"disabled": True})
    assert (made["disabled"], made["password"]) == (True, None)
    assert await logs_in(http, "operator", made["password"] or "x") == 401
    assert [line[3] for line in await audited(house)] == ["disabled: True", "new_password: True"]


async def test_a_change_of_role_or_areas_counts_for_the_logins_that_are_open(house, http, log_in) -> None:
    theirs, admin = await log_in("viewer"), await log_in("admin")
    await ask(http, "PATCH", f"{PATH}/viewer", admin, {"role": "maintainer", "areas": [NEAR]})
    _, who = await ask(http, "GET", "/api/v1/session", theirs)
    assert (who["role"], who["areas"]) == ("maintainer", [NEAR])


@pytest.mark.parametrize("change", [{"disabled": True}, {"role": "operator"}])
async def test_nobody_shuts_himself_out(house, http, admin, change: dict[str, Any]) -> None:
    status, problem = await ask(http, "PATCH", f"{PATH}/admin", admin, change)
    assert (status, problem["detail"][:24]) == (409, "This is your own account")


async def test_the_last_administrator_of_all_areas_stays(house, http, admin, log_in) -> None:
    status, problem = await ask(http, "PATCH", f"{PATH}/admin", admin, {"areas": [NEAR]})
    assert (status, problem["detail"][:31]) == (409, "Admin is the last administrator")
    await ask(http, "POST", PATH, admin, {"name": "zhou", "role": "admin"})
    status, _ = await ask(http, "PATCH", f"{PATH}/admin", admin, {"areas": [NEAR]})
    assert status == 200


async def test_an_administrator_of_some_areas_has_no_say_beyond_them(house, http, log_in) -> None:
    whole = await log_in("admin")
    for name, role, areas in (("li", "admin", [NEAR]), ("near", "viewer", [NEAR + "001"]), ("far", "viewer", [FAR])):
        _, made = await ask(http, "POST", PATH, whole, {"name": name, "role": role, "areas": areas})
        if name == "li":
            password = made["password"]
    async with http.post("/api/v1/session", json={"username": "li", "password": password}) as answer:
        mine = {"Cookie": f"gateway_session={answer.cookies['gateway_session'].value}"}
    _, listed = await ask(http, "GET", PATH, mine)
    assert [each["name"] for each in listed["items"]] == ["li", "near"]
    for name, change, expected in (
        ("far", {"disabled": True}, 404),
        ("admin", {"new_password": True}, 404),
        ("nobody", {"disabled": True}, 404),
        ("near", {"areas": []}, 403),
        ("near", {"areas": [FAR]}, 403),
        ("near", {"role": "boss"}, 409),
        ("near", {"role": "operator"}, 200),
    ):
        assert (await ask(http, "PATCH", f"{PATH}/{name}", mine, change))[0] == expected, (name, change)
    assert (await ask(http, "POST", PATH, mine, {"name": "new", "role": "admin"}))[0] == 403
