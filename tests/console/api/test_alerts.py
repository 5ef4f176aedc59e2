"""Alerts over HTTP: lists, steps, pictures."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from gateway.console.api import schemas
from gateway.errors import StoreFailed


async def get(http, house, path, role="operator", **request):
    async with http.get(f"/api/v1{path}", headers=house.bearer(role), **request) as answer:
        return answer.status, await answer.json()


async def act(http, house, alert, role="operator", key=None, **body):
    headers = {**house.bearer(role), **({"Idempotency-Key": key} if key else {})}
    async with http.post(f"/api/v1/alerts/{alert}/actions", headers=headers, json=body) as answer:
        return answer.status, await answer.json()


async def test_list_is_newest_first_in_pages_without_entries(house, http) -> None:
    alerts = [await house.raise_alert() for _ in range(5)]
    seen, query = [], "?limit=2"
    while True:
        status, page = await get(http, house, f"/alerts{query}")
        assert status == 200
        schemas.Page[schemas.AlertInList].model_validate(page)
        seen += page["items"]
        if page["next"] is None:
            break
        query = f"?limit=2&cursor={page['next']}"
    assert [alert["id"] for alert in seen] == alerts[::-1]
    assert all("entries" not in alert for alert in seen)


async def test_filters_take_repeated_and_comma_separated_values(house, http) -> None:
    sos = await house.raise_alert()
    fire = await house.raise_alert(kind="fire", area="511725002")
    motion = await house.raise_alert(kind="motion", severity=4, title="something moves")
    await house.act(fire, "acknowledge", "li")

    async def ids(query: str) -> list[str]:
        status, page = await get(http, house, f"/alerts?{query}")
        assert status == 200, page
        return [item["id"] for item in page["items"]]

    assert await ids("kind=sos,fire") == await ids("kind=sos&kind=fire") == [fire, sos]
    assert await ids("severity=4") == [motion]
    assert await ids("severity=1,4&kind=motion") == [motion]
    assert await ids("workflow=acknowledged") == [fire]
    assert await ids("workflow=new,acknowledged&area=511724") == [motion, sos]
    assert await ids("q=moves") == [motion]
    now = datetime.now(UTC)
    later, earlier = ((now + timedelta(hours=by)).strftime("%Y-%m-%dT%H:%M:%SZ") for by in (1, -1))
    assert await ids(f"since={later}") == []
    assert await ids(f"since={earlier}&until={later}") == [motion, fire, sos]
    assert await ids("workflow=&severity=&kind=&area=&since=&until=&q=&cursor=&limit=") == [motion, fire, sos]


@pytest.mark.parametrize(
    "query",
    [
        "workflow=open",
        "severity=0",
        "severity=one",
        "kind=sos,earthquake",
        "since=yesterday",
        "since=2026-01-31T08:00:00",
        "limit=0",
        "limit=501",
        "limit=many",
        "cursor=rubbish",
        f"q={'x' * 201}",
    ],
)
async def test_filters_not_understood_are_problems_that_name_them(house, http, query) -> None:
    status, problem = await get(http, house, f"/alerts?{query}")
    assert status == 422
    assert query.split("=")[0] in problem["detail"]


async def test_one_alert_has_its_history_in_causal_order(house, http) -> None:
    alert = await house.raise_alert()
    await house.act(alert, "pressed", "terminal/tv-0001", press_id="p2", detail={}, cameras=[])
    status, shown = await get(http, house, f"/alerts/{alert}")
    assert status == 200
    schemas.Alert.model_validate(shown)
    assert [entry["action"] for entry in shown["entries"]] == ["raised", "pressed"]
    assert shown["count"] == 2


async def test_unknown_alert_is_not_there(house, http) -> None:
    status, problem = await get(http, house, "/alerts/01-none")
    assert (status, problem["title"]) == (404, "Not Found")


async def test_an_alert_is_handled_from_new_to_closed_and_reopened(house, http) -> None:
    alert = await house.raise_alert()
    steps = [
        ({"action": "acknowledge", "comment": "I take it"}, "acknowledged"),
        ({"action": "dispatch", "assignee": "li"}, "dispatched"),
        ({"action": "arrive"}, "on_scene"),
        ({"action": "note", "comment": "neighbours helped"}, "on_scene"),
        ({"action": "close", "disposition": "real", "comment": "help was given"}, "closed"),
        ({"action": "reopen"}, None),
    ]
    version = 0
    for body, workflow in steps:
        status, shown = await act(http, house, alert, **body)
        assert status == 200, shown
        schemas.Alert.model_validate(shown)
        assert workflow in (None, shown["workflow"])
        last = shown["entries"][-1]
        assert (last["action"], last["actor"], last["comment"]) == (
            body["action"],
            "t-operator",
            body.get("comment"),
        )
        assert shown["version"] > version
        version = shown["version"]
    assert shown["workflow"] != "closed"
    assert shown["receipts"]["accepted_at"] is not None


async def test_a_step_the_state_does_not_allow_is_409_with_that_state(house, http) -> None:
    alert = await house.raise_alert()
    await act(http, house, alert, action="acknowledge")
    status, problem = await act(http, house, alert, action="acknowledge")
    assert status == 409
    schemas.Conflict.model_validate(problem)
    assert problem["workflow"] == "acknowledged"
    assert problem["detail"].startswith("The alert is acknowledged")
    status, problem = await act(http, house, alert, action="shelve", until="2999-01-01T00:00:00Z", comment="x")
    assert (status, problem["detail"]) == (409, "A press is never shelved.")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "explode"},
        {"action": "close"},
        {"action": "close", "disposition": "boring"},
        {"action": "assign"},
        {"action": "note"},
        {"action": "shelve", "comment": "x"},
        {"action": "shelve", "until": "2999-01-01T00:00:00Z"},
        {"action": "note", "comment": " "},
        {"action": "acknowledge", "comment": "x" * 2001},
        {"action": "defer"},
        {"action": "defer", "until": "tomorrow"},
        {"action": "note", "callback": "perhaps"},
        {"action": "close", "disposition": "real", "callback": "reached"},
        {"action": "escalate", "to": "village"},
        {"action": "assign", "assignee": "li", "to": "county"},
        {"action": "defer", "until": "2026-01-31T08:00:00"},
        {"action": "acknowledge", "disposition ": "real"},
        [],
    ],
)
async def test_what_is_no_step_is_422_and_changes_nothing(house, http, body) -> None:
    alert = await house.raise_alert()
    headers = house.bearer("operator")
    async with http.post(f"/api/v1/alerts/{alert}/actions", headers=headers, json=body) as answer:
        assert answer.status == 422
        assert (await answer.json())["errors"]
    _, shown = await get(http, house, f"/alerts/{alert}")
    assert len(shown["entries"]) == 1


async def test_until_is_kept_in_utc(house, http) -> None:
    alert = await house.raise_alert()
    await act(http, house, alert, action="acknowledge")
    status, problem = await act(http, house, alert, action="defer", until="2030-01-31T08:00:00+08:00")
    assert status == 200, problem
    entries = await house.ledger.read(lambda reader: reader.entries(alert))
    assert entries[-1].entry.data == {"until": "2030-01-31T00:00:00.000Z", "level": "township"}


async def test_who_took_it_at_which_level_is_kept(house, http) -> None:
    alert = await house.raise_alert()
    assert (await act(http, house, alert, action="acknowledge"))[0] == 200
    stored = await house.ledger.read(lambda reader: reader.alert(alert))
    assert (stored.alert.accepted_by, stored.alert.accepted_level) == ("t-operator", "township")


async def test_an_escalation_by_hand_goes_to_the_level_above_or_to_the_one_that_is_named(house, http) -> None:
    alert = await house.raise_alert()
    status, shown = await act(http, house, alert, action="escalate", comment="more than we can do")
    assert (status, shown["detail"]["escalated_to"]) == (200, ["county"])
    status, shown = await act(http, house, alert, action="escalate", to="city")
    assert (status, shown["detail"]["escalated_to"], shown["severity"]) == (200, ["county", "city"], 1)


async def test_a_note_says_what_came_of_calling_back_also_when_the_alert_is_closed(house, http) -> None:
    alert = await house.raise_alert()
    status, shown = await act(http, house, alert, action="note", callback="no_answer")
    assert (status, shown["detail"]["callback"]["outcome"]) == (200, "no_answer")
    await act(http, house, alert, action="close", disposition="real")
    status, shown = await act(http, house, alert, action="note", callback="reached", comment="all is well")
    schemas.Alert.model_validate(shown)
    assert (status, shown["detail"]["callback"]["by"]) == (200, "t-operator")
    assert shown["detail"]["callback"]["outcome"] == "reached"


async def test_same_idempotency_key_gives_the_same_answer_once(house, http) -> None:
    alert, other = await house.raise_alert(), await house.raise_alert()
    first = await act(http, house, alert, key="k1", action="acknowledge", comment="mine")
    await act(http, house, alert, action="note", comment="meanwhile")
    again = await act(http, house, alert, key="k1", action="acknowledge", comment="mine")
    assert first == again
    assert first[0] == 200
    status, problem = await act(http, house, alert, key="k1", action="acknowledge", comment="other")
    assert status == 422
    assert "Idempotency-Key" in problem["detail"]
    assert (await act(http, house, other, key="k1", action="acknowledge"))[0] == 200  # another alert, another key
    _, shown = await get(http, house, f"/alerts/{alert}")
    assert [entry["action"] for entry in shown["entries"]] == ["raised", "acknowledge", "note"]


async def test_an_idempotency_key_belongs_to_who_sent_it(house, http) -> None:
    alert = await house.raise_alert()
    assert (await act(http, house, alert, key="k1", action="note", comment="a"))[0] == 200
    assert (await act(http, house, alert, role="near", key="k1", action="note", comment="b"))[0] == 200


async def test_a_refused_step_does_not_use_up_its_key(house, http) -> None:
    alert = await house.raise_alert()
    assert (await act(http, house, alert, key="k1", action="arrive"))[0] in (200, 409)
    assert (await act(http, house, alert, key="k2", action="reopen"))[0] == 409
    await act(http, house, alert, action="cancel")
    assert (await act(http, house, alert, key="k2", action="reopen"))[0] == 200


async def test_of_many_who_acknowledge_at_once_one_has_done_it(house, http) -> None:
    alert = await house.raise_alert()
    answers = await asyncio.gather(*(act(http, house, alert, action="acknowledge") for _ in range(8)))
    assert sorted(status for status, _ in answers) == [200] + [409] * 7


async def test_snapshot_is_the_picture_and_every_viewing_is_audited(house, http, log_in) -> None:
    alert = await house.raise_alert()
    sha256 = await house.picture_ready(alert)
    _, shown = await get(http, house, f"/alerts/{alert}")
    [ready, pending] = shown["cameras"][0]["snapshots"]
    assert (ready["sha256"], ready["offset_ms"], ready["state"]) == (sha256, -4720, "ready")
    headers = await log_in("viewer")
    async with http.get(ready["url"], headers=headers) as answer:
        assert answer.status == 200
        assert answer.content_type == "image/jpeg"
        assert answer.headers["ETag"] == f'"{sha256}"'
        assert answer.headers["Cache-Control"].startswith("private")
        assert await answer.read() == house.media.kept[sha256]
    async with http.get(ready["url"], headers={**headers, "If-None-Match": f'"{sha256}"'}) as answer:
        assert answer.status == 304
    assert (pending["state"], pending["url"]) == ("pending", None)
    audit, _ = await house.ledger.read(lambda reader: reader.audit(None, 10))
    assert [(line.actor, line.action, line.object) for line in audit][:2] == [
        ("viewer", "view_snapshot", f"alerts/{alert}/snapshots/s1")
    ] * 2


async def test_snapshot_that_is_not_there_says_why(house, http) -> None:
    alert = await house.raise_alert()
    reason = "the camera was offline"
    await house.act(alert, "picture", camera="cam-street", snapshot="s2", state="failed", reason=reason)
    status, problem = await get(http, house, f"/alerts/{alert}/snapshots/s1")
    assert (status, problem["state"]) == (404, "pending")
    status, problem = await get(http, house, f"/alerts/{alert}/snapshots/s2")
    assert status == 404
    assert reason in problem["detail"]
    status, problem = await get(http, house, f"/alerts/{alert}/snapshots/s9")
    assert (status, problem["detail"]) == (404, "There is no snapshot s9 of this alert.")
    await house.picture_ready(alert)
    house.media.kept.clear()  # the entry came before its picture, from a lower node
    status, problem = await get(http, house, f"/alerts/{alert}/snapshots/s1")
    assert (status, "has not come" in problem["detail"]) == (404, True)


async def test_no_audit_no_picture(house, http, monkeypatch) -> None:
    alert = await house.raise_alert()
    await house.picture_ready(alert)

    async def refuse(work):
        raise StoreFailed("the disk is full")

    monkeypatch.setattr(house.ledger, "write", refuse)
    status, problem = await get(http, house, f"/alerts/{alert}/snapshots/s1")
    assert (status, problem["detail"]) == (503, "the disk is full")
    status, problem = await act(http, house, alert, action="acknowledge")
    assert status == 503


async def test_answers_are_utf_8_json(house, http) -> None:
    alert = await house.raise_alert()
    headers = house.bearer("operator")
    body = {"action": "note", "comment": "已到现场 \U0001f692"}
    async with http.post(f"/api/v1/alerts/{alert}/actions", headers=headers, json=body) as answer:
        shown = json.loads((await answer.read()).decode())
        assert answer.content_type == "application/json"
    assert shown["entries"][-1]["comment"] == "已到现场 \U0001f692"
