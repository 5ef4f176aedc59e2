"""What users keep for themselves."""

import pytest

from gateway.console.account_file import AccountFile
from gateway.console.preferences import LONGEST_VALUE, MOST_NAMES, Preferences, TooMany

PATH = "/api/v1/preferences"


async def put(http, headers, name, value) -> int:
    async with http.put(f"{PATH}/{name}", json=value, headers=headers) as answer:
        return answer.status


async def items(http, headers):
    async with http.get(PATH, headers=headers) as answer:
        assert answer.status == 200
        return (await answer.json())["items"]


async def test_what_is_kept_is_the_users_own_and_the_same_in_every_login(house, http, log_in) -> None:
    mine, theirs = await log_in("operator"), await log_in("viewer")
    assert await items(http, mine) == {}
    assert await put(http, mine, "views", [{"name": "夜班", "filter": {"overdue": True}}]) == 204
    assert await put(http, mine, "desk.sort", "newest") == 204
    assert await put(http, mine, "desk.sort", "urgent") == 204

    again = await log_in("operator")
    kept = {"views": [{"name": "夜班", "filter": {"overdue": True}}], "desk.sort": "urgent"}
    assert await items(http, again) == kept
    assert await items(http, theirs) == {}

    for _ in range(2):  # what is not there is as good as forgotten
        async with http.delete(f"{PATH}/views", headers=theirs) as answer:
            assert answer.status == 204
    assert await items(http, mine) == kept
    async with http.delete(f"{PATH}/views", headers=again) as answer:
        assert answer.status == 204
    assert await items(http, mine) == {"desk.sort": "urgent"}


@pytest.mark.parametrize("name", ["Views", "a b", "x" * 65, "警情"])
async def test_other_names_are_refused(house, http, name) -> None:
    assert await put(http, house.bearer("operator"), name, 1) == 422


async def test_too_long_and_no_json_are_refused(house, http) -> None:
    headers = house.bearer("operator")
    assert await put(http, headers, "views", "x" * (LONGEST_VALUE - 2)) == 204
    assert await put(http, headers, "views", "x" * (LONGEST_VALUE - 1)) == 422
    for body in (b"NaN", b"[" * 5000 + b"]" * 5000, b"", b"{"):
        said = {**headers, "Content-Type": "application/json"}
        async with http.put(f"{PATH}/views", data=body, headers=said) as answer:
            assert answer.status in (400, 422), body[:10]
            assert answer.content_type == "application/problem+json"
    assert await items(http, headers) == {"views": "x" * (LONGEST_VALUE - 2)}


async def test_half_a_surrogate_pair_comes_back_as_it_went(house, http) -> None:
    headers = {**house.bearer("operator"), "Content-Type": "application/json"}
    async with http.put(f"{PATH}/views", data=b'"\\ud800"', headers=headers) as answer:
        assert answer.status == 204
    async with http.get(PATH, headers=headers) as answer:
        assert b"\\ud800" in await answer.read()


def test_nobody_keeps_more_than_so_many(tmp_path) -> None:
    preferences = Preferences(AccountFile(tmp_path / "accounts.db"))
    for number in range(MOST_NAMES):
        preferences.keep("li", f"n{number}", "1")
    with pytest.raises(TooMany, match="50 preferences"):
        preferences.keep("li", "one-more", "1")
    preferences.keep("li", "n0", "2")
    preferences.keep("wang", "one-more", "1")
    assert preferences.of("li")["n0"] == "2"


def test_a_file_of_the_first_version_gains_the_new_tables(tmp_path) -> None:
    file = AccountFile(tmp_path / "accounts.db")
    with file.writing() as connection:
        connection.execute("INSERT INTO users VALUES ('li', 'viewer', '[]', 'x', 0, 0.0)")
        connection.execute("DROP TABLE preferences")
        connection.execute("DROP TABLE handovers")
        connection.execute("PRAGMA user_version = 1")
    preferences = Preferences(AccountFile(tmp_path / "accounts.db"))
    preferences.keep("li", "views", "[]")
    assert preferences.of("li") == {"views": "[]"}
    with file.reading() as connection:
        assert connection.execute("SELECT name FROM users").fetchall() == [("li",)]
