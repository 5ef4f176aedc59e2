"""The same step on many alerts."""

import pytest

PATH = "/api/v1/alerts/actions"


async def act(http, headers, ids, key=None, **body):
    sent = {**headers, **({} if key is None else {"Idempotency-Key": key})}
    async with http.post(PATH, json={"ids": ids, **body}, headers=sent) as answer:
        return answer.status, await answer.json()


async def entries(http, headers, alert_id, action):
    async with http.get(f"/api/v1/alerts/{alert_id}", headers=headers) as answer:
        return [entry for entry in (await answer.json())["entries"] if entry["action"] == action]


async def test_each_alert_is_answered_for_by_itself(house, http) -> None:
    near, taken, far = (await house.raise_alert(), await house.raise_alert(), await house.raise_alert(area="511725002"))
    await house.act(taken, "acknowledge", "li")
    headers = house.bearer("near")
    status, answer = await act(
        http, headers, [near, taken, far, "nobody", near], action="acknowledge", comment="同一事件"
    )
    assert status == 200
    assert [(item["id"], item["ok"], item["workflow"]) for item in answer["items"]] == [
        (near, True, "acknowledged"),
        (taken, False, "acknowledged"),
        (far, False, None),
        ("nobody", False, None),
    ]
    reasons = [item["reason"] for item in answer["items"]]
    assert reasons[0] is None
    assert "acknowledge is allowed while it is new" in reasons[1]
    assert reasons[2] == f"There is no alert {far} here."
    [entry] = await entries(http, headers, near, "acknowledge")
    assert (entry["actor"], entry["comment"]) == ("t-near", "同一事件")


async def test_a_repeat_with_its_key_does_nothing_twice_and_another_body_is_refused(house, http) -> None:
    alert = await house.raise_alert()
    headers = house.bearer("operator")
    once = await act(http, headers, [alert], "k1", action="note", comment="a")
    assert await act(http, headers, [alert], "k1", action="note", comment="a") == once
    assert len(await entries(http, headers, alert, "note")) == 1
    assert (await act(http, headers, [alert], "k1", action="note", comment="b"))[0] == 422
    single = {**headers, "Idempotency-Key": "k1"}
    body = {"action": "note", "comment": "a"}
    async with http.post(f"/api/v1/alerts/{alert}/actions", json=body, headers=single) as answer:
        assert answer.status == 200
    assert len(await entries(http, headers, alert, "note")) == 2  # the single route has keys of its own


async def test_presses_are_never_shelved_with_the_others(house, http) -> None:
    press = await house.raise_alert()
    camera = {"type": "camera", "id": "cam-street", "name": None, "known": True}
    device = await house.raise_alert(kind="tamper", severity=3, source=camera)
    body = {"action": "shelve", "until": "2999-01-01T00:00:00Z", "comment": "施工"}
    _, answer = await act(http, house.bearer("operator"), [press, device], **body)
    assert [(item["ok"], item["reason"]) for item in answer["items"]] == [
        (False, "A press is never shelved."),
        (True, None),
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"ids": ["a"], "action": "dispatch"}, "a step for one alert"),
        ({"ids": ["a"], "action": "close"}, "closing needs a disposition"),
        ({"ids": [], "action": "acknowledge"}, "ids"),
        ({"ids": ["a"] * 201, "action": "acknowledge"}, "ids"),
    ],
)
async def test_what_is_no_such_step_is_refused_whole(house, http, body, said) -> None:
    async with http.post(PATH, json=body, headers=house.bearer("operator")) as answer:
        assert answer.status == 422
        assert said in (await answer.json())["detail"]
