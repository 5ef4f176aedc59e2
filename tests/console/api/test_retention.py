"""How long what is kept is kept, and what is held, over the API."""

from datetime import timedelta

import pytest

from gateway.model import utc_now


@pytest.fixture
async def call(http, log_in):
    logins = {role: await log_in(role) for role in ("admin", "maintainer", "operator", "viewer")}

    async def ask(method, path, role="admin", **more):
        async with http.request(method, f"/api/v1{path}", headers=logins[role], **more) as answer:
            return answer.status, await answer.json() if answer.content_type.endswith("json") else None

    return ask


async def test_what_is_kept_is_shown_by_kind(house, call) -> None:
    await house.raise_alert()
    status, told = await call("get", "/retention", "maintainer")
    assert status == 200
    kinds = {each["kind"]: each for each in told["kinds"]}
    assert (kinds["pictures"]["days"], kinds["pictures"]["floor"]) == (90, 30)
    assert kinds["alerts"]["count"] == 1 and kinds["alerts"]["oldest"] <= utc_now().isoformat()
    assert told["last"] is None and told["held"] == 0


async def test_a_run_is_audited_and_told(house, call) -> None:
    status, told = await call("post", "/retention/run", json={})
    assert status == 409 and "nothing is deleted before it has gone on steadily for a day" in told["detail"]
    status, run = await call("post", "/retention/run", json={}, params={"clock_is_right": "true"})
    assert (status, run["deleted"], run["fault"]) == (200, {}, None)
    _, told = await call("get", "/retention")
    assert told["last"]["id"] == run["id"]
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 9))
    [line] = [line for line in lines if line.action == "run_retention"]
    assert line.detail["detail"].startswith("says that the clock is right: ")


class TestHolds:
    async def test_a_hold_stands_until_it_is_released(self, house, call) -> None:
        alert = await house.raise_alert()
        await house.act(alert, "close", "li", disposition="real")
        status, told = await call("post", f"/alerts/{alert}/hold", "operator", json={"reason": " 法院调取 "})
        assert status == 200
        assert told["detail"]["held"]["reason"] == "法院调取" and told["workflow"] == "closed"
        _, held = await call("get", "/holds", "viewer")
        assert [(each["alert"], each["reason"]) for each in held["items"]] == [(alert, "法院调取")]
        status, told = await call("post", f"/alerts/{alert}/hold", json={"reason": "again"})
        assert status == 409 and "held already" in told["detail"]
        status, told = await call("delete", f"/alerts/{alert}/hold", params={"reason": "结案"})
        assert status == 200 and "held" not in told["detail"]
        assert (await call("delete", f"/alerts/{alert}/hold", params={"reason": "x"}))[0] == 409
        assert (await call("get", "/holds"))[1]["items"] == []
        lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 9))
        assert [(line.action, line.object, line.reason) for line in lines][:2] == [
            ("release", f"alerts/{alert}", "结案"),
            ("hold", f"alerts/{alert}", "法院调取"),
        ]
        entries = await house.ledger.read(lambda reader: reader.entries(alert))
        assert [each.entry.action for each in entries][-2:] == ["hold", "release"]

    @pytest.mark.parametrize("reason", ["", "   "])
    async def test_it_needs_a_reason(self, house, call, reason) -> None:
        alert = await house.raise_alert()
        assert (await call("post", f"/alerts/{alert}/hold", json={"reason": reason}))[0] == 422
        assert (await call("delete", f"/alerts/{alert}/hold", params={"reason": reason}))[0] == 422

    async def test_what_a_node_above_holds_is_not_released_here(self, house, call) -> None:
        alert = await house.raise_alert()
        await house.act(alert, "hold", "li", level="city")
        status, told = await call("delete", f"/alerts/{alert}/hold", params={"reason": "x"})
        assert status == 409 and "held by li" in told["detail"] and "further up" in told["detail"]
        assert [each["alert"] for each in (await call("get", "/holds"))[1]["items"]] == [alert]

    async def test_of_an_alert_that_is_not_there(self, house, call) -> None:
        assert (await call("post", "/alerts/none/hold", json={"reason": "x"}))[0] == 404


async def test_a_deleted_picture_is_gone_and_not_missing(house, call) -> None:
    alert = await house.raise_alert()
    await house.picture_ready(alert)
    await house.act(alert, "close", "li", disposition="real")
    status, _ = await call("get", f"/alerts/{alert}/snapshots/s1")
    assert status == 200
    await house.ledger.write(lambda tx: tx.expire_media("pictures", utc_now() + timedelta(days=99), 0, "r"))
    status, told = await call("get", f"/alerts/{alert}/snapshots/s1")
    assert (status, told["state"]) == (410, "deleted")
    _, told = await call("get", f"/alerts/{alert}")
    [shown] = [each for each in told["cameras"][0]["snapshots"] if each["id"] == "s1"]
    assert (shown["url"], shown["state"]) == (None, "ready") and shown["sha256"]
