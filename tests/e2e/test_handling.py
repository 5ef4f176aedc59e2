"""A county that is not there: the township says so, goes on by itself, is killed, and hands everything over in the end."""

from typing import Any


def test_an_alert_climbs_without_the_county_and_is_taken_by_it_when_it_comes(
    town: Any, television: Any, seen: Any
) -> None:
    def quick(document: Any) -> None:
        document["alerts"]["second_way_after"] = "1s"
        document["alerts"]["escalation"] = [{"after": "2s"}, {"after": "12s", "to": "city"}]

    town.edit(quick)
    township, county = town.township, town.county
    township.start()
    seen("the broker", town._listens)
    tv = television("tv-0001")
    tv.press_until_received("p1")
    alert_id = tv.heard("p1", "received")[0]["alert_id"]

    def detail(node: Any) -> dict[str, Any]:
        alert = node.alert(alert_id)
        return {} if alert is None else dict(alert["detail"])

    seen("that the county is silent", lambda: detail(township).get("undelivered") == ["county"])
    seen("the first rung", lambda: detail(township).get("escalated_to", [])[:1] == ["county"])
    tasks = {task["kind"] for task in township.get("/tasks")["items"] if task["object"] == f"alerts/{alert_id}"}
    assert tasks == {"callback", "undelivered"}
    assert set(detail(township)["due"]) == {"acknowledge", "dispatch"}

    township.kill()
    township.start()
    seen("the second rung, after the kill", lambda: detail(township).get("escalated_to") == ["county", "city"])

    county.start()
    seen("that the county has it", lambda: "undelivered" not in detail(township))
    forwarded, *_ = seen("R2", lambda: tv.heard("p1", "forwarded"))
    assert forwarded["alert_id"] == alert_id
    seen("the ladder at the county", lambda: detail(county).get("escalated_to") == ["county", "city"])
    status, _ = county.request(f"/api/v1/alerts/{alert_id}/actions", method="POST", body={"action": "acknowledge"})
    assert status == 200
    seen("R3", lambda: tv.heard("p1", "accepted"))
    body = {"action": "note", "callback": "reached"}
    status, _ = county.request(f"/api/v1/alerts/{alert_id}/actions", method="POST", body=body)
    assert status == 200
    seen("the call at the township", lambda: detail(township).get("callback", {}).get("outcome") == "reached")

    def entries(node: Any) -> list[str]:
        return [
            entry["action"] for entry in node.alert(alert_id)["entries"] if entry["action"] not in ("picture", "clip")
        ]

    seen("the same at both levels", lambda: entries(township) == entries(county))
    assert entries(township).count("undelivered") == entries(township).count("delivered") == 1
    assert entries(township).count("escalate") == 2
    assert [task for task in township.get("/tasks")["items"] if task["object"] == f"alerts/{alert_id}"] == []
