"""Logging in and out over HTTP."""

import json

import pytest


async def test_log_in_answers_who_and_sets_a_strict_cookie(house, http) -> None:
    async with http.post("/api/v1/session", json={"username": "admin", "password": "a long enough password"}) as answer:
        who = await answer.json()
        cookie = answer.headers["Set-Cookie"]
    assert answer.status == 200
    assert (who["user"], who["role"], who["areas"]) == ("admin", "admin", [])
    assert who["expires_at"].endswith("Z")
    assert cookie.startswith("gateway_session=")
    assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=86400"} <= set(cookie.split("; "))
    assert "Secure" not in cookie  # this test's server has no TLS
    assert answer.headers["Cache-Control"] == "no-store"


async def test_cookie_and_bearer_tell_who_i_am(house, http, log_in) -> None:
    async with http.get("/api/v1/session", headers=await log_in("viewer")) as answer:
        assert (await answer.json())["user"] == "viewer"
    async with http.get("/api/v1/session", headers=house.bearer("operator")) as answer:
        assert await answer.json() == {"user": "t-operator", "role": "operator", "areas": [], "expires_at": None}


async def test_log_out_ends_the_login_everywhere(house, http, log_in) -> None:
    headers = await log_in("viewer")
    async with http.delete("/api/v1/session", headers=headers) as answer:
        assert answer.status == 204
        assert 'gateway_session=""' in answer.headers["Set-Cookie"]
    async with http.get("/api/v1/session", headers=headers) as answer:
        assert answer.status == 401


async def test_log_out_with_a_token_leaves_it_in_force(house, http) -> None:
    async with http.delete("/api/v1/session", headers=house.bearer("viewer")) as answer:
        assert answer.status == 204
    async with http.get("/api/v1/session", headers=house.bearer("viewer")) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("name", ["admin", "nobody", "王"])
async def test_wrong_password_and_unknown_user_are_told_alike_and_lock(house, http, name) -> None:
    login = {"username": name, "password": "this is not it"}
    for _ in range(5):
        async with http.post("/api/v1/session", json=login) as answer:
            assert answer.status == 401
            assert answer.content_type == "application/problem+json"
            assert "Set-Cookie" not in answer.headers
            assert (await answer.json())["detail"] == "the user name or the password is wrong."
    async with http.post("/api/v1/session", json=login) as answer:
        assert answer.status == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 901


async def test_login_logout_and_failures_are_audited_without_what_was_typed_as_a_name(house, http, log_in) -> None:
    headers = await log_in("admin")
    for name in ("admin", "my-secret-password"):
        async with http.post("/api/v1/session", json={"username": name, "password": "wrong"}) as answer:
            assert answer.status == 401
    async with http.delete("/api/v1/session", headers=await log_in("viewer")) as answer:
        assert answer.status == 204
    async with http.get("/api/v1/audit", headers=headers) as answer:
        lines = (await answer.json())["items"]
    assert [(line["actor"], line["action"]) for line in reversed(lines)] == [
        ("admin", "login"),
        ("admin", "login_failed"),
        ("unknown", "login_failed"),
        ("viewer", "login"),
        ("viewer", "logout"),
    ]
    assert "my-secret-password" not in json.dumps(lines)


@pytest.mark.parametrize(
    "body",
    [{}, {"username": "admin"}, {"username": "admin", "password": ""}, {"username": 1, "password": "x"}, [], "x", None],
)
async def test_what_is_no_login_is_422_and_repeats_no_password(house, http, body) -> None:
    async with http.post("/api/v1/session", json=body) as answer:
        assert answer.status == 422
        assert answer.content_type == "application/problem+json"


async def test_password_is_not_in_the_answer_to_a_faulty_login(house, http) -> None:
    body = {"username": ["x"], "password": "hunter2hunter2"}
    async with http.post("/api/v1/session", json=body) as answer:
        assert answer.status == 422
        assert "hunter2" not in await answer.text()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # no browser
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "HERE"}, 200),
        ({"Origin": "HERE", "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
async def test_pages_of_other_sites_can_neither_log_in_nor_act(house, http, log_in, headers, status) -> None:
    sent = {name: house.url if value == "HERE" else value for name, value in headers.items()}
    login = {"username": "admin", "password": "a long enough password"}
    async with http.post("/api/v1/session", json=login, headers=sent) as answer:
        assert answer.status == status
    async with http.delete("/api/v1/session", headers={**sent, **await log_in("viewer")}) as answer:
        assert answer.status == (204 if status == 200 else 403)


async def test_reading_with_a_cookie_and_acting_with_a_token_need_no_origin(house, http, log_in) -> None:
    foreign = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    async with http.get("/api/v1/alerts", headers={**foreign, **await log_in("viewer")}) as answer:
        assert answer.status == 200  # SameSite and CORS keep it from the other page
        assert "Access-Control-Allow-Origin" not in answer.headers
    async with http.delete("/api/v1/session", headers={**foreign, **house.bearer("viewer")}) as answer:
        assert answer.status == 204


async def test_token_revoked_while_running_is_refused_at_once(house, http) -> None:
    async with http.get("/api/v1/session", headers=house.bearer("viewer")) as answer:
        assert answer.status == 200
    house.accounts.revoke_token("t-viewer")
    async with http.get("/api/v1/session", headers=house.bearer("viewer")) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer gwt_x", "Basic YTpi", "Bearer \xff\xfe", "x" * 8000])
async def test_rubbish_is_no_token(house, http, value) -> None:
    async with http.get("/api/v1/session", headers={"Authorization": value}) as answer:
        assert answer.status == 401


async def test_own_logins_are_listed_and_ended_and_an_administrator_ends_anybodys(house, http, log_in) -> None:
    first, second, other = await log_in("operator"), await log_in("operator"), await log_in("viewer")

    async def listed(headers):
        async with http.get("/api/v1/sessions", headers=headers) as answer:
            assert answer.status == 200
            return (await answer.json())["items"]

    async def end(headers, login):
        async with http.delete(f"/api/v1/sessions/{login['id']}", headers=headers) as answer:
            return answer.status

    mine = await listed(first)
    assert [each["user"] for each in mine] == ["operator", "operator"]
    assert [each["this"] for each in mine].count(True) == 1
    assert await listed(house.bearer("operator")) == []  # a token is no login
    (viewers,) = await listed(other)
    assert await end(first, viewers) == 404  # somebody else's, as if it were not there
    assert await end(first, next(each for each in mine if not each["this"])) == 204
    async with http.get("/api/v1/session", headers=second) as answer:
        assert answer.status == 401
    admin = await log_in("admin")
    assert {each["user"] for each in await listed(admin)} == {"operator", "viewer", "admin"}
    assert await end(admin, viewers) == 204
    async with http.get("/api/v1/session", headers=other) as answer:
        assert answer.status == 401
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 50))
    ended = [(line.actor, line.object) for line in lines if line.action == "end_session"]
    assert ended == [("admin", "users/viewer"), ("operator", "users/operator")]


async def test_accounts_that_cannot_be_read_are_no_wrong_token(house, http) -> None:
    house.accounts.file.path.write_bytes(b"no database" * 500)
    house.accounts._memory.known = None  # else what was known holds for a minute
    async with http.get("/api/v1/session", headers=house.bearer("viewer")) as answer:
        assert answer.status == 503
        assert "damaged" in (await answer.json())["detail"]
    async with http.get("/api/v1/session") as answer:
        assert answer.status == 401
