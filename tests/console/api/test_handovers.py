"""The end of a shift: what it leaves, given by one user and taken by the next."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gateway.model import rfc3339

PATH = "/api/v1/handovers"


def ago(**span) -> str:
    return rfc3339(datetime.now(UTC) - timedelta(**span))


async def get(http, path, headers, **params):
    async with http.get(path, headers=headers, params=params) as answer:
        return answer.status, await answer.json()


async def give(http, headers, **more):
    body = {"to": "周敏", "since": ago(hours=8), "notes": "李秀英家的门锁坏了", **more}
    async with http.post(PATH, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def take(http, headers, number):
    async with http.post(f"{PATH}/{number}/take", headers=headers) as answer:
        return answer.status, await answer.json()


async def test_a_shift_is_summed_up_from_its_entries(house, http) -> None:
    due = {"acknowledge": ago(seconds=5), "close": rfc3339(datetime.now(UTC) + timedelta(hours=1))}
    left, closed = await house.raise_alert(detail={"due": due}), await house.raise_alert()
    drill, far = await house.raise_alert(status="drill"), await house.raise_alert(area="511725002")
    for action, more in (("acknowledge", {}), ("note", {}), ("close", {"disposition": "false_alarm"})):
        await house.act(closed, action, "li", **more)
    headers = house.bearer("near")
    async with http.post(
        f"/api/v1/alerts/{left}/actions", json={"action": "note", "comment": "电话无人接听"}, headers=headers
    ) as answer:
        assert answer.status == 200
    status, report = await get(http, "/api/v1/handover", headers, since=ago(hours=1))
    assert status == 200
    assert report["whole"] is True
    counts = report["counts"]
    assert (counts["raised"], counts["exercises"], counts["acknowledged"], counts["closed"]) == (2, 1, 1, 1)
    assert (counts["by_disposition"], counts["by_severity"]) == ({"false_alarm": 1}, {"1": 2})
    assert {one["id"] for one in report["open"]} == {left, drill}
    assert far not in str(report)
    assert [(one["id"], one["step"], one["done"]) for one in report["missed"]] == [(left, "acknowledge", None)]
    assert [(one["alert"], one["actor"], one["comment"]) for one in report["notes"]] == [
        (left, "t-near", "电话无人接听")
    ]
    assert any(task["object"] == f"alerts/{left}" for task in report["tasks"])
    assert "13800000000" not in str(report)


async def test_what_was_before_the_shift_is_not_counted_and_what_is_open_is_left(house, http) -> None:
    alert = await house.raise_alert()
    await asyncio.sleep(0.002)  # a shift that begins within its millisecond has it
    status, report = await get(http, "/api/v1/handover", house.bearer("operator"), since=rfc3339(datetime.now(UTC)))
    assert status == 200
    assert report["counts"]["raised"] == 0
    assert [one["id"] for one in report["open"]] == [alert]


async def test_a_handover_is_given_once_and_taken_by_another(house, http, log_in) -> None:
    await house.raise_alert()
    giver, next_one = house.bearer("operator"), await log_in("admin")
    status, made = await give(http, giver)
    assert (status, made["given_by"], made["to"], made["taken_by"]) == (201, "t-operator", "周敏", None)
    assert made["report"]["counts"]["raised"] == 1
    status, problem = await take(http, giver, made["id"])
    assert (status, problem["detail"]) == (409, "Who gives a handover does not take it: the next shift does.")
    status, taken = await take(http, next_one, made["id"])
    assert (status, taken["taken_by"]) == (200, "admin")
    status, problem = await take(http, next_one, made["id"])
    assert (status, problem["detail"]) == (409, "This handover was taken already, by admin.")
    assert await get(http, f"{PATH}/{made['id']}", giver) == (200, taken)
    _, listed = await get(http, PATH, giver)
    assert [(one["id"], "report" in one) for one in listed["items"]] == [(made["id"], False)]
    _, audit = await get(http, "/api/v1/audit", next_one)
    said = [(line["actor"], line["action"], line["object"]) for line in audit["items"]]
    about = f"handovers/{made['id']}"
    assert said[:2] == [("admin", "take_handover", about), ("t-operator", "handover", about)]
    _, now = await get(http, "/api/v1/handover", giver)  # the next shift begins where that one ended
    assert now["since"] == made["given_at"]


async def test_handovers_are_paged_and_told_to_those_whose_areas_they_are_of(house, http) -> None:
    whole, near, far = house.handed_over(), house.handed_over(areas=["511724001"]), house.handed_over(areas=["511725"])
    mine = house.bearer("near")
    _, listed = await get(http, PATH, mine)
    assert [one["id"] for one in listed["items"]] == [near]
    for number in (whole, far, 999):
        assert (await get(http, f"{PATH}/{number}", mine))[0] == 404
        assert (await take(http, mine, number))[0] == 404
    everything = house.bearer("operator")
    _, first = await get(http, PATH, everything, limit="2")
    _, rest = await get(http, PATH, everything, limit="2", cursor=first["next"])
    assert [one["id"] for one in (*first["items"], *rest["items"])] == [far, near, whole]
    assert rest["next"] is None


@pytest.mark.parametrize(
    "more",
    [{"to": " "}, {"to": "a\nb"}, {"since": "2999-01-01T00:00:00Z"}, {"notes": "x" * 8001}, {"since": "2026-01-01"}],
)
async def test_a_handover_without_sense_is_refused(house, http, more) -> None:
    assert (await give(http, house.bearer("operator"), **more))[0] == 422


async def test_nobody_fills_the_disk_with_handovers(house, http, monkeypatch) -> None:
    monkeypatch.setattr("gateway.console.handovers.MOST_A_DAY", 3)
    headers = house.bearer("operator")
    assert [(await give(http, headers))[0] for _ in range(4)] == [201, 201, 201, 409]
    assert (await give(http, house.bearer("near")))[0] == 201, "another user is not kept from his"
