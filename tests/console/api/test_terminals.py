"""Households over the API: lists, changes, test runs."""

import csv
import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.alerts.register import Register
from gateway.console.households import AlreadyHere
from gateway.console.registrar import NotInForce
from gateway.errors import ConfigError, RunningError, UsageError
from gateway.model import Household, Place, Terminal
from gateway.supervision.clock import SystemClock


@pytest.fixture
def api(house: Any, http: Any, log_in: Any) -> Any:
    async def call(method: str, path: str, role: str = "admin", **request: Any) -> tuple[int, Any]:
        headers = {**(await log_in(role)), **request.pop("headers", {})}
        async with http.request(method, f"/api/v1{path}", headers=headers, **request) as answer:
            if answer.content_type == "text/csv":
                return answer.status, await answer.text()
            return answer.status, None if answer.status == 204 else await answer.json()

    return call


async def ids(api: Any, query: str, role: str = "admin") -> list[str]:
    status, answer = await api("GET", f"/terminals{query}", role)
    assert status == 200, answer
    return [item["id"] for item in answer["items"]]


async def test_lists_by_state_area_words_and_the_last_test(house, api) -> None:
    now = SystemClock().now()
    house.register.seen("tv-0001", now, pressed=True, test=True)
    house.register.seen("tv-0002", now, online=False)
    assert await ids(api, "?state=online") == ["tv-0001"]
    assert await ids(api, "?state=offline") == ["tv-0002"]
    assert await ids(api, "?area=511725") == ["tv-0002"]
    assert await ids(api, "?q=李") == ["tv-0002"]
    assert await ids(api, "?q=TV-0001") == ["tv-0001"]
    assert await ids(api, "?q=13800000000") == ["tv-0001", "tv-0002"]
    assert await ids(api, "?untested_since=2026-01-01T00:00:00Z") == ["tv-0002"]
    for wrong in ("?state=lost", "?area=x", "?q=", "?untested_since=2026-01-01"):
        assert (await api("GET", f"/terminals{wrong}"))[0] == 422, wrong


async def test_who_only_looks_is_shown_no_telephone_number(house, api, log_in, events) -> None:
    for path in ("/terminals/tv-0001", "/terminals"):
        for role, phone in (("viewer", None), ("operator", "13800000000"), ("maintainer", "13800000000")):
            _, answer = await api("GET", path, role)
            shown = answer["items"][0] if "items" in answer else answer
            assert (shown["household"]["phone"], shown["household"]["name"]) == (phone, "王家"), (path, role)
    assert await ids(api, "?q=13800000000", "viewer") == []
    for role, phone in (("viewer", None), ("operator", "13800000000")):
        async with events(await log_in(role)) as stream:
            assert (await stream.next("terminal")).data["household"]["phone"] == phone


async def test_a_household_is_written_down_with_the_audit_first(house, api) -> None:
    wanted = {
        "id": "tv-0009",
        "household": {"name": "赵", "instructions": "钥匙在隔壁 12 号"},
        "place": {"area_code": "511724001"},
        "cameras": ["cam-street"],
    }
    status, made = await api("POST", "/terminals", "maintainer", json=wanted)
    assert (status, made["id"], made["household"]["name"], made["state"]) == (201, "tv-0009", "赵", "unknown")
    assert house.households.asked == [wanted]
    records, _ = await house.ledger.read(lambda reader: reader.audit(None, 1))
    assert [(r.actor, r.action, r.object) for r in records] == [("maintainer", "add_terminal", "terminals/tv-0009")]


async def test_what_is_wrong_is_said(house, api) -> None:
    for body in (
        {},
        {"id": "a b"},
        {"id": "a", "nonsense": 1},
        {"id": "a", "place": {"lon": 200}},
        {"id": "a", "place": {"area_code": "x"}},
        {"id": "a", "cameras": ["c"] * 17},
        {"id": "a", "household": {"instructions": "x" * 501}},
    ):
        assert (await api("POST", "/terminals", json=body))[0] == 422, body
    for fault, status in (
        (AlreadyHere("there is one"), 409),
        (NotInForce("the file is written, but not in force"), 409),
        (ConfigError(["node.yaml:3: terminals[0]: x"]), 409),
        (UsageError("household.phone: no"), 422),
        (RunningError("cannot be written"), 503),
        (KeyError("tv-0001"), 404),
    ):
        house.households.fault = fault
        got, problem = await api("PATCH", "/terminals/tv-0001", json={"household": {"phone": "1"}})
        assert (got, problem["status"]) == (status, status), fault
    assert (await api("PATCH", "/terminals/tv-9", json={}))[0] == 404
    assert (await api("DELETE", "/terminals/tv-9"))[0] == 404


