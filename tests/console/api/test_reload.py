"""Reloading over the API: the plan, or why it was not taken."""

from gateway.config.plan import Difference, Plan, PlanRefused
from gateway.console.api import schemas
from gateway.errors import ConfigError

PLAN = Plan(Difference(("c9",), (), {"c1": ("rtsp.password",)}, 3), Difference(), ("http.listen.port",), 0.2)


async def test_the_answer_is_the_plan_and_the_order_is_audited(house, http, log_in) -> None:
    house.reload.plan = PLAN
    headers = await log_in("maintainer")
    async with http.post("/api/v1/reload", headers=headers, json={"yes": True}) as answer:
        assert answer.status == 200
        told = await answer.json()
    schemas.Plan.model_validate(told)
    assert told["cameras"] == {"added": ["c9"], "removed": [], "changed": {"c1": ["rtsp.password"]}, "kept": 3}
    assert told["restart"] == ["http.listen.port"]
    assert (house.reload.asked, house.reload.retried) == ([True], 0)
    async with http.get("/api/v1/audit?limit=1", headers=headers) as answer:
        [line] = (await answer.json())["items"]
    assert (line["actor"], line["action"], line["object"]) == ("maintainer", "reload", "nodes/zhuyang")
    assert line["detail"] == {"detail": "yes"}


async def test_a_refused_plan_is_a_conflict_that_shows_it(house, http, log_in) -> None:
    house.reload.fault = PlanRefused(PLAN, "it removes 30 of 100 cameras")
    async with http.post("/api/v1/reload", headers=await log_in("admin"), json={}) as answer:
        assert answer.status == 409
        told = await answer.json()
    schemas.RefusedPlan.model_validate(told)
    assert "30 of 100" in told["detail"] and told["plan"]["cameras"]["kept"] == 3
    assert house.reload.asked == [False]


async def test_faults_of_the_file_are_told_one_by_one(house, http, log_in) -> None:
    house.reload.fault = ConfigError(["node.yaml:3: cameras.0.id: is missing", "node.yaml:9: x: unknown key"])
    async with http.post("/api/v1/reload", headers=await log_in("admin"), json={}) as answer:
        assert answer.status == 422
        told = await answer.json()
    assert told["faults"] == ["node.yaml:3: cameras.0.id: is missing", "node.yaml:9: x: unknown key"]


async def test_what_is_not_understood_reloads_nothing(house, http, log_in) -> None:
    async with http.post("/api/v1/reload", headers=await log_in("admin"), json={"no": True}) as answer:
        assert answer.status == 422
    assert house.reload.asked == []


async def test_an_order_without_a_body_is_one_without_yes(house, http, log_in) -> None:
    house.reload.plan = PLAN
    async with http.post("/api/v1/reload", headers=await log_in("admin")) as answer:
        assert answer.status == 200
    assert house.reload.asked == [False]


async def test_a_mended_password_is_tried_again_on_order(house, http, log_in) -> None:
    house.reload.plan = PLAN
    headers = await log_in("admin")
    async with http.post("/api/v1/reload", headers=headers, json={"retry": True}) as answer:
        assert answer.status == 200
    assert (house.reload.asked, house.reload.retried) == ([False], 1)
    async with http.get("/api/v1/audit?limit=1", headers=headers) as answer:
        assert (await answer.json())["items"][0]["detail"] == {"detail": "retry"}
