"""What is wrong with a camera's picture, over HTTP."""

from datetime import UTC, datetime

import pytest

from gateway.errors import Unreachable
from gateway.model import EvidenceState
from gateway.video.diagnosis.wire import Look


@pytest.fixture
def audited(house):
    """The lines of the audit with an action."""

    async def lines(action: str):
        found, _ = await house.ledger.read(lambda reader: reader.audit(None, 100))
        return [line for line in found if line.action == action]

    return lines


PATH = "/api/v1/cameras/cam-street/diagnosis"


def told(**changes) -> Look:
    return Look("cam-street", datetime(2026, 1, 1, tzinfo=UTC), False, "k1", 0.5, {"blur": 3.5, "seen": 1.0}, **changes)


async def test_measures_stand_beside_their_limits(house, http) -> None:
    house.diagnosis.look_told = told(found=("blurred",), standing=("blurred",))
    async with http.get(PATH, headers=house.bearer("viewer")) as answer:
        found = await answer.json()
    assert answer.status == 200
    assert found["look"]["found"] == ["blurred"]
    [blur] = found["measures"]  # what nothing is judged by is left out
    assert (blur["name"], blur["value"]) == ("blur", 3.5)
    assert ("blurred", "above") in [(limit["fault"], limit["side"]) for limit in blur["limits"]]
    assert found["every_s"] == 120.0
    assert found["trouble"] is None


async def test_the_history_is_there_when_the_worker_is_not(house, http) -> None:
    house.diagnosis.broken = Unreachable("the video worker is being started")
    kept = await house.verdict(planned="new mast")
    async with http.get(PATH, headers=house.bearer("viewer")) as answer:
        found = await answer.json()
    assert found["trouble"] == "the video worker is being started"
    [verdict] = found["history"]
    assert verdict["id"] == kept.id
    assert (verdict["fault"], verdict["code"], verdict["planned"]) == ("covered", 9, "new mast")
    assert verdict["url"].endswith(f"/diagnosis/{kept.id}.jpg")


async def test_the_history_is_read_page_by_page(house, http) -> None:
    kept = [(await house.verdict(fault=fault)).id for fault in ("black", "covered", "moved")]
    seen, cursor = [], {}
    for _ in range(3):
        async with http.get(PATH, params={"limit": 1, **cursor}, headers=house.bearer("viewer")) as answer:
            page = await answer.json()
        seen += [verdict["id"] for verdict in page["history"]]
        cursor = {"cursor": page["next"]}
    assert seen == kept[::-1]
    assert page["next"] is None


async def test_who_looks_at_the_evidence_is_in_the_audit(house, http, audited) -> None:
    kept = await house.verdict()
    async with http.get(f"{PATH}/{kept.id}.jpg", headers=house.bearer("viewer")) as answer:
        assert answer.status == 422  # without a reason
    async with http.get(f"{PATH}/{kept.id}.jpg?reason=+", headers=house.bearer("viewer")) as answer:
        assert answer.status == 422
    async with http.get(f"{PATH}/{kept.id}.jpg?reason=a+task", headers=house.bearer("viewer")) as answer:
        assert answer.status == 200
        assert answer.content_type == "image/jpeg"
    [line] = await audited("view_evidence")
    assert (line.object, line.reason) == (f"cameras/cam-street/diagnosis/{kept.id}", "a task")


async def test_the_evidence_of_a_household_opens_as_its_camera_does(house, http, audited) -> None:
    kept = await house.verdict(camera="cam-home")
    path = f"/api/v1/cameras/cam-home/diagnosis/{kept.id}.jpg?reason=a+task"
    async with http.get(path, headers=house.bearer("operator")) as answer:
        assert answer.status == 403
    assert await audited("view_evidence") == []


async def test_a_verdict_belongs_to_its_camera(house, http) -> None:
    kept = await house.verdict(camera="cam-home")
    async with http.get(f"{PATH}/{kept.id}.jpg?reason=x", headers=house.bearer("operator")) as answer:
        assert answer.status == 404


@pytest.mark.parametrize("state", [EvidenceState.FAILED, EvidenceState.DELETED, EvidenceState.PENDING])
async def test_a_picture_that_is_not_here_says_why(house, http, state) -> None:
    kept = await house.verdict(evidence=state, sha256=None, reason="the worker died" if state == "failed" else None)
    async with http.get(f"{PATH}/{kept.id}.jpg?reason=x", headers=house.bearer("operator")) as answer:
        problem = await answer.json()
    assert answer.status == 404
    assert problem["state"] == state
    assert ("the worker died" in problem["detail"]) is (state == "failed")


async def test_a_reference_view_is_set_and_forgotten_by_a_name(house, http, audited, log_in) -> None:
    path = "/api/v1/cameras/cam-street/reference"
    async with http.put(path, headers=await log_in("maintainer")) as answer:
        [view] = await answer.json()
    assert view["period"] == "day"
    assert house.diagnosis.asked[0] == ("set", "cam-street", view["by"])
    async with http.delete(path, headers=await log_in("maintainer")) as answer:
        assert answer.status == 204
    async with http.delete(path, headers=await log_in("maintainer")) as answer:
        assert answer.status == 404
    assert [line.object for line in await audited("set_reference")] == ["cameras/cam-street"]
    assert len(await audited("forget_reference")) == 2


async def test_a_dark_camera_has_nothing_to_look_at(house, http) -> None:
    house.diagnosis.broken = Unreachable("camera cam-street is offline")
    async with http.post(PATH, headers=house.bearer("operator")) as answer:
        problem = await answer.json()
    assert answer.status == 503
    assert "is offline" in problem["detail"]


async def test_an_operator_of_another_area_sees_none_of_it(house, http) -> None:
    kept = await house.verdict(camera="cam-far")
    for path in ("", f"/{kept.id}.jpg?reason=x"):
        async with http.get(f"/api/v1/cameras/cam-far/diagnosis{path}", headers=house.bearer("near")) as answer:
            assert answer.status == 404