async def test_null_takes_away_and_what_is_left_out_stays(house, api) -> None:
    body = {"neighbours": None, "household": {"phone": None}, "presets": {"cam-street": "3"}}
    assert (await api("PATCH", "/terminals/tv-0001", json=body))[0] == 200
    assert house.households.asked == [body]


async def test_somebody_of_another_area_may_not_touch_it(house, api) -> None:
    house.accounts.add_user("near-m", "maintainer", "a long enough password", areas=("511724001",))
    patch = {"place": {"area_code": "511725002"}}
    assert (await api("POST", "/terminals", "near-m", json={"id": "x"}))[0] == 403
    assert (await api("PATCH", "/terminals/tv-0001", "near-m", json=patch))[0] == 403
    assert (await api("PATCH", "/terminals/tv-0001", "near-m", json={"place": None}))[0] == 403
    assert (await api("PATCH", "/terminals/tv-0002", "near-m", json={}))[0] == 404
    assert (await api("DELETE", "/terminals/tv-0002", "near-m"))[0] == 404
    assert house.households.asked == []


@pytest.mark.parametrize("key", ["cameras", "presets"])
async def test_a_camera_of_another_area_is_not_there_to_be_linked(house, api, key) -> None:
    """Its pictures would come through the alarms of the own area, and it would turn with them."""

    def named(camera: str) -> dict[str, Any]:
        return {key: [camera] if key == "cameras" else {camera: "3"}}

    house.accounts.add_user("near-m", "maintainer", "a long enough password", areas=("511724001",))
    new = {"id": "tv-9", "place": {"area_code": "511724001"}}
    for method, path, body in (("POST", "/terminals", new), ("PATCH", "/terminals/tv-0001", {})):
        for camera, nearest in (("cam-far", ""), ("cam-fa", ""), ("cam-stret", "; the nearest is cam-street")):
            status, problem = await api(method, path, "near-m", json={**body, **named(camera)})
            assert (status, problem["faults"]) == (409, [f"{key}: there is no camera {camera}{nearest}"])
    assert house.households.asked == []
    assert (await api("PATCH", "/terminals/tv-0001", "maintainer", json=named("cam-far")))[0] == 200
    assert (await api("POST", "/terminals", "near-m", json={**new, **named("cam-street")}))[0] == 201


async def test_a_households_camera_is_linked_by_an_administrator_alone(house, api) -> None:
    """An alarm of whoever links it would open it."""
    for method, path, body in (
        ("POST", "/terminals", {"id": "tv-9", "cameras": ["cam-home"]}),
        ("PATCH", "/terminals/tv-0002", {"cameras": ["cam-street", "cam-home"]}),
        ("PATCH", "/terminals/tv-0002", {"presets": {"cam-home": "3"}}),
    ):
        status, problem = await api(method, path, "maintainer", json=body)
        assert (status, "by an administrator alone" in problem["detail"]) == (403, True), problem
    assert house.households.asked == []
    assert (await api("PATCH", "/terminals/tv-0002", json={"cameras": ["cam-home"]}))[0] == 200


async def test_what_a_terminal_names_already_stays_and_can_be_taken_away(house, api) -> None:
    house.accounts.add_user("near-m", "maintainer", "a long enough password", areas=("511724001",))
    first, second = house.register.terminals()
    far = replace(first, cameras=("cam-far", "cam-home"), presets={"cam-street": "1"})
    house.register.replace(Register(house.register.cameras(), [far, second]))
    for body in (
        {"cameras": ["cam-home", "cam-far", "cam-street"]},
        {"presets": {"cam-far": "2", "cam-home": "2", "cam-street": "2"}},
        {"presets": {"cam-gone": None}},
        {"cameras": None, "presets": None},
    ):
        assert (await api("PATCH", "/terminals/tv-0001", "near-m", json=body))[0] == 200, body
    preset_alone = replace(first, cameras=(), presets={"cam-home": "1"})
    house.register.replace(Register(house.register.cameras(), [preset_alone, second]))
    assert (await api("PATCH", "/terminals/tv-0001", "near-m", json={"cameras": ["cam-home"]}))[0] == 403


