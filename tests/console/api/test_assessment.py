"""Classes of cases by hand, and how the departments stand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.console.api import schemas
from gateway.console.api.assessment import AssessmentReport, CaseAssessment, CaseClassShape
from gateway.model import rfc3339

NOW = datetime.now(UTC)


def case(department: str, close: float = 3600.0, **more: Any) -> dict[str, Any]:
    due = {"close": rfc3339(NOW - timedelta(hours=2) + timedelta(seconds=close))}
    return {"subclass": "0201", "name": "一键求助", "grade": 1, "department": department, "due": due, **more}


async def report(http, house, query: str = "", role: str = "operator") -> dict[str, Any]:
    async with http.get(f"/api/v1/assessment{query}", headers=house.bearer(role)) as answer:
        assert answer.status == 200, await answer.text()
        found: dict[str, Any] = await answer.json()
    AssessmentReport.model_validate(found)
    return found


async def act(http, house, alert: str, **body: Any) -> tuple[int, dict[str, Any]]:
    async with http.post(f"/api/v1/alerts/{alert}/actions", json=body, headers=house.bearer("operator")) as answer:
        return answer.status, await answer.json()


async def test_departments_are_told_apart_and_drills_left_out(house, http) -> None:
    raised_at = rfc3339(NOW - timedelta(hours=2))
    first = await house.raise_alert(raised_at=raised_at, detail={"case": case("派出所", 10 * 3600)})
    await house.raise_alert("tv-0002", raised_at=raised_at, detail={"case": case("派出所", 60)})
    await house.raise_alert(
        "tv-0003", raised_at=raised_at, area="511725002", detail={"case": case("司法所", 10 * 3600)}
    )
    await house.raise_alert("tv-0004", raised_at=raised_at, status="drill", detail={"case": case("派出所")})
    await house.raise_alert("tv-0005", raised_at=raised_at)
    assert (await act(http, house, first, action="urge"))[0] == 200
    assert (await act(http, house, first, action="close", disposition="real"))[0] == 200
    told = await report(http, house)
    assert told["complete"] and told["total"]["alerts"] == 4
    by_name = {each["department"]: each for each in told["departments"]}
    police = by_name["派出所"]
    assert (police["alerts"], police["open"], police["on_time"], police["overdue"]) == (2, 1, 1, 1)
    assert police["on_time_share"] == 0.5 and police["urged"] == 1
    assert police["steps"]["close"] == {"on_time": 1, "overdue": 1}
    assert police["handling_median_s"] >= 7200
    assert by_name["司法所"]["on_time_share"] is None and by_name[None]["alerts"] == 1
    near = await report(http, house, role="near")
    assert "司法所" not in {each["department"] for each in near["departments"]}
    assert (await report(http, house, "?area=511725"))["total"]["alerts"] == 1


async def test_a_span_holds_what_was_raised_in_it(house, http) -> None:
    await house.raise_alert(raised_at=rfc3339(NOW - timedelta(days=40)))
    assert (await report(http, house))["total"]["alerts"] == 0
    since = rfc3339(NOW - timedelta(days=50))
    assert (await report(http, house, f"?since={since}"))["total"]["alerts"] == 1
    assert (await report(http, house, f"?since={since}&until={rfc3339(NOW - timedelta(days=45))}"))["total"][
        "alerts"
    ] == 0


@pytest.mark.parametrize(
    "query", ["since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "since=2020-01-01T00:00:00Z", "since=x"]
)
async def test_a_span_that_makes_no_sense_is_refused_in_words(house, http, query: str) -> None:
    async with http.get(f"/api/v1/assessment?{query}", headers=house.bearer("viewer")) as answer:
        assert answer.status == 422
        assert "since" in (await answer.json())["detail"]


async def test_one_alert_is_assessed_step_by_step(house, http) -> None:
    raised_at = rfc3339(NOW - timedelta(hours=2))
    alert = await house.raise_alert(raised_at=raised_at, detail={"case": case("派出所", 60)})
    await act(http, house, alert, action="suspend")
    async with http.get(f"/api/v1/alerts/{alert}/assessment", headers=house.bearer("viewer")) as answer:
        told = CaseAssessment.model_validate(await answer.json())
    assert (told.department, told.on_time, told.suspended) == ("派出所", False, 1)
    assert (told.steps["close"].on_time, told.steps["close"].done, told.steps["register"].on_time) == (
        False,
        None,
        None,
    )
    async with http.get("/api/v1/alerts/none/assessment", headers=house.bearer("viewer")) as answer:
        assert answer.status == 404
    far = await house.raise_alert("tv-0002", area="511725002")
    async with http.get(f"/api/v1/alerts/{far}/assessment", headers=house.bearer("near")) as answer:
        assert answer.status == 404


async def test_the_list_is_there_to_choose_from(house, http) -> None:
    async with http.get("/api/v1/taxonomy", headers=house.bearer("viewer")) as answer:
        page = await answer.json()
    schemas.Page[CaseClassShape].model_validate(page)
    (found,) = page["items"]
    assert [each["code"] for each in found["subclasses"]] == ["0201", "0204"]
    assert found["subclasses"][0]["limits"] == {"register": 60, "dispatch": 180, "close": 3600}


async def test_the_desk_corrects_the_class_and_says_whom_it_sends(house, http) -> None:
    alert = await house.raise_alert()
    status, shown = await act(http, house, alert, action="assign", subclass="0204")
    assert status == 200
    assert (shown["detail"]["case"]["subclass"], shown["detail"]["case"]["department"]) == ("0204", "派出所")
    assert set(shown["detail"]["case"]["due"]) == {"register", "dispatch", "close"}
    await act(http, house, alert, action="acknowledge")
    status, shown = await act(http, house, alert, action="dispatch", department="应急管理办公室")
    assert status == 200 and shown["detail"]["case"]["department"] == "应急管理办公室"
    assert set(shown["detail"]["case"]["done"]) == {"register", "dispatch"}


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"action": "assign", "subclass": "9999"}, "GET /taxonomy"),
        ({"action": "assign"}, "an assignee, or a subclass"),
        ({"action": "note", "comment": "x", "subclass": "0204"}, "subclass stands with"),
        ({"action": "acknowledge", "department": "派出所"}, "department stands with"),
    ],
)
async def test_what_does_not_belong_together_is_refused(house, http, body: dict[str, Any], word: str) -> None:
    status, problem = await act(http, house, await house.raise_alert(), **body)
    assert status == 422 and word in problem["detail"]