async def test_another_box(house, api) -> None:
    status, made = await api("POST", "/terminals/tv-0001/replacement", json={"id": "tv-0101"})
    assert (status, made["id"], house.households.asked) == (201, "tv-0101", [("tv-0001", "tv-0101")])


# ------------------------------------------------------------------------------------------------ test runs


async def test_a_test_run_names_who_did_not_answer(house, api) -> None:
    house.register.replace(
        Register(
            (),
            [*house.register.terminals(), Terminal("tv-3", Household("=1+1", "+86 138"), Place(area_code="511724001"))],
        )
    )
    until = (SystemClock().now() + timedelta(days=7)).isoformat()
    status, run = await api("POST", "/test-runs", "operator", json={"name": "三季度", "until": until})
    assert (status, run["state"], run["counts"]["total"]) == (201, "asking", 3)
    assert (await api("POST", "/test-runs", json={"name": "again", "until": until}))[0] == 409
    house.register.seen("tv-0001", SystemClock().now(), pressed=True, test=True)
    house.register.seen("tv-0002", SystemClock().now())
    _, shown = await api("GET", f"/test-runs/{run['id']}")
    assert shown["counts"] == {"total": 3, "tested": 1, "heard": 1, "silent": 1}
    assert [(each["terminal"], each["state"]) for each in shown["unanswered"]] == [
        ("tv-0002", "heard"),
        ("tv-3", "silent"),
    ]
    assert {each["area_code"]: each["tested"] for each in shown["by_area"]} == {"511724001": 1, "511725002": 0}
    status, listed = await api("GET", "/test-runs", "viewer")
    assert (status, [each["id"] for each in listed["items"]], listed["items"][0]["unanswered"]) == (
        200,
        [run["id"]],
        [],
    )
    _, table = await api("GET", f"/test-runs/{run['id']}?format=csv")
    _, same = await api("GET", f"/test-runs/{run['id']}", "viewer", headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(table.removeprefix("\ufeff"))))
    assert [(row["terminal"], row["state"], row["phone"]) for row in rows] == [
        ("tv-0001", "tested", "13800000000"),
        ("tv-0002", "heard", "13800000000"),
        ("tv-3", "silent", "+86 138"),
    ]
    assert rows[2]["name"] == "'=1+1"  # no formula in a spreadsheet
    assert "138" not in same
    _, ended = await api("POST", f"/test-runs/{run['id']}/end", "operator")
    assert (ended["state"], ended["counts"]["tested"]) == ("ended", 1)


async def test_of_a_test_run_everybody_sees_his_areas(house, http) -> None:
    run = await house.past_test_run()
    async with http.get(f"/api/v1/test-runs/{run}", headers=house.bearer("near")) as answer:
        assert (await answer.json())["counts"]["total"] == 1
    async with http.get("/api/v1/test-runs/none", headers=house.bearer("near")) as answer:
        assert answer.status == 404


async def test_nobody_ends_a_test_run_of_others_areas(house, http) -> None:
    until = SystemClock().now() + timedelta(days=1)
    trial = await house.trials.start("三季度", (), until, "li", lambda area: True)
    async with http.post(f"/api/v1/test-runs/{trial.id}/end", headers=house.bearer("near")) as answer:
        assert answer.status == 403, await answer.text()
    async with http.get(f"/api/v1/test-runs/{trial.id}", headers=house.bearer("near")) as answer:
        assert (await answer.json())["state"] != "ended"
    assert await house.trials.end(trial.id)
    far = await house.trials.start("四季度", ("511725",), until, "li", lambda area: True)
    for method, path in (("GET", ""), ("POST", "/end")):
        address = f"/api/v1/test-runs/{far.id}{path}"
        async with http.request(method, address, headers=house.bearer("near")) as answer:
            assert answer.status == 404, await answer.text()


async def test_a_test_run_that_cannot_be_begun(house, api) -> None:
    for body in (
        {"name": "x", "until": "2020-01-01T00:00:00Z"},
        {"name": "", "until": "2999-01-01T00:00:00Z"},
        {"name": "x", "until": "2999-01-01T00:00:00"},
        {"name": "x", "until": "2999-01-01T00:00:00Z", "areas": ["99"]},
    ):
        assert (await api("POST", "/test-runs", json=body))[0] == 422, body
